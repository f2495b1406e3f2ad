//! Errors of patches.

use crate::config::Origin;
use crate::store::{StoreError, patches};

/// The reason why a patch was rejected. No part of a rejected patch is applied or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatchError {
    /// The request is not a JSON Patch.
    #[error("{0}")]
    Form(String),
    /// An operation cannot be applied.
    #[error("operation {number}: {reason}")]
    Operation {
        /// The number of the operation, from 1.
        number: usize,
        /// The reason, and what is allowed.
        reason: String,
    },
    /// A `test` operation found a different value.
    #[error("operation {number}: test failed: {path} has a different value")]
    TestFailed {
        /// The number of the operation, from 1.
        number: usize,
        /// The path that was tested.
        path: String,
    },
    /// An environment variable or a flag overrides the option.
    #[error("{key}: is overridden by {}; change it there, and restart", source_of(*origin))]
    Fixed {
        /// The option.
        key: String,
        /// The origin of its value.
        origin: Origin,
    },
    /// The resulting configuration would be invalid.
    #[error("{0}")]
    Invalid(String),
    /// The current revision is not one of the revisions that the request expects.
    #[error(
        "the configuration was changed in the meantime: its revision is now {present}; read it, then retry"
    )]
    PreconditionFailed {
        /// The current revision.
        present: String,
    },
    /// The configuration below the patch is invalid, so no patch can be applied to it.
    #[error("the configuration file is invalid; fix it first: {0}")]
    Unreadable(String),
    /// Another server changed the stored patches at the same time.
    #[error("the configuration was changed at the same time; read it, then retry")]
    Conflict,
    /// The configuration would become too large.
    #[error("the configuration would be larger than {0} bytes; remove something from it")]
    TooLong(usize),
    /// Too many changes are queued.
    #[error("too many configuration changes are queued; retry later")]
    Busy,
    /// The server is stopping, so no changes are applied.
    #[error("the configuration cannot be changed: the server is stopping")]
    Ended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const fn source_of(origin: Origin) -> &'static str {
    match origin {
        Origin::Environment => "an environment variable",
        Origin::Flag => "a flag",
        Origin::Default | Origin::File | Origin::Patch => "another source",
    }
}

impl From<patches::StorePatchError> for PatchError {
    fn from(error: patches::StorePatchError) -> Self {
        match error {
            patches::StorePatchError::Conflict => Self::Conflict,
            patches::StorePatchError::TooLong => Self::TooLong(patches::MOST_BYTES),
            patches::StorePatchError::Store(error) => Self::Store(error),
        }
    }
}
