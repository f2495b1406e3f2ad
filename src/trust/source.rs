//! Sources of the keys for a signature.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::base::{Secret, sha256_hex};
use crate::config::{ClientAttester, Registration, SecretText, SsaValidationConfig};
use crate::jose::{KeySet, MOST_KEYS};
use crate::trust::Certified;

/// Public keys.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
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
pub(crate) struct Source {
    /// Keys for asymmetric algorithms.
    pub(crate) keys: Option<Keys>,
    /// The key for HMAC.
    pub(crate) secret: Option<Arc<KeySet>>,
    /// Authorities whose certificates are accepted in the header of a token.
    pub(crate) certified: Option<Certified>,
}

impl Source {
    /// Returns a source of public keys only.
    pub(crate) fn of(keys: Keys) -> Self {
        Self {
            keys: Some(keys),
            ..Self::default()
        }
    }

    /// Returns a source of certificates only.
    pub(crate) fn certified(certified: Certified) -> Self {
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

/// Maximum number of cached key sets. If scripts return more different sets, they are parsed again.
const KEPT: usize = 256;

/// Cache of the key sets that scripts return, by the digest of their text. Scripts usually return the same
/// text each time.
#[derive(Debug, Default)]
pub(super) struct GivenKeys(Mutex<HashMap<String, Arc<KeySet>>>);

impl GivenKeys {
    /// Returns the source for `jwks`.
    ///
    /// # Errors
    /// Returns the rule that the set violates.
    pub(super) fn source(&self, jwks: &Value) -> Result<Source, String> {
        let name = sha256_hex(jwks.to_string().as_bytes());
        let kept = self.kept().get(&name).cloned();
        if let Some(set) = kept {
            return Ok(Source::of(Keys::Known(set)));
        }
        let set = Arc::new(key_set(jwks)?);
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(name, Arc::clone(&set));
        Ok(Source::of(Keys::Known(set)))
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Arc<KeySet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
