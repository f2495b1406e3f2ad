//! The key and certificates with which this server signs its UDAP metadata.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::file;
use crate::base::{Secret, Timestamp, sha256_hex};
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
        let is_fresh = |signed: &&Signed| {
            signed.claims == claims && (signed.at..signed.at.plus(SIGNED_ANEW)).contains(&now)
        };
        if let Some(signed) = last.as_ref().filter(is_fresh) {
            return Ok(Arc::clone(&signed.token));
        }
        let mut all = claims.clone();
        let expiry = now.plus(LIFETIME);
        // The `jti` is derived from the claims and the time, so it is unique.
        let jti = sha256_hex(format!("{}{}", now.unix(), Value::Object(claims.clone())).as_bytes());
        for (name, value) in [
            ("iss", Value::from(self.base_url.as_str())),
            ("sub", Value::from(self.base_url.as_str())),
            ("iat", now.unix().into()),
            ("exp", expiry.unix().into()),
            ("jti", jti.into()),
        ] {
            all.insert(name.to_owned(), value);
        }
        let header = json!({ "x5c": self.x5c });
        let header = header.as_object().cloned().unwrap_or_default();
        let token: Arc<str> = jose::sign(&header, &all, &self.key)?.into();
        *last = Some(Signed {
            claims,
            at: now,
            token: Arc::clone(&token),
        });
        Ok(token)
    }
}

fn read(
    key: &Path,
    certificates: &Path,
    base_url: &str,
) -> Result<MetadataSigner, (&'static str, String)> {
    let of_key = |reason: String| ("signingKey", reason);
    let pem = String::from_utf8(file::read(key).map_err(of_key)?);
    let pem = pem.map_err(|_| of_key(format!("'{}' is not a PEM file", key.display())))?;
    if !pem.trim_start().starts_with("-----BEGIN") {
        return Err(of_key(format!(
            "'{}' does not contain a private key in PEM",
            key.display()
        )));
    }
    let signer = signing_key(&Secret::new(pem));
    let signer = signer.map_err(|error| of_key(format!("'{}' {error}", key.display())))?;
    let chain =
        Chain::from_pem(&file::read(certificates).map_err(|reason| ("certificates", reason))?);
    let chain = chain.map_err(|_| {
        (
            "certificates",
            format!(
                "'{}' must contain 1 to 4 certificates in PEM",
                certificates.display()
            ),
        )
    })?;
    let own = chain.signer().jwk().map(Value::Object);
    let is_pair = own
        .zip(signer.public_jwk())
        .is_some_and(|(one, other)| same_key(&one, &other));
    if !is_pair {
        return Err(of_key(format!(
            "'{}' is not the key of the first certificate in '{}'",
            key.display(),
            certificates.display()
        )));
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
