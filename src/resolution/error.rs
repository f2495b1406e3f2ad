//! Why a URL is not a client.

use crate::base::Timestamp;
use crate::http::Problem;
use crate::registration::RegisterError;
use crate::script::HookError;
use crate::store::StoreError;

/// The error code of a caller that asks too often, as everywhere.
const TOO_MANY: &str = "too_many_requests";

/// Why a URL is not a client.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ResolveError {
    /// `clientDocuments` is off, or the client does not exist and may not be fetched.
    #[error("client not found")]
    Unknown,
    /// The text is not a Client Identifier URL.
    #[error("client_id: {0}")]
    BadUrl(String),
    /// The lists, an administrator or a script deny the URL.
    #[error("{0}")]
    Denied(String),
    /// The document waits for an administrator.
    #[error("an administrator must approve this client document first")]
    Pending {
        /// Since when it waits.
        since: Timestamp,
    },
    /// The document breaks rules.
    #[error("{description}")]
    Invalid {
        /// The error code of the first broken rule.
        code: &'static str,
        /// All broken rules.
        description: String,
    },
    /// The host answered, but not with a document.
    #[error("the URL has no client document: {description}")]
    Unusable {
        /// What is wrong with the answer.
        description: String,
        /// What was answered instead.
        answer: UnusableAnswer,
    },
    /// The host cannot be reached, or is not ready to answer.
    #[error(
        "the client document is currently unavailable: its host is unreachable, or did not answer in time"
    )]
    Unavailable {
        /// Seconds until it is fetched again.
        retry_after: u64,
        /// What was answered instead, if the host answered.
        answer: Option<UnusableAnswer>,
    },
    /// Too many documents are fetched.
    #[error("{description}")]
    Busy {
        /// The limit that was reached.
        description: &'static str,
        /// Seconds until another fetch is possible.
        retry_after: u64,
    },
    /// A script answered, or this server failed.
    #[error("the request was stopped")]
    Stopped(Problem),
}

/// The answer of a host that is not a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UnusableAnswer {
    /// Its status, if it is known.
    pub(crate) status: Option<u16>,
    /// Its media type.
    pub(crate) content_type: Option<String>,
    /// Whether it is a challenge for browsers.
    pub(crate) is_challenge: bool,
}

impl ResolveError {
    /// Returns the `error` of the answer.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Unknown => "not_found",
            Self::BadUrl(_) => "invalid_client_id",
            Self::Denied(_) => "document_denied",
            Self::Pending { .. } => "document_pending",
            Self::Invalid { code, .. } => code,
            Self::Unusable { .. } => "document_unusable",
            Self::Unavailable { .. } => "document_unavailable",
            Self::Busy { .. } => TOO_MANY,
            Self::Stopped(problem) => problem.code(),
        }
    }

    /// Whether a version in force stays usable for some time when its next fetch ends in this way.
    pub(crate) const fn keeps_version(&self) -> bool {
        matches!(
            self,
            Self::Invalid { .. }
                | Self::Unusable { .. }
                | Self::Unavailable { .. }
                | Self::Busy { .. }
                | Self::Stopped(_)
                | Self::Pending { .. }
        )
    }
}

impl From<StoreError> for ResolveError {
    fn from(error: StoreError) -> Self {
        Self::Stopped(error.into())
    }
}

impl From<RegisterError> for ResolveError {
    fn from(error: RegisterError) -> Self {
        let code = match &error {
            RegisterError::Metadata(violations) => violations.first().map(|first| first.code),
            RegisterError::Unproven(violation) => Some(violation.code),
            _ => None,
        };
        if let Some(code) = code {
            return Self::Invalid {
                code: code.as_str(),
                description: error.to_string(),
            };
        }
        match error {
            RegisterError::Hook(HookError::Refused { script }) => {
                tracing::info!(script, "a script rejected a client document");
                let description = "the policy of this server does not allow this client document";
                Self::Denied(description.to_owned())
            }
            other => Self::Stopped(other.into()),
        }
    }
}
