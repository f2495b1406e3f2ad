//! Why nothing was fetched.
//!
//! Clients are told these texts, so they say nothing of the network that the server is in: a name
//! without an address and a name with a private one read the same.

use std::error::Error;

/// Of a host that does not answer as it should. One text for a name that is not there, a private address, a
/// port that is closed or filtered, and another protocol: a client must not learn what is where.
const UNREACHABLE: &str = "the host cannot be reached, or gives no whole answer in time";

/// Why a request is not sent. Trying again does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an absolute URL in ASCII.
    #[error("the URL can not be read; write it in ASCII, as https://host/path")]
    Url,
    /// Another scheme than `https`.
    #[error("the URL must be https")]
    Scheme,
    /// A user name or a password in the URL.
    #[error("the URL must not have a user name or a password")]
    UserInformation,
    /// A fragment in the URL.
    #[error("the URL must not have a fragment (#..)")]
    Fragment,
    /// A port that belongs to another protocol.
    #[error("the URL must have the port of https, or one from 1024")]
    Port,
    /// A host that the operator did not list in `fetch.allowedHosts`.
    #[error("the host is none that this server may fetch from")]
    NotListed,
    /// A host that is not on the public internet, as can be seen from how it is written.
    #[error("the host must be on the public internet")]
    NotPublic,
    /// A host one of whose addresses is not on the public internet.
    #[error("{UNREACHABLE}")]
    SpecialAddress,
    /// A method that is none, or that is not for this.
    #[error("the method is not one that can be sent")]
    Method,
    /// A header that can not be sent, or that the server itself sets.
    #[error("a header can not be sent: it is malformed, or the server sets it itself")]
    Header,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The request must not be sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its turn did not come in time.
    #[error("too many fetches at the same time; try again later")]
    Busy,
    /// There is no such host, no connection, or no TLS that can be trusted.
    #[error("{UNREACHABLE}")]
    Unreachable,
    /// The whole answer was not there in time.
    #[error("{UNREACHABLE}")]
    Timeout {
        /// The time that there was.
        milliseconds: u64,
    },
    /// The connection broke off, or what came was not HTTP.
    #[error("{UNREACHABLE}")]
    Broken,
    /// The answer is larger than it may be.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// Bytes that there may be.
        limit: usize,
    },
    /// The answer sends elsewhere (RFC 9110 section 15.4).
    #[error("the answer is a redirect (status {0}), which is not followed; name the final URL")]
    Redirected(u16),
    /// The answer is not 200.
    #[error("the answer has the status {0}; it must be 200")]
    Status(u16),
    /// The answer is not said to be JSON.
    #[error("the answer must have the content type application/json")]
    MediaType,
    /// The answer is not JSON.
    #[error("the answer must be one JSON value in UTF-8, no member of it twice")]
    NotJson,
    /// The answer is JSON, but not what it should be.
    #[error("the answer {0}")]
    Unusable(String),
}

impl FetchError {
    /// Whether the other side may be well again soon: what was fetched before is still good.
    pub const fn is_outage(&self) -> bool {
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

    /// What went wrong with `host`. The log says it in full, the error in general.
    pub(super) fn of(error: &reqwest::Error, host: &str) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        let mut causes = Vec::new();
        while let Some(one) = cause {
            if let Some(refusal) = one.downcast_ref::<Refusal>() {
                tracing::warn!(host, "a host with a special address was not fetched from");
                return Self::Refused(*refusal);
            }
            causes.push(one.to_string());
            cause = one.source();
        }
        // The first one repeats the URL, which may hold a secret of a script.
        tracing::debug!(host, cause = causes.split_off(1).join(": "), "nothing was fetched");
        if error.is_connect() { Self::Unreachable } else { Self::Broken }
    }
}
