//! Why a client is not managed as its holder asks.

use crate::http::answer::Presented;
use crate::random::NoRandomness;
use crate::registration::RegisterError;
use crate::script::HookError;
use crate::secret::SealError;
use crate::store::StoreError;

/// Why a management request is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// No token, or one that is not of this client; also when there is no such client.
    #[error("the token is not that of a client that is here")]
    Unauthorised(Presented),
    /// The operation is switched off.
    #[error("clients can not delete themselves here")]
    DeletionDisabled,
    /// `If-Match` names another revision (RFC 9110 section 13.1.1).
    #[error("the client has changed since: its revision is {revision}")]
    PreconditionFailed {
        /// The present revision.
        revision: u64,
    },
    /// Another change of the client came first.
    #[error("the client was changed by another request at the same time")]
    Conflict,
    /// The update was refused as a registration would be.
    #[error(transparent)]
    Update(#[from] RegisterError),
    /// A script refused or failed.
    #[error("a script decided")]
    Hook(#[from] HookError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No token could be made.
    #[error("no token could be made")]
    Randomness(#[from] NoRandomness),
    /// The client secret does not open.
    #[error("a client secret could not be opened")]
    Seal(#[from] SealError),
}

impl ManageError {
    /// Whether a script decided against it, which is no failure.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Hook(HookError::Refused { .. } | HookError::Answered { .. }))
    }
}
