//! Finds keys that are elsewhere, and verifies.

use std::sync::Arc;

use serde_json::Value;

use super::assertion::Assertions;
use super::certified::{Certified, CertifiedError};
use super::source::{Keys, Source};
use crate::clock::{Clock, Timestamp};
use crate::config::FetchSettings;
use crate::fetch::{self, FetchError, Fetcher};
use crate::jose::{self, Claims, Compact, Expectations, JwsError, KeySet, Verified};
use crate::keys::RemoteDocuments;

/// Why a token is not believed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrustError {
    /// The token itself is not acceptable.
    #[error(transparent)]
    Token(#[from] JwsError),
    /// There is no key for what the token is signed with.
    #[error("is signed with {0}, and its issuer has no key for that here")]
    NoKey(jose::Algorithm),
    /// The certificate that it shows is not believed.
    #[error(transparent)]
    Certificate(#[from] CertifiedError),
    /// The keys can not be had.
    #[error("needs keys that can not be fetched: {0}")]
    Fetch(#[from] FetchError),
}

/// A token that was verified.
pub struct Believed {
    /// What it says.
    pub claims: Verified<Claims>,
    /// Whether it is believed for the certificate that it shows.
    pub is_certified: bool,
}

/// Keys in a set that is fetched.
const MOST_KEYS: usize = 100;

/// Verifies tokens with keys from anywhere.
pub struct Verifier {
    /// Key sets that the operator named.
    named: RemoteDocuments<KeySet>,
    /// Key sets that tokens and clients named.
    pub(super) claimed: RemoteDocuments<KeySet>,
    /// What clients prove themselves with.
    pub(super) assertions: Assertions,
    documents: RemoteDocuments<Value>,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier that fetches with `fetcher` and remembers what it fetched.
    pub fn new(fetcher: &Arc<Fetcher>, clock: &Arc<dyn Clock>, settings: &FetchSettings) -> Self {
        let sets = || {
            let read = |value: &Value| KeySet::parse(value, MOST_KEYS);
            RemoteDocuments::new(Arc::clone(fetcher), Arc::clone(clock), settings, fetch::JWK_SET, read)
        };
        let keep = |value: &Value| Ok(value.clone());
        let documents =
            RemoteDocuments::new(Arc::clone(fetcher), Arc::clone(clock), settings, fetch::JSON, keep);
        let (named, claimed, assertions) = (sets(), sets(), Assertions::new());
        Self { named, claimed, assertions, documents, clock: Arc::clone(clock) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Verifies `token` with a key of `source`.
    ///
    /// # Errors
    /// When the keys can not be had, or the token is not what is expected.
    pub async fn verify(
        &self,
        token: &Compact,
        source: &Source,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        self.judge(token, source, expected).await.map(|believed| believed.claims)
    }

    /// Verifies `token` with a certificate that it shows, where those of some authority are believed,
    /// or else with a key of `source`; says which.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub async fn judge(
        &self,
        token: &Compact,
        source: &Source,
        expected: &Expectations<'_>,
    ) -> Result<Believed, TrustError> {
        let Some(certified) = source.certified.as_ref().filter(|_| !token.algorithm().is_symmetric()) else {
            let claims = self.with_keys(token, source, expected).await?;
            return Ok(Believed { claims, is_certified: false });
        };
        match (self.with_certificate(token, certified, expected), &source.keys) {
            (Ok(claims), _) => Ok(Believed { claims, is_certified: true }),
            (Err(error), None) => Err(error),
            (Err(_), Some(_)) => {
                let claims = self.with_keys(token, source, expected).await?;
                Ok(Believed { claims, is_certified: false })
            }
        }
    }

    /// Verifies with the key of the certificate in the header, if that is believed.
    fn with_certificate(
        &self,
        token: &Compact,
        certified: &Certified,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        let claims = token.unverified_claims()?;
        let iss = claims.get("iss").and_then(Value::as_str);
        let key = certified.key(token, iss, self.clock.now())?;
        self.with(token, &key, expected)
    }

    async fn with_keys(
        &self,
        token: &Compact,
        source: &Source,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        let no_key = || TrustError::NoKey(token.algorithm());
        if token.algorithm().is_symmetric() {
            return self.with(token, source.secret.as_deref().ok_or_else(no_key)?, expected);
        }
        match source.keys.as_ref().ok_or_else(no_key)? {
            Keys::Known(set) => self.with(token, set, expected),
            Keys::At(url) => self.remote(&self.named, token, url, expected).await,
            Keys::Claimed(url) => self.remote(&self.claimed, token, url, expected).await,
            Keys::Discovered { endpoint, member } => {
                let url = self.documents.member(endpoint, member).await?;
                self.remote(&self.named, token, &url, expected).await
            }
        }
    }

    fn with(
        &self,
        token: &Compact,
        set: &KeySet,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        Ok(jose::verify(token, set, expected, self.now())?)
    }

    /// Verifies with the set at `url`; a key that is not in it may be in a newer one.
    async fn remote(
        &self,
        sets: &RemoteDocuments<KeySet>,
        token: &Compact,
        url: &str,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        let set = sets.get(url).await?;
        match self.with(token, &set, expected) {
            Err(TrustError::Token(error)) if error.is_unknown_key() => {
                match sets.refetched(url, &set).await? {
                    Some(newer) => self.with(token, &newer, expected),
                    None => Err(error.into()),
                }
            }
            outcome => outcome,
        }
    }
}
