//! Why the upstream server has not done what a client asked for.

use crate::service::UpstreamFault;
use crate::store::{BeginError, StoreError};

/// Why a client is not registered, updated or read at the upstream server. Clients see these texts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrontError {
    /// It rejects the metadata.
    #[error("the authorization server rejected the client{}", explained(.code, .description))]
    Rejected {
        /// Its error code.
        code: String,
        /// Its description.
        description: String,
    },
    /// It cannot be reached, or does not accept this server.
    #[error(
        "the authorization server cannot process this request now; nothing was changed, retry later"
    )]
    Unavailable {
        /// Why, for the log.
        cause: String,
    },
    /// Nobody knows whether it has done what it was asked.
    #[error(
        "the authorization server did not confirm the request; it was not completed, and is undone if \
         necessary; retry later"
    )]
    Unconfirmed,
    /// Its answer cannot be used.
    #[error(
        "the authorization server returned an unusable {0}; the request was not completed, and is undone; \
         the cause is in the server log"
    )]
    Unusable(String),
    /// Another change of the client is not finished.
    #[error("another change of the client is not finished; retry later")]
    Busy,
    /// It does not let its clients be managed.
    #[error(
        "the authorization server does not let this client be changed; delete it and register again"
    )]
    NotManageable,
    /// It no longer knows the client.
    #[error("the authorization server no longer knows this client; register again")]
    Gone,
    /// The task that worked on the call ended early.
    #[error("the request was interrupted; retry later")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns what the upstream server says about a rejection.
fn explained(code: &str, description: &str) -> String {
    match (code, description) {
        ("", "") => String::new(),
        (text, "") | ("", text) => format!(": {text}"),
        (code, description) => format!(" ({code}): {description}"),
    }
}

impl From<UpstreamFault> for FrontError {
    fn from(fault: UpstreamFault) -> Self {
        let cause = fault.to_string();
        match fault {
            UpstreamFault::Rejected { code, description } => Self::Rejected { code, description },
            UpstreamFault::Denied(_) | UpstreamFault::Unavailable(_) => Self::Unavailable { cause },
            UpstreamFault::Unknown(_) => Self::Unconfirmed,
            UpstreamFault::Unusable(cause) => {
                tracing::error!(cause, "the answer of the upstream server cannot be used");
                Self::Unusable("answer".to_owned())
            }
        }
    }
}

impl From<BeginError> for FrontError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::TooMany => Self::Unavailable {
                cause: error.to_string(),
            },
            BeginError::Busy => Self::Busy,
            BeginError::Store(error) => Self::Store(error),
        }
    }
}
