//! Identifiers of signed objects that may be used only once. They are remembered until the object expires.

use std::sync::Arc;

use super::{ExpiringRecord, Space};
use crate::base::Timestamp;
use crate::store::{Backend, Change, ExpiringKind, StoreError, keys::digest};

/// The type of object that is used once. The same identifier is independent in each type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsedOnce {
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
    /// A sign-in to the console at an OpenID Provider, by its state.
    SignIn,
}

impl UsedOnce {
    const fn name(self) -> &'static str {
        match self {
            Self::SignedRequest => "signed request",
            Self::ClientAssertion => "client assertion",
            Self::Statement => "statement",
            Self::Evidence => "evidence",
            Self::ClientAttestationProof => "client attestation proof",
            Self::SignIn => "sign-in",
        }
    }
}

/// The identifiers that were used.
#[derive(Clone)]
pub(crate) struct SingleUse(Space<()>);

impl SingleUse {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(Space::new(backend, ExpiringKind::SingleUse))
    }

    /// Returns whether the object that `identifier` names is used for the first time. Of any number of
    /// concurrent claims, only one returns true, and the claim survives a restart.
    ///
    /// It is remembered until `expires_at`, from when on the object must be rejected as expired. An object
    /// that has expired at `now` never counts as used for the first time. Only the common digest of the
    /// parts of `identifier` is stored. The number of remembered identifiers is bounded by their lifetime,
    /// so the caller must reject objects that expire too far in the future.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn claim(
        &self,
        what: UsedOnce,
        identifier: &[&str],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if expires_at <= now {
            return Ok(false);
        }
        self.0
            .insert_new(&entry(what, identifier, expires_at), now)
            .await
    }

    /// Returns the change that marks the object of `identifier` as used, or `None` when it was used
    /// already. The change becomes a part of another change, which is then applied only if no other request
    /// used the object first. An object that is rejected for another reason may thus be used again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn one_use(
        &self,
        what: UsedOnce,
        identifier: &[&str],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Change>, StoreError> {
        let entry = entry(what, identifier, expires_at);
        match self.0.find_any(&entry.key).await? {
            Some(found) if found.is_live(now) => Ok(None),
            Some(over) => Ok(Some(self.0.replacement(&over, &entry)?)),
            None => Ok(Some(self.0.insertion(&entry)?)),
        }
    }
}

/// Only the common digest of the parts of `identifier` is stored.
fn entry(what: UsedOnce, identifier: &[&str], expires_at: Timestamp) -> ExpiringRecord<()> {
    let mut parts = vec![what.name()];
    parts.extend(identifier);
    ExpiringRecord {
        key: digest(&parts).to_vec(),
        value: (),
        expires_at,
    }
}
