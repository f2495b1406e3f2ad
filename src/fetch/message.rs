//! A request and its answer, in types that do not depend on an HTTP library.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method};
use url::Url;

use crate::fetch::{FetchError, HEADER_BYTES, Refusal};

/// Headers that control the connection and the length of a message. Only the client itself sets them.
const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request to another server.
#[derive(Clone, Default)]
pub struct Request {
    /// The method; if empty, `GET`.
    pub method: String,
    /// The URL, in ASCII.
    pub url: String,
    /// The headers: names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// A time limit shorter than the one of `[fetch]`.
    pub timeout: Option<Duration>,
    /// A limit for the bytes of the answer, lower than the one of `[fetch]`.
    pub limit: Option<usize>,
    /// Whether the body of the answer does not matter: beyond the limit, it is cut off.
    pub is_body_ignored: bool,
    /// The same for the body of an answer with another status than 200.
    pub is_error_body_ignored: bool,
}

impl Request {
    /// A `GET` of `url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }
}

/// Omits the headers, the body and the query, which may contain credentials.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self.url.split_once('?') {
            Some((before, _)) => before,
            None => self.url.as_str(),
        };
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &url)
            .finish_non_exhaustive()
    }
}

/// The answer of another server.
#[derive(Clone)]
pub(crate) struct Response {
    /// The status.
    pub(crate) status: u16,
    /// The headers: names in lower case, and values. Bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, unmodified.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the value of the first header called `name`, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        Some(value)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Builds the request that the client sends.
pub(super) fn prepare(url: Url, request: Request) -> Result<reqwest::Request, Refusal> {
    let mut prepared = reqwest::Request::new(method(&request.method)?, url);
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| Refusal::Header)?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| Refusal::Header)?;
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(Refusal::Header);
        }
        prepared.headers_mut().append(name, value);
    }
    *prepared.body_mut() = request.body.map(Body::from);
    Ok(prepared)
}

fn method(name: &str) -> Result<Method, Refusal> {
    match name {
        "" => Ok(Method::GET),
        // These methods are for proxies and for debugging.
        "CONNECT" | "TRACE" => Err(Refusal::Method),
        name => Method::from_bytes(name.as_bytes()).map_err(|_| Refusal::Method),
    }
}

/// How much of an answer is read.
#[derive(Clone, Copy)]
pub(super) struct AnswerLimit {
    /// The maximum length of its body, in bytes.
    pub(super) bytes: usize,
    /// Whether a longer body is cut off instead of rejected.
    pub(super) is_cut_off: bool,
    /// The same for an answer with another status than 200.
    pub(super) is_error_cut_off: bool,
}

/// Reads the whole answer, up to the limit.
pub(super) async fn read(
    mut answer: reqwest::Response,
    limit: AnswerLimit,
) -> Result<Response, FetchError> {
    let (status, bytes) = (answer.status().as_u16(), limit.bytes);
    let is_cut_off = limit.is_cut_off || (limit.is_error_cut_off && status != 200);
    let too_large = FetchError::TooLarge { limit: bytes };
    let headers = headers(answer.headers())?;
    let declared = answer.content_length().unwrap_or_default();
    if declared > bytes as u64 && !is_cut_off {
        return Err(too_large);
    }
    let host = answer.url().host_str().unwrap_or_default().to_owned();
    let mut body = Vec::new();
    let failed = |error: reqwest::Error| FetchError::of(&error, &host);
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if chunk.len() > bytes.saturating_sub(body.len()) {
            if is_cut_off {
                break;
            }
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn headers(map: &HeaderMap) -> Result<Vec<(String, String)>, FetchError> {
    let mut bytes = 0;
    let mut headers = Vec::with_capacity(map.len());
    for (name, value) in map {
        bytes += name.as_str().len() + value.len();
        if bytes > HEADER_BYTES {
            let limit = HEADER_BYTES;
            return Err(FetchError::TooLarge { limit });
        }
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.push((name.as_str().to_owned(), text));
    }
    Ok(headers)
}
