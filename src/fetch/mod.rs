//! Outgoing requests. Every request of the server to another server goes through a [`Fetcher`]. Requests of
//! the command line to the server that its operator names go through [`Direct`].
//!
//! The fetcher decides which hosts may be reached before it connects, on the addresses that the connection
//! will use. It follows no redirects, ignores the proxies of the environment, keeps no cookies, decompresses
//! nothing, and reads a limited number of bytes in a limited time. It knows nothing about the documents that
//! it fetches.

mod client;
mod client_document;
mod direct;
mod document;
pub(crate) mod documents;
mod error;
mod message;
mod names;
mod policy;
mod turns;

#[cfg(test)]
mod tests;

pub(crate) use client::BuildError;
pub(crate) use client_document::{DocumentAnswer, DocumentFault, FetchedOctets, Validators};
pub(crate) use direct::{Arriving, Direct, DirectError};
pub(crate) use document::{JSON, JWK_SET};
pub(crate) use documents::{DocumentState, RemoteDocuments};
pub(crate) use error::{FetchError, Refusal};
pub use message::Request;
pub(crate) use message::Response;
pub use names::FakeNames;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::dns::Resolve;
use tokio::time::{Instant, timeout_at};

use crate::config::FetchSettings;
use crate::telemetry::{FetchOutcome, meter};
use document::FetchedDocument;
use message::AnswerLimit;
use policy::UrlPolicy;
use turns::Turns;

/// The maximum length of all headers of an answer, names and values, in bytes.
const HEADER_BYTES: usize = 32 * 1024;

/// Sends requests to other servers, within the limits of `[fetch]`.
pub(crate) struct Fetcher {
    client: Client,
    policy: UrlPolicy,
    turns: Turns,
    timeout: Duration,
    body_bytes: usize,
}

impl Fetcher {
    /// A fetcher that resolves names with the operating system.
    ///
    /// # Errors
    /// When `fetch.caFile` cannot be read, or TLS cannot be set up.
    pub(crate) fn new(settings: &FetchSettings) -> Result<Self, BuildError> {
        Self::resolving(settings, Arc::new(client::SystemResolver::default()))
    }

    /// A fetcher that resolves names with `names`, for tests.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub(crate) fn with_names(
        settings: &FetchSettings,
        names: Arc<FakeNames>,
    ) -> Result<Self, BuildError> {
        Self::resolving(settings, names)
    }

    /// A fetcher that resolves names with `names`, whose addresses are checked like those of the system.
    fn resolving(settings: &FetchSettings, names: Arc<dyn Resolve>) -> Result<Self, BuildError> {
        Ok(Self {
            client: client::build(settings, names)?,
            policy: UrlPolicy::new(settings.clone()),
            turns: Turns::new(settings.concurrent, settings.concurrent_per_host),
            timeout: Duration::from_millis(settings.timeout_ms),
            body_bytes: settings.body_bytes,
        })
    }

    /// Returns a fetcher with the same rules whose requests do not take part in the limits for concurrent requests:
    /// at most `concurrent` of its own are sent at the same time.
    #[must_use]
    pub(crate) fn apart(&self, concurrent: usize) -> Self {
        Self {
            client: self.client.clone(),
            policy: self.policy.clone(),
            turns: Turns::new(concurrent, concurrent),
            timeout: self.timeout,
            body_bytes: self.body_bytes,
        }
    }

    /// Checks whether `url` may be fetched, without resolving its host.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(crate) fn check(&self, url: &str) -> Result<(), Refusal> {
        self.policy.admit(url).map(drop)
    }

    /// Sends `request` and reads the whole answer, whatever its status is.
    ///
    /// # Errors
    /// When the request is rejected, or no complete answer arrives within the limits.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, FetchError> {
        let begun = Instant::now();
        let outcome = self.send_uncounted(request).await;
        meter::fetch(word(&outcome), begun.elapsed());
        outcome
    }

    async fn send_uncounted(&self, request: Request) -> Result<Response, FetchError> {
        let timeout = within(request.timeout, self.timeout);
        let limit = AnswerLimit {
            bytes: within(request.limit, self.body_bytes),
            is_cut_off: request.is_body_ignored,
            is_error_cut_off: request.is_error_body_ignored,
        };
        let url = self.policy.admit(&request.url)?;
        let port = url.port_or_known_default().unwrap_or_default();
        let host = format!("{}:{port}", url.host_str().unwrap_or_default());
        let prepared = message::prepare(url, request)?;
        let start = Instant::now();
        let deadline = start.checked_add(timeout).unwrap_or(start);
        let turn = timeout_at(deadline, self.turns.wait(&host)).await;
        let Ok(Ok(_turn)) = turn else {
            tracing::warn!(
                host,
                "fetch failed: too many fetches at the same time ([fetch])"
            );
            return Err(FetchError::Busy);
        };
        let answer = timeout_at(deadline, self.exchange(prepared, limit)).await;
        answer.unwrap_or_else(|_| Err(too_late(&host, timeout)))
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
        limit: AnswerLimit,
    ) -> Result<Response, FetchError> {
        let host = request.url().host_str().unwrap_or_default().to_owned();
        match self.client.execute(request).await {
            Ok(answer) => message::read(answer, limit).await,
            Err(error) => Err(FetchError::of(&error, &host)),
        }
    }
}

/// Logs that no complete answer of `host` arrived in time, and returns that as an error.
fn too_late(host: &str, timeout: Duration) -> FetchError {
    let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(host, milliseconds, "fetch failed: timed out");
    FetchError::Timeout { milliseconds }
}

/// Returns the requested limit, but at most `maximum`.
fn within<T: Ord>(requested: Option<T>, maximum: T) -> T {
    match requested {
        Some(requested) => requested.min(maximum),
        None => maximum,
    }
}

/// Returns the outcome of a fetch for the metrics.
fn word(outcome: &Result<Response, FetchError>) -> FetchOutcome {
    match outcome {
        Ok(response) if (200..300).contains(&response.status) => FetchOutcome::Ok,
        Err(FetchError::Refused(_)) => FetchOutcome::Refused,
        Err(error) if error.is_outage() => FetchOutcome::Unreachable,
        Ok(_) | Err(_) => FetchOutcome::Unusable,
    }
}
