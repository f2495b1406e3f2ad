//! The errors of client management.

use crate::base::{NoRandomness, SealError};
use crate::http::answer::BadCredentials;
use crate::registration::RegisterError;
use crate::script::HookError;
use crate::store::StoreError;

/// Why a management request is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The token is missing or belongs to another client, or the client does not exist.
    #[error("the token does not match any client")]
    Unauthorised(BadCredentials),
    /// Deletion by clients is disabled.
    #[error("clients cannot delete themselves on this server")]
    DeletionDisabled,
    /// `If-Match` names another revision (RFC 9110 section 13.1.1).
    #[error("the client has changed: its current revision is {revision}")]
    PreconditionFailed {
        /// The current revision.
        revision: u64,
    },
    /// Another request changed the client first.
    #[error("another request changed the client at the same time; read it and retry")]
    Conflict,
    /// The update was rejected for a reason for which a registration is rejected.
    #[error(transparent)]
    Update(#[from] RegisterError),
    /// A script rejected the request, or failed.
    #[error("a script rejected the request or failed")]
    Hook(#[from] HookError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No token could be created.
    #[error("no token could be created")]
    Randomness(#[from] NoRandomness),
    /// The client secret could not be opened.
    #[error("a client secret could not be opened")]
    Seal(#[from] SealError),
}

impl ManageError {
    /// Whether a script rejected the request. A rejection is not a failure.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Hook(HookError::Refused { .. } | HookError::Answered { .. })
        )
    }
}
