//! Why a patch was not made.

use crate::config::Origin;
use crate::store::{StoreError, patches};

/// Why a patch was not made. Nothing of it is in force then, and nothing is stored.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It is not a JSON Patch.
    #[error("{0}")]
    Form(String),
    /// An operation can not be made.
    #[error("operation {number}: {reason}")]
    Operation {
        /// Which one, from 1.
        number: usize,
        /// Why, and what would be right.
        reason: String,
    },
    /// A `test` operation found something else.
    #[error("operation {number}: {path} has another value than the test names")]
    TestFailed {
        /// Which one, from 1.
        number: usize,
        /// Where it looked.
        path: String,
    },
    /// An environment variable or a flag has the last word.
    #[error("{key}: {} has the last word; change it there, and restart", source_of(*origin))]
    Fixed {
        /// The option.
        key: String,
        /// What sets it.
        origin: Origin,
    },
    /// The configuration would not be right.
    #[error("{0}")]
    Invalid(String),
    /// The configuration is not the one that the request was made for.
    #[error("the configuration was changed meanwhile; its revision is {present}: read it again")]
    PreconditionFailed {
        /// The present revision.
        present: String,
    },
    /// What is below the patch is not right, so nothing can be built on it.
    #[error("the configuration file is not right; mend it first: {0}")]
    Unreadable(String),
    /// Another server changed the stored patches at the same time.
    #[error("the configuration was changed at the same time; read it again")]
    Conflict,
    /// It would grow over its bound.
    #[error("the configuration would be larger than {0} bytes")]
    TooLong(usize),
    /// Too many changes are waiting.
    #[error("too many changes of the configuration are waiting; try again")]
    Busy,
    /// Nobody makes changes: the server stops.
    #[error("the configuration can not be changed any more: the server stops")]
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

impl From<patches::PatchError> for PatchError {
    fn from(error: patches::PatchError) -> Self {
        match error {
            patches::PatchError::Conflict => Self::Conflict,
            patches::PatchError::TooLong => Self::TooLong(patches::MOST_BYTES),
            patches::PatchError::Store(error) => Self::Store(error),
        }
    }
}
