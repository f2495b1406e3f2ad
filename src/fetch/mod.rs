//! The one way out: everything that the server asks of others goes through a [`Fetcher`]. What the
//! command line asks of the server that its operator names goes through [`Direct`].
//!
//! Whom it may ask is decided before a connection is made, on the addresses that the connection
//! will use (standards J5). It follows no redirect, uses no proxy of the environment, keeps no
//! cookie, unpacks nothing, and reads a bounded number of bytes in a bounded time. Knows nothing
//! of what it fetches.

mod client;
mod direct;
mod document;
mod error;
mod message;
mod policy;
mod resolver;
mod turns;

#[cfg(test)]
mod tests;

pub use client::BuildError;
pub use direct::{Arriving, Direct, DirectError};
pub use document::{Document, JSON, JWK_SET};
pub use error::{FetchError, Refusal};
pub use message::{Request, Response};

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::dns::Resolve;
use tokio::time::{Instant, timeout_at};

use crate::config::FetchSettings;
use crate::telemetry::meter::{self, FetchOutcome};
use policy::Policy;
use turns::Turns;

/// Bytes of all headers of an answer, names and values.
const HEADER_BYTES: usize = 32 * 1024;

/// Asks other servers, within what `[fetch]` allows.
pub struct Fetcher {
    client: Client,
    policy: Policy,
    turns: Turns,
    timeout: Duration,
    body_bytes: usize,
}

impl Fetcher {
    /// A fetcher that asks the system for addresses.
    ///
    /// # Errors
    /// When `fetch.caFile` can not be read, or TLS can not be set up.
    pub fn new(settings: &FetchSettings) -> Result<Self, BuildError> {
        Self::resolving(settings, Arc::new(resolver::System::default()))
    }

    /// A fetcher that asks `names` for addresses, and believes it no more than the system.
    fn resolving(settings: &FetchSettings, names: Arc<dyn Resolve>) -> Result<Self, BuildError> {
        Ok(Self {
            client: client::build(settings, names)?,
            policy: Policy::new(settings.clone()),
            turns: Turns::new(settings.concurrent, settings.concurrent_per_host),
            timeout: Duration::from_millis(settings.timeout_ms),
            body_bytes: settings.body_bytes,
        })
    }

    /// Whether `url` may be fetched, as far as that can be said without looking its host up.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self, url: &str) -> Result<(), Refusal> {
        self.policy.admit(url).map(drop)
    }

    /// Sends `request` and reads the answer to its end, whatever its status is.
    ///
    /// # Errors
    /// When the request is refused, or no whole answer arrives within the bounds.
    pub async fn send(&self, request: Request) -> Result<Response, FetchError> {
        let begun = Instant::now();
        let outcome = self.send_uncounted(request).await;
        meter::fetch(word(&outcome), begun.elapsed());
        outcome
    }

    async fn send_uncounted(&self, request: Request) -> Result<Response, FetchError> {
        let timeout = request.timeout.map_or(self.timeout, |asked| asked.min(self.timeout));
        let limit = request.limit.map_or(self.body_bytes, |asked| asked.min(self.body_bytes));
        let url = self.policy.admit(&request.url)?;
        let port = url.port_or_known_default().unwrap_or_default();
        let host = format!("{}:{port}", url.host_str().unwrap_or_default());
        let prepared = message::prepare(url, request)?;
        let start = Instant::now();
        let deadline = start.checked_add(timeout).unwrap_or(start);
        let turn = timeout_at(deadline, self.turns.wait(&host)).await;
        let Ok(Ok(_turn)) = turn else { return Err(FetchError::Busy) };
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let answer = timeout_at(deadline, self.exchange(prepared, limit)).await;
        answer.unwrap_or(Err(FetchError::Timeout { milliseconds }))
    }

    async fn exchange(&self, request: reqwest::Request, limit: usize) -> Result<Response, FetchError> {
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let answer = self.client.execute(request).await.map_err(|error| FetchError::of(&error, &host))?;
        message::read(answer, limit).await
    }
}

/// What became of a fetch, in a word.
fn word(outcome: &Result<Response, FetchError>) -> FetchOutcome {
    match outcome {
        Ok(response) if (200..300).contains(&response.status) => FetchOutcome::Ok,
        Err(FetchError::Refused(_)) => FetchOutcome::Refused,
        Err(error) if error.is_outage() => FetchOutcome::Unreachable,
        Ok(_) | Err(_) => FetchOutcome::Unusable,
    }
}
