//! Requests to other servers, and the cache of their documents. Errors are in their debug format, which tells those apart
//! that have one text for clients.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::base::Clock;
use crate::config::{FetchSettings, Live, Settings};
use crate::fetch::{DocumentAnswer, Fetcher, JSON, JWK_SET, RemoteDocuments, Validators};

use crate::resolution::check::{CheckedFor, check_url};

pub use crate::fetch::Request;

/// The answer of another server.
#[derive(Debug)]
pub struct FetchedAnswer {
    /// The status.
    pub status: u16,
    /// The headers: names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Sends requests to other servers.
pub struct Fetching(Arc<Fetcher>);

impl Fetching {
    /// Creates it with these limits.
    ///
    /// # Errors
    /// When `fetch.caFile` cannot be read, or TLS cannot be set up.
    pub fn new(settings: &FetchSettings) -> Result<Self, String> {
        let fetcher = shown(Fetcher::new(settings))?;
        Ok(Self(Arc::new(fetcher)))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When it is rejected, or no complete answer arrives within the limits.
    pub async fn send(&self, request: Request) -> Result<FetchedAnswer, String> {
        let answer = shown(self.0.send(request).await)?;
        Ok(FetchedAnswer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }

    /// Fetches a JSON document.
    ///
    /// # Errors
    /// Unless the answer has status 200, a JSON media type, and one JSON value.
    pub async fn get_json(&self, url: &str) -> Result<Value, String> {
        let document = shown(self.0.get_json(url, JSON).await)?;
        Ok(document.value)
    }

    /// Fetches a client document of at most `limit` bytes, unless it is still the one with this `ETag` or
    /// `Last-Modified`.
    ///
    /// # Errors
    /// Unless the answer has status 200 and a JSON media type, or status 304 to a conditional request.
    pub async fn get_document(
        &self,
        url: &str,
        (etag, last_modified): (Option<&str>, Option<&str>),
        limit: usize,
    ) -> Result<FetchedClientDocument, String> {
        let before = Validators {
            etag: etag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
        };
        let (octets, lifetime, validators) =
            match shown(self.0.get_document(url, &before, limit).await)? {
                DocumentAnswer::Fetched(fetched) => {
                    (Some(fetched.octets), fetched.lifetime, fetched.validators)
                }
                DocumentAnswer::Unchanged {
                    lifetime,
                    validators,
                } => (None, lifetime, validators),
            };
        Ok(FetchedClientDocument {
            octets,
            lifetime,
            etag: validators.etag,
            last_modified: validators.last_modified,
        })
    }
}

/// Checks the client document at `url` for a server with these settings, and returns the report. The document is fetched
/// twice in a row.
///
/// # Errors
/// See [`Fetching::new`].
pub async fn check_client_document(
    fetch: FetchSettings,
    live: &Live,
    url: &str,
) -> Result<Value, String> {
    let settings = Settings {
        fetch,
        ..Settings::default()
    };
    let Fetching(fetcher) = Fetching::new(&settings.fetch)?;
    let checked_for = CheckedFor {
        live,
        settings: &settings,
    };
    let report = check_url(&checked_for.rules(), &fetcher, url, Duration::ZERO).await;
    shown(serde_json::to_value(&report))
}

/// A client document that was fetched, or not because it has not changed.
#[derive(Debug, PartialEq, Eq)]
pub struct FetchedClientDocument {
    /// The octets; none if the document has not changed.
    pub octets: Option<Vec<u8>>,
    /// The lifetime in seconds; none if its server states none.
    pub lifetime: Option<u64>,
    /// The `ETag`.
    pub etag: Option<String>,
    /// The `Last-Modified`.
    pub last_modified: Option<String>,
}

/// The cached key sets of other servers, each parsed as a `T`.
pub struct CachedKeys<T>(RemoteDocuments<T>);

impl<T: Send + Sync + 'static> CachedKeys<T> {
    /// Creates an empty cache.
    ///
    /// # Errors
    /// See [`Fetching::new`].
    pub fn new(
        settings: &FetchSettings,
        clock: Arc<dyn Clock>,
        parse: impl Fn(&Value) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let Fetching(fetcher) = Fetching::new(settings)?;
        let documents = RemoteDocuments::new(fetcher, clock, settings, JWK_SET, parse);
        Ok(Self(documents))
    }

    /// Returns the key set at `url`.
    ///
    /// # Errors
    /// When it is not cached and cannot be fetched or parsed.
    pub async fn get(&self, url: &str) -> Result<Arc<T>, String> {
        shown(self.0.get(url).await)
    }

    /// Fetches the key set at `url` again, because `seen` lacks a key.
    ///
    /// # Errors
    /// When it cannot be fetched or parsed.
    pub async fn refetched(&self, url: &str, seen: &Arc<T>) -> Result<Option<Arc<T>>, String> {
        shown(self.0.refetched(url, seen).await)
    }
}

fn shown<T>(outcome: Result<T, impl Debug>) -> Result<T, String> {
    outcome.map_err(|error| format!("{error:?}"))
}
