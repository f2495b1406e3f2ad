//! What may be used once: identifiers of signed things, remembered until those expire.

use std::sync::Arc;

use super::StoreError;
use super::backend::{Backend, Change};
use super::expiring::{Entry, Space};
use super::keys::{Kind, digest};
use crate::clock::Timestamp;

/// What kind of thing is used once. The same identifier is another one in each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsedOnce {
    /// A signed request, by its `iss` and `jti`.
    SignedRequest,
    /// An assertion of a client (RFC 7523 section 3), by its client and `jti`.
    ClientAssertion,
    /// A software statement, by its `iss` and `jti`.
    Statement,
    /// Attestation evidence, by its digest.
    Evidence,
    /// The proof of a client attestation, by its key and `jti`.
    ClientAttestationProof,
}

impl UsedOnce {
    const fn name(self) -> &'static str {
        match self {
            Self::SignedRequest => "signed request",
            Self::ClientAssertion => "client assertion",
            Self::Statement => "statement",
            Self::Evidence => "evidence",
            Self::ClientAttestationProof => "client attestation proof",
        }
    }
}

/// What was used.
#[derive(Clone)]
pub struct SingleUse(Space<()>);

impl SingleUse {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(Space::new(backend, Kind::SingleUse))
    }

    /// Whether what `identifier` names is used for the first time. Of any number of claims at
    /// the same time one is told so, and it survives a restart.
    ///
    /// It is remembered until `expires_at`, from when on the thing must be refused for its age;
    /// one that is over at `now` is never used for the first time. The parts of `identifier` are
    /// not stored, only their common digest. How many are remembered is bounded by how long they
    /// live, so the caller refuses what expires too far ahead.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn claim(
        &self,
        what: UsedOnce,
        identifier: &[&str],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if expires_at <= now {
            return Ok(false);
        }
        self.0.insert_new(&entry(what, identifier, expires_at), now).await
    }

    /// That what `identifier` names is used, as a part of another change, which is then made only
    /// if nobody else came first; none when it was used already. So what is refused for another
    /// reason may be used again.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn one_use(
        &self,
        what: UsedOnce,
        identifier: &[&str],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Change>, StoreError> {
        let entry = entry(what, identifier, expires_at);
        match self.0.find_any(&entry.key).await? {
            Some(found) if found.is_live(now) => Ok(None),
            Some(over) => self.0.replacement(&over, &entry).map(Some),
            None => self.0.insertion(&entry).map(Some),
        }
    }
}

/// The parts of `identifier` are not stored, only their common digest.
fn entry(what: UsedOnce, identifier: &[&str], expires_at: Timestamp) -> Entry<()> {
    let parts: Vec<&str> = std::iter::once(what.name()).chain(identifier.iter().copied()).collect();
    Entry { key: digest(&parts).to_vec(), value: (), expires_at }
}
