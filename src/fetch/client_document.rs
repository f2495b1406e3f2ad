//! Client documents (Client ID Metadata Documents): fetched as octets, with the validators of a previous fetch.

use super::document::{JSON, is_json, lifetime};
use crate::fetch::{FetchError, Fetcher, Request, Response};

/// The maximum length of a validator, in bytes. A longer one is not kept.
const VALIDATOR_BYTES: usize = 256;

/// The maximum length of a media type in a report of a failure, in bytes.
const REPORTED_BYTES: usize = 64;

/// What makes the next fetch conditional (RFC 9110 section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    /// The `ETag`.
    pub(crate) etag: Option<String>,
    /// The `Last-Modified`.
    pub(crate) last_modified: Option<String>,
}

impl Validators {
    fn of(response: &Response) -> Self {
        let kept = |name: &str| {
            let value = response.header(name)?;
            (value.len() <= VALIDATOR_BYTES).then(|| value.to_owned())
        };
        Self {
            etag: kept("etag"),
            last_modified: kept("last-modified"),
        }
    }

    /// Adds what an answer with status 304 did not repeat.
    fn or(self, before: &Self) -> Self {
        Self {
            etag: self.etag.or_else(|| before.etag.clone()),
            last_modified: self.last_modified.or_else(|| before.last_modified.clone()),
        }
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("accept".to_owned(), JSON.to_owned())];
        if let Some(etag) = &self.etag {
            headers.push(("if-none-match".to_owned(), etag.clone()));
        }
        if let Some(date) = &self.last_modified {
            headers.push(("if-modified-since".to_owned(), date.clone()));
        }
        headers
    }
}

/// A document as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedOctets {
    /// Its octets.
    pub(crate) octets: Vec<u8>,
    /// The lifetime in seconds; none if its server states none that can be understood.
    pub(crate) lifetime: Option<u64>,
    /// What makes the next fetch conditional.
    pub(crate) validators: Validators,
}

/// The answer to a fetch of a client document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DocumentAnswer {
    /// Status 200.
    Fetched(FetchedOctets),
    /// Status 304: the document is the one that the validators belong to.
    Unchanged {
        /// As in [`FetchedOctets`].
        lifetime: Option<u64>,
        /// As in [`FetchedOctets`].
        validators: Validators,
    },
}

/// Why no client document was fetched, and what came instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentFault {
    /// The error.
    pub(crate) error: FetchError,
    /// The media type of the answer.
    pub(crate) content_type: Option<String>,
    /// Whether the answer is a challenge for browsers, which a server cannot solve.
    pub(crate) is_challenge: bool,
}

impl From<FetchError> for DocumentFault {
    fn from(error: FetchError) -> Self {
        Self {
            error,
            content_type: None,
            is_challenge: false,
        }
    }
}

impl DocumentFault {
    fn of(error: FetchError, response: &Response) -> Self {
        let printable = |text: &&str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let content_type = response.header("content-type");
        let content_type = content_type.filter(printable);
        Self {
            error,
            content_type: content_type.map(|text| text.chars().take(REPORTED_BYTES).collect()),
            is_challenge: response.header("cf-mitigated").is_some(),
        }
    }
}

impl Fetcher {
    /// Fetches the client document at `url`, of at most `limit` bytes, unless it is still the one that
    /// `validators` belong to.
    ///
    /// # Errors
    /// Unless the answer has status 200 and a JSON media type, or status 304 to a conditional request.
    pub(crate) async fn get_document(
        &self,
        url: &str,
        validators: &Validators,
        limit: usize,
    ) -> Result<DocumentAnswer, DocumentFault> {
        let request = Request {
            headers: validators.headers(),
            limit: Some(limit),
            is_error_body_ignored: true,
            ..Request::get(url)
        };
        let response = self.send(request).await?;
        let is_conditional = *validators != Validators::default();
        match response.status {
            200 => {}
            304 if is_conditional => {
                return Ok(DocumentAnswer::Unchanged {
                    lifetime: lifetime(&response),
                    validators: Validators::of(&response).or(validators),
                });
            }
            status => return Err(DocumentFault::of(status_error(status), &response)),
        }
        if !response.header("content-type").is_some_and(is_json) {
            return Err(DocumentFault::of(FetchError::MediaType, &response));
        }
        Ok(DocumentAnswer::Fetched(FetchedOctets {
            lifetime: lifetime(&response),
            validators: Validators::of(&response),
            octets: response.body,
        }))
    }
}

/// Returns the error for a status that brings no document.
const fn status_error(status: u16) -> FetchError {
    match status {
        300..=399 => FetchError::Redirected(status),
        _ => FetchError::Status(status),
    }
}
