//! Where the keys for one signature come from.

use std::sync::Arc;

use serde_json::Value;

use super::{Certified, MOST_KEYS};
use crate::config::Registration;
use crate::config::trust::{ClientAttester, SecretText, SsaValidationConfig};
use crate::jose::KeySet;
use crate::secret::Secret;

/// Public keys.
#[derive(Debug, Clone)]
pub enum Keys {
    /// A key set that is here.
    Known(Arc<KeySet>),
    /// The JWK Set at this URL, which the operator named.
    At(String),
    /// The JWK Set at this URL, which a token named. It can not push those of [`Keys::At`] out
    /// of what is remembered.
    Claimed(String),
    /// A discovery document, and the member that says where the JWK Set is.
    Discovered {
        /// The URL of the document.
        endpoint: String,
        /// The name of the member.
        member: String,
    },
}

/// Where the keys for one signature come from: public ones, a shared secret for HMAC, or either,
/// as the algorithm of the token needs.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// For every asymmetric algorithm.
    pub keys: Option<Keys>,
    /// For HMAC.
    pub secret: Option<Arc<KeySet>>,
    /// For what is signed with the key of a certificate that the token shows.
    pub certified: Option<Certified>,
}

impl Source {
    /// A source of public keys only.
    pub fn of(keys: Keys) -> Self {
        Self { keys: Some(keys), ..Self::default() }
    }

    /// A source of certificates only.
    pub fn certified(certified: Certified) -> Self {
        Self { certified: Some(certified), ..Self::default() }
    }
}

/// The source of an entry of `dcrSsaValidationConfigs`.
pub(super) fn of_entry(entry: &SsaValidationConfig, key: &str, faults: &mut Vec<(String, String)>) -> Source {
    let discovered = || {
        let member = entry.configuration_endpoint_claim.as_deref().unwrap_or("jwks_uri").to_owned();
        entry.configuration_endpoint.clone().map(|endpoint| Keys::Discovered { endpoint, member })
    };
    let known = entry.jwks.as_ref().and_then(|jwks| known(jwks, &format!("{key}.jwks"), faults));
    let keys = known.or_else(|| entry.jwks_uri.clone().map(Keys::At)).or_else(discovered);
    let secret = entry.shared_secret.as_ref();
    let secret = secret.and_then(|text| shared(text, &format!("{key}.sharedSecret"), faults));
    let anchors = entry.trust_anchors.as_deref();
    let certified = anchors.and_then(|file| Certified::read(file, entry.certificate_san, key, faults));
    Source { keys, secret, certified }
}

/// The source of an entry of `trustedClientAttesters`.
pub(super) fn of_attester(entry: &ClientAttester, key: &str, faults: &mut Vec<(String, String)>) -> Source {
    let known = entry.jwks.as_ref().and_then(|jwks| known(jwks, &format!("{key}.jwks"), faults));
    let keys = known.or_else(|| entry.jwks_uri.clone().map(Keys::At));
    let anchors = entry.trust_anchors.as_deref();
    let certified = anchors.and_then(|file| Certified::read(file, entry.certificate_san, key, faults));
    Source { keys, secret: None, certified }
}

/// The source of signed requests whose issuer has no entry.
pub(super) fn of_requests(settings: &Registration, faults: &mut Vec<(String, String)>) -> Option<Source> {
    let jwks = settings.dcr_signature_validation_jwks.as_ref();
    let known = jwks.and_then(|jwks| known(jwks, "dcrSignatureValidationJwks", faults));
    let keys = known.or_else(|| settings.dcr_signature_validation_jwks_uri.clone().map(Keys::At));
    let secret = settings.dcr_signature_validation_shared_secret.as_ref();
    let secret = secret.and_then(|text| shared(text, "dcrSignatureValidationSharedSecret", faults));
    (keys.is_some() || secret.is_some()).then_some(Source { keys, secret, certified: None })
}

fn known(jwks: &Value, key: &str, faults: &mut Vec<(String, String)>) -> Option<Keys> {
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

/// The JWK Set in `jwks`: an object, or its JSON text.
///
/// # Errors
/// The rule that it breaks.
pub fn key_set(jwks: &Value) -> Result<KeySet, String> {
    match jwks.as_str() {
        Some(text) => KeySet::parse_text(text, MOST_KEYS),
        None => KeySet::parse(jwks, MOST_KEYS),
    }
}
