//! The key and certificates with which this server signs its UDAP metadata.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::base::{Secret, Timestamp, sha256_hex};
use crate::config::UdapMetadata;
use crate::jose::{self, SigningKey, SigningKeyError, same_key, signing_key};
use crate::trust::certified::read_file;
use crate::x509::Chain;

/// Lifetime of signed metadata, in seconds.
const LIFETIME: u64 = 86_400;
/// Seconds after which metadata is signed again.
const SIGNED_ANEW: u64 = 600;

/// A signing key with its certificates.
#[derive(Debug)]
pub(crate) struct MetadataSigner {
    key: SigningKey,
    /// When the first of its certificates expires.
    pub(super) first_end: Timestamp,
    x5c: Value,
    /// The name in the certificate.
    base_url: String,
    /// The most recently signed metadata.
    last: Mutex<Option<Signed>>,
}

#[derive(Debug, Clone)]
struct Signed {
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
        let (key, certificates, base_url) = (
            settings.signing_key.as_ref()?,
            settings.certificates.as_ref()?,
            settings.base_url.as_ref()?,
        );
        match load(key, certificates, base_url) {
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
    pub(crate) fn sign(
        &self,
        claims: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Arc<str>, SigningKeyError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signed) = &*last
            && signed.claims == claims
            && signed.is_fresh(now)
        {
            return Ok(Arc::clone(&signed.token));
        }
        let mut header = Map::new();
        header.insert("x5c".to_owned(), self.x5c.clone());
        let all = self.with_registered_claims(&claims, now);
        let token: Arc<str> = jose::sign(&header, &all, &self.key)?.into();
        *last = Some(Signed {
            claims,
            at: now,
            token: Arc::clone(&token),
        });
        Ok(token)
    }

    /// Returns `claims` with the issuer, the lifetime and the identifier of a JWT that is issued at `now`.
    fn with_registered_claims(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Map<String, Value> {
        // The `jti` is derived from the claims and the time, so it is unique.
        let unique = format!("{}{}", now.unix(), Value::Object(claims.clone()));
        let mut all = claims.clone();
        for (name, value) in [
            ("iss", Value::from(self.base_url.as_str())),
            ("sub", Value::from(self.base_url.as_str())),
            ("iat", now.unix().into()),
            ("exp", now.plus(LIFETIME).unix().into()),
            ("jti", sha256_hex(unique.as_bytes()).into()),
        ] {
            all.insert(name.to_owned(), value);
        }
        all
    }
}

impl Signed {
    fn is_fresh(&self, now: Timestamp) -> bool {
        (self.at..self.at.plus(SIGNED_ANEW)).contains(&now)
    }
}

/// Loads the key and its certificates. An error comes with the name of the option that causes it.
fn load(
    key: &Path,
    certificates: &Path,
    base_url: &str,
) -> Result<MetadataSigner, (&'static str, String)> {
    let signing_key = read_key(key).map_err(|reason| ("signingKey", reason))?;
    let chain = read_chain(certificates).map_err(|reason| ("certificates", reason))?;
    if !is_pair(&signing_key, &chain) {
        let (key, certificates) = (key.display(), certificates.display());
        let reason = format!("'{key}' is not the key of the first certificate in '{certificates}'");
        return Err(("signingKey", reason));
    }
    if !chain.signer().sans.has_uri(base_url) {
        let rule = "must exactly match a URI in the subjectAltName of the first certificate";
        return Err(("baseUrl", rule.to_owned()));
    }
    Ok(MetadataSigner {
        key: signing_key,
        first_end: chain.first_end(),
        x5c: chain.to_x5c(),
        base_url: base_url.to_owned(),
        last: Mutex::default(),
    })
}

fn read_key(path: &Path) -> Result<SigningKey, String> {
    let name = path.display();
    let Ok(pem) = String::from_utf8(read_file(path)?) else {
        return Err(format!("'{name}' is not a PEM file"));
    };
    if !pem.trim_start().starts_with("-----BEGIN") {
        return Err(format!("'{name}' does not contain a private key in PEM"));
    }
    signing_key(&Secret::new(pem)).map_err(|error| format!("'{name}' {error}"))
}

fn read_chain(path: &Path) -> Result<Chain, String> {
    let Ok(chain) = Chain::from_pem(&read_file(path)?) else {
        let name = path.display();
        return Err(format!("'{name}' must contain 1 to 4 certificates in PEM"));
    };
    Ok(chain)
}

/// Whether `key` is the key of the first certificate.
fn is_pair(key: &SigningKey, chain: &Chain) -> bool {
    let (Some(certified), Some(own)) = (chain.signer().jwk(), key.public_jwk()) else {
        return false;
    };
    same_key(&Value::Object(certified), &own)
}
