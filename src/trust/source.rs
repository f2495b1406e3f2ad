//! Sources of the keys for a signature.

use std::sync::Arc;

use serde_json::Value;

use super::Certified;
use crate::base::Secret;
use crate::config::Registration;
use crate::config::trust::{ClientAttester, SecretText, SsaValidationConfig};
use crate::jose::{KeySet, MOST_KEYS};

/// Public keys.
#[derive(Debug, Clone)]
pub enum Keys {
    /// A key set that is already known.
    Known(Arc<KeySet>),
    /// The JWK Set at a configured URL.
    At(String),
    /// The JWK Set at a URL in a token. Such sets cannot displace the sets of [`Keys::At`] from the cache.
    Claimed(String),
    /// The JWK Set at the URL in a member of a discovery document.
    Discovered {
        /// The URL of the document.
        endpoint: String,
        /// The name of the member.
        member: String,
    },
}

/// The source of the keys for a signature: public keys, a shared secret for HMAC, or certificates. The
/// algorithm of the token determines which of them is used.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Keys for asymmetric algorithms.
    pub keys: Option<Keys>,
    /// The key for HMAC.
    pub secret: Option<Arc<KeySet>>,
    /// Authorities whose certificates are accepted in the header of a token.
    pub certified: Option<Certified>,
}

impl Source {
    /// Returns a source of public keys only.
    pub fn of(keys: Keys) -> Self {
        Self {
            keys: Some(keys),
            ..Self::default()
        }
    }

    /// Returns a source of certificates only.
    pub fn certified(certified: Certified) -> Self {
        Self {
            certified: Some(certified),
            ..Self::default()
        }
    }
}

/// Returns the source for an entry of `dcrSsaValidationConfigs`.
pub(super) fn of_entry(
    entry: &SsaValidationConfig,
    key: &str,
    faults: &mut Vec<(String, String)>,
) -> Source {
    let known = configured(
        entry.jwks.as_ref(),
        &format!("{key}.jwks"),
        entry.jwks_uri.as_ref(),
        faults,
    );
    let keys = match &entry.configuration_endpoint {
        Some(endpoint) if known.is_none() => {
            let member = entry.configuration_endpoint_claim.as_deref();
            Some(Keys::Discovered {
                endpoint: endpoint.clone(),
                member: member.unwrap_or("jwks_uri").to_owned(),
            })
        }
        _ => known,
    };
    let secret = match &entry.shared_secret {
        Some(text) => shared(text, &format!("{key}.sharedSecret"), faults),
        None => None,
    };
    let certified = match &entry.trust_anchors {
        Some(file) => Certified::read(file, entry.certificate_san, key, faults),
        None => None,
    };
    Source {
        keys,
        secret,
        certified,
    }
}

/// Returns the source for an entry of `trustedClientAttesters`.
pub(super) fn of_attester(
    entry: &ClientAttester,
    key: &str,
    faults: &mut Vec<(String, String)>,
) -> Source {
    let keys = configured(
        entry.jwks.as_ref(),
        &format!("{key}.jwks"),
        entry.jwks_uri.as_ref(),
        faults,
    );
    let certified = match &entry.trust_anchors {
        Some(file) => Certified::read(file, entry.certificate_san, key, faults),
        None => None,
    };
    Source {
        keys,
        secret: None,
        certified,
    }
}

/// Returns the source for signed requests whose issuer has no entry.
pub(super) fn of_requests(
    settings: &Registration,
    faults: &mut Vec<(String, String)>,
) -> Option<Source> {
    let keys = configured(
        settings.dcr_signature_validation_jwks.as_ref(),
        "dcrSignatureValidationJwks",
        settings.dcr_signature_validation_jwks_uri.as_ref(),
        faults,
    );
    let secret = match &settings.dcr_signature_validation_shared_secret {
        Some(text) => shared(text, "dcrSignatureValidationSharedSecret", faults),
        None => None,
    };
    (keys.is_some() || secret.is_some()).then_some(Source {
        keys,
        secret,
        certified: None,
    })
}

/// Returns the keys of the configured JWK Set, or of the one at `url`. Errors are added to `faults` for
/// `key`.
fn configured(
    jwks: Option<&Value>,
    key: &str,
    url: Option<&String>,
    faults: &mut Vec<(String, String)>,
) -> Option<Keys> {
    let Some(jwks) = jwks else {
        return url.cloned().map(Keys::At);
    };
    match key_set(jwks) {
        Ok(set) => Some(Keys::Known(Arc::new(set))),
        Err(reason) => {
            faults.push((format!("registration.{key}"), reason));
            None
        }
    }
}

fn shared(text: &SecretText, key: &str, faults: &mut Vec<(String, String)>) -> Option<Arc<KeySet>> {
    match KeySet::from_secret(&Secret::new(text.expose().to_owned())) {
        Ok(set) => Some(Arc::new(set)),
        Err(reason) => {
            faults.push((format!("registration.{key}"), reason));
            None
        }
    }
}

/// Parses the JWK Set in `jwks`, which is an object or its JSON text.
///
/// # Errors
/// Returns the rule that the set violates.
pub(crate) fn key_set(jwks: &Value) -> Result<KeySet, String> {
    match jwks.as_str() {
        Some(text) => KeySet::parse_text(text, MOST_KEYS),
        None => KeySet::parse(jwks, MOST_KEYS),
    }
}
