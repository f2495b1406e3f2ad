//! Fetches remote keys and verifies signatures.

use std::sync::Arc;

use serde_json::Value;

use crate::base::{Clock, Timestamp};
use crate::config::FetchSettings;
use crate::fetch::{self, DocumentState, FetchError, Fetcher, RemoteDocuments};
use crate::jose::{self, Claims, Compact, Expectations, JwsError, KeySet, MOST_KEYS, Verified};
use crate::trust::{Assertions, Certified, CertifiedError, Keys, Source};

/// Why a token cannot be verified.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TrustError {
    /// The token itself is invalid.
    #[error(transparent)]
    Token(#[from] JwsError),
    /// No key of the issuer is known for the algorithm of the token.
    #[error("is signed with {0}, but no key of its issuer is known for this algorithm")]
    NoKey(jose::Algorithm),
    /// The certificate in its header is not trusted.
    #[error(transparent)]
    Certificate(#[from] CertifiedError),
    /// The keys cannot be fetched.
    #[error("cannot be verified because its keys cannot be fetched: {0}")]
    Fetch(#[from] FetchError),
}

/// A verified token.
pub(crate) struct Believed {
    /// Its claims.
    pub(crate) claims: Verified<Claims>,
    /// Whether it was verified with the certificate in its header.
    pub(crate) is_certified: bool,
}

/// Verifies tokens with local or remote keys.
pub(crate) struct Verifier {
    /// Key sets at configured URLs.
    named: RemoteDocuments<KeySet>,
    /// Key sets at URLs in tokens and client metadata.
    pub(super) claimed: RemoteDocuments<KeySet>,
    /// Verification of client assertions.
    pub(super) assertions: Assertions,
    documents: RemoteDocuments<Value>,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// Creates a verifier that fetches keys with `fetcher` and caches them.
    pub(crate) fn new(
        fetcher: &Arc<Fetcher>,
        clock: &Arc<dyn Clock>,
        settings: &FetchSettings,
    ) -> Self {
        let sets = || {
            let read = |value: &Value| KeySet::parse(value, MOST_KEYS);
            RemoteDocuments::new(
                Arc::clone(fetcher),
                Arc::clone(clock),
                settings,
                fetch::JWK_SET,
                read,
            )
        };
        let keep = |value: &Value| Ok(value.clone());
        let documents = RemoteDocuments::new(
            Arc::clone(fetcher),
            Arc::clone(clock),
            settings,
            fetch::JSON,
            keep,
        );
        let (named, claimed, assertions) = (sets(), sets(), Assertions::new());
        Self {
            named,
            claimed,
            assertions,
            documents,
            clock: Arc::clone(clock),
        }
    }

    /// Returns what is known of each key set at a configured URL that was needed, in the order of their URLs.
    pub(crate) fn named_key_sets(&self) -> Vec<DocumentState> {
        self.named.states()
    }

    /// Returns a verifier with the keys that are known now, by the time of `clock`. What one of the two fetches later,
    /// the other does not know.
    #[must_use]
    pub(crate) fn copied(&self, clock: &Arc<dyn Clock>) -> Self {
        Self {
            named: self.named.copied(clock),
            claimed: self.claimed.copied(clock),
            assertions: Assertions::new(),
            documents: self.documents.copied(clock),
            clock: Arc::clone(clock),
        }
    }

    /// Returns the key set at a URL that a script names; with `seen`, a newer set than this one, if there is one.
    ///
    /// # Errors
    /// When it cannot be fetched or parsed.
    pub(crate) async fn key_set(
        &self,
        url: &str,
        seen: Option<&Arc<KeySet>>,
    ) -> Result<Option<Arc<KeySet>>, FetchError> {
        match seen {
            None => self.claimed.get(url).await.map(Some),
            Some(seen) => self.claimed.refetched(url, seen).await,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Verifies `token` with a key of `source`.
    ///
    /// # Errors
    /// Returns an error if the keys cannot be fetched, or if the token does not meet the expectations.
    pub(crate) async fn verify(
        &self,
        token: &Compact,
        source: &Source,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        let believed = self.judge(token, source, expected).await?;
        Ok(believed.claims)
    }

    /// Verifies `token` with the certificate in its header, if `source` has trusted authorities, or otherwise
    /// with a key of `source`. The result states which of the two verified it.
    ///
    /// # Errors
    /// See [`Verifier::verify`].
    pub(crate) async fn judge(
        &self,
        token: &Compact,
        source: &Source,
        expected: &Expectations<'_>,
    ) -> Result<Believed, TrustError> {
        if let Some(certified) = &source.certified
            && !token.algorithm().is_symmetric()
        {
            match self.with_certificate(token, certified, expected) {
                Ok(claims) => {
                    return Ok(Believed {
                        claims,
                        is_certified: true,
                    });
                }
                Err(error) if source.keys.is_none() => return Err(error),
                Err(_) => {}
            }
        }
        let claims = self.with_keys(token, source, expected).await?;
        Ok(Believed {
            claims,
            is_certified: false,
        })
    }

    /// Verifies with the key of the certificate in the header, if the certificate is trusted.
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
            return self.with(
                token,
                source.secret.as_deref().ok_or_else(no_key)?,
                expected,
            );
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

    /// Verifies with the key set at `url`, and fetches it once more if it does not contain the key.
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
