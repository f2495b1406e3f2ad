//! A request and its answer, in types that need no HTTP library.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method};
use url::Url;

use super::HEADER_BYTES;
use super::error::{FetchError, Refusal};

/// Headers that say where a message goes and where it ends; nobody but the client sets them.
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

/// What is asked of another server.
#[derive(Clone, Default)]
pub struct Request {
    /// The method; empty: `GET`.
    pub method: String,
    /// The URL, in ASCII.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// A shorter time than that of `[fetch]`.
    pub timeout: Option<Duration>,
    /// Fewer bytes of the answer than `[fetch]` allows.
    pub limit: Option<usize>,
}

impl Request {
    /// A `GET` of `url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

/// Headers and body may hold credentials, and so may the query.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split_once('?').map_or(self.url.as_str(), |(before, _)| before);
        f.debug_struct("Request").field("method", &self.method).field("url", &url).finish_non_exhaustive()
    }
}

/// What another server answered.
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values; what is not UTF-8 in a value is replaced.
    pub headers: Vec<(String, String)>,
    /// The body, as it came.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header that is called `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The request as the client sends it.
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
        // These are for proxies and for who debugs them.
        "CONNECT" | "TRACE" => Err(Refusal::Method),
        name => Method::from_bytes(name.as_bytes()).map_err(|_| Refusal::Method),
    }
}

/// Reads an answer to its end, or to the limit.
pub(super) async fn read(mut answer: reqwest::Response, limit: usize) -> Result<Response, FetchError> {
    let too_large = FetchError::TooLarge { limit };
    let headers = headers(answer.headers())?;
    if answer.content_length().is_some_and(|length| usize::try_from(length).map_or(true, |it| it > limit)) {
        return Err(too_large);
    }
    let status = answer.status().as_u16();
    let host = answer.url().host_str().unwrap_or_default().to_owned();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| FetchError::of(&error, &host))? {
        if chunk.len() > limit.saturating_sub(body.len()) {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body })
}

fn headers(map: &HeaderMap) -> Result<Vec<(String, String)>, FetchError> {
    let bytes: usize = map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES {
        return Err(FetchError::TooLarge { limit: HEADER_BYTES });
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}
