//! The key and certificates with which this server signs its UDAP metadata.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::file;
use crate::base::clock::Timestamp;
use crate::base::secret::{Secret, sha256_hex};
use crate::config::udap::UdapMetadata;
use crate::jose::{self, SigningKey, SigningKeyError, same_key, signing_key};
use crate::x509::Chain;

/// Lifetime of signed metadata, in seconds.
const LIFETIME: u64 = 86_400;
/// Seconds after which metadata is signed again.
const SIGNED_ANEW: u64 = 600;

/// A signing key with its certificates.
#[derive(Debug)]
pub struct MetadataSigner {
    key: SigningKey,
    x5c: Value,
    /// The name in the certificate.
    base_url: String,
    /// The most recently signed metadata.
    last: Mutex<Option<SignedMetadata>>,
}

#[derive(Debug, Clone)]
struct SignedMetadata {
    claims: Map<String, Value>,
    at: Timestamp,
    token: Arc<str>,
}

impl MetadataSigner {
    /// Reads the files in `settings`. Returns `None` if `settings` names no files. Errors are added to
    /// `faults`.
    pub(super) fn read(
        settings: &UdapMetadata,
        faults: &mut Vec<(String, String)>,
    ) -> Option<Self> {
        let key = settings.signing_key.as_ref()?;
        let certificates = settings.certificates.as_ref()?;
        let base_url = settings.base_url.as_ref()?;
        match read(key, certificates, base_url) {
            Ok(signer) => Some(signer),
            Err((name, reason)) => {
                faults.push((format!("registration.udapMetadata.{name}"), reason));
                None
            }
        }
    }

    /// Returns a JWT with `claims`, issued at `now` under the name in the certificate.
    ///
    /// # Errors
    /// Returns an error if the cryptographic library fails.
    pub fn sign(
        &self,
        claims: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Arc<str>, SigningKeyError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = &*last
            && signed.claims == claims
            && (signed.at..signed.at.plus(SIGNED_ANEW)).contains(&now)
        {
            return Ok(Arc::clone(&signed.token));
        }
        let token: Arc<str> = self.signed(&claims, now)?.into();
        *last = Some(SignedMetadata {
            claims,
            at: now,
            token: Arc::clone(&token),
        });
        Ok(token)
    }

    fn signed(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<String, SigningKeyError> {
        let mut all = claims.clone();
        let expiry = now.plus(LIFETIME);
        // The `jti` is derived from the claims and the time, so it is unique.
        let jti = sha256_hex(format!("{}{}", now.unix(), Value::Object(claims.clone())).as_bytes());
        let base_url = Value::from(self.base_url.as_str());
        let own = [
            ("iss", base_url.clone()),
            ("sub", base_url),
            ("iat", now.unix().into()),
            ("exp", expiry.unix().into()),
            ("jti", jti.into()),
        ];
        for (name, value) in own {
            all.insert(name.to_owned(), value);
        }
        let mut header = Map::new();
        header.insert("x5c".to_owned(), self.x5c.clone());
        jose::sign(&header, &all, &self.key)
    }
}

/// Reads the signer. An error has the name of the option and the reason.
fn read(
    key: &Path,
    certificates: &Path,
    base_url: &str,
) -> Result<MetadataSigner, (&'static str, String)> {
    let signer = read_key(key).map_err(|reason| ("signingKey", reason))?;
    let chain = read_chain(certificates).map_err(|reason| ("certificates", reason))?;
    let own = chain.signer().jwk().map(Value::Object);
    let is_pair = match (own, signer.public_jwk()) {
        (Some(one), Some(other)) => same_key(&one, &other),
        _ => false,
    };
    if !is_pair {
        let reason = format!(
            "'{}' is not the key of the first certificate in '{}'",
            key.display(),
            certificates.display()
        );
        return Err(("signingKey", reason));
    }
    if !chain.signer().sans.has_uri(base_url) {
        let rule = "must exactly match a URI in the subjectAltName of the first certificate";
        return Err(("baseUrl", rule.to_owned()));
    }
    Ok(MetadataSigner {
        key: signer,
        x5c: chain.to_x5c(),
        base_url: base_url.to_owned(),
        last: Mutex::default(),
    })
}

fn read_key(path: &Path) -> Result<SigningKey, String> {
    let name = path.display();
    let pem = String::from_utf8(file::read(path)?);
    let pem = pem.map_err(|_| format!("'{name}' is not a PEM file"))?;
    if !pem.trim_start().starts_with("-----BEGIN") {
        return Err(format!("'{name}' does not contain a private key in PEM"));
    }
    signing_key(&Secret::new(pem)).map_err(|error| format!("'{name}' {error}"))
}

fn read_chain(path: &Path) -> Result<Chain, String> {
    let chain = Chain::from_pem(&file::read(path)?);
    let name = path.display();
    chain.map_err(|_| format!("'{name}' must contain 1 to 4 certificates in PEM"))
}
