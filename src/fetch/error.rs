//! The errors of fetching.
//!
//! Clients see these texts, so they reveal nothing about the network of the server: a name without an address
//! and a name with a private address have the same text.

use std::error::Error;

/// The error for a host that does not answer as expected. A nonexistent name, a private address, a closed or
/// filtered port, and another protocol have one text, because a client must not be able to explore the
/// network.
const UNREACHABLE: &str = "the host is unreachable or did not send a complete answer in time";

/// Why a request is not sent. Retrying does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Not an absolute URL in ASCII.
    #[error("invalid URL; write it in ASCII, as https://host/path")]
    Url,
    /// Another scheme than `https`.
    #[error("the URL must use https")]
    Scheme,
    /// A user name or a password in the URL.
    #[error("the URL must not contain a user name or a password")]
    UserInformation,
    /// A fragment in the URL.
    #[error("the URL must not contain a fragment (#...)")]
    Fragment,
    /// A port that belongs to another protocol.
    #[error("the port must be the port of https, or at least 1024")]
    Port,
    /// A host that the operator did not list in `fetch.allowedHosts`.
    #[error("this host is not in fetch.allowedHosts")]
    NotListed,
    /// A host that is visibly not on the public internet, such as a private address.
    #[error("the host must be on the public internet")]
    NotPublic,
    /// A host with an address that is not on the public internet.
    #[error("{UNREACHABLE}")]
    SpecialAddress,
    /// An invalid method, or one that is not allowed.
    #[error("this method cannot be sent")]
    Method,
    /// A header that cannot be sent, or that the server sets itself.
    #[error("a header cannot be sent: it is malformed, or the server sets it itself")]
    Header,
}

/// Why a fetch failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// The request must not be sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request waited too long in the queue.
    #[error("too many fetches at the same time; retry later")]
    Busy,
    /// The host does not exist, accepts no connection, or has no trusted TLS certificate.
    #[error("{UNREACHABLE}")]
    Unreachable,
    /// The complete answer did not arrive in time.
    #[error("{UNREACHABLE}")]
    Timeout {
        /// The time limit.
        milliseconds: u64,
    },
    /// The connection was closed, or the answer was not HTTP.
    #[error("{UNREACHABLE}")]
    Broken,
    /// The answer is too large.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The maximum length in bytes.
        limit: usize,
    },
    /// The answer is a redirect (RFC 9110 section 15.4).
    #[error("redirects are not followed (status {0}); use the final URL")]
    Redirected(u16),
    /// The status of the answer is not 200.
    #[error("the answer has status {0}, but must have status 200")]
    Status(u16),
    /// The media type of the answer is not JSON.
    #[error("the answer must have the content type application/json")]
    MediaType,
    /// The answer is not JSON.
    #[error("the answer must be one JSON value in UTF-8, without duplicate members")]
    NotJson,
    /// The answer is JSON, but not the expected document.
    #[error("the answer {0}")]
    Unusable(String),
}

impl FetchError {
    /// Whether the other server may soon recover. A document that was fetched before may still be used then.
    pub(crate) const fn is_outage(&self) -> bool {
        match self {
            Self::Busy | Self::Unreachable | Self::Timeout { .. } | Self::Broken => true,
            Self::Status(status) => *status == 429 || *status >= 500,
            Self::Refused(_)
            | Self::TooLarge { .. }
            | Self::Redirected(_)
            | Self::MediaType
            | Self::NotJson
            | Self::Unusable(_) => false,
        }
    }

    /// Converts an error of a request to `host`. The log has the details, the error is general.
    pub(super) fn of(error: &reqwest::Error, host: &str) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut causes = Vec::new();
        while let Some(one) = cause {
            if let Some(refusal) = one.downcast_ref::<Refusal>() {
                tracing::warn!(host, "fetch rejected: the host has a special address");
                return Self::Refused(*refusal);
            }
            causes.push(one.to_string());
            cause = one.source();
        }
        // The first text repeats the URL, which may contain a secret of a script.
        let cause = causes.split_off(1).join(": ");
        tracing::warn!(host, cause, "fetch failed: no connection, or it was closed");
        if error.is_connect() {
            Self::Unreachable
        } else {
            Self::Broken
        }
    }
}
