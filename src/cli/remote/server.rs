//! Calls to the admin API, and messages that explain its error responses to the user of the command line.

use std::io;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::base::Secret;
use crate::cli::{CommandFailure, items};
use crate::fetch::{Arriving, Direct, DirectError, Request, Response};
use crate::http::NO_SUCH_PATH;

/// Items that are requested at a time.
const PAGE: usize = 200;

/// The admin API of one server, with an access token.
pub(in crate::cli) struct Remote {
    http: Direct,
    base: String,
    bearer: Secret,
    /// The path of the live configuration.
    pub(in crate::cli) config: String,
}

/// A request to the admin API.
#[derive(Default)]
pub(in crate::cli) struct Call<'a> {
    /// The method. Empty means `GET`.
    pub(in crate::cli) method: &'static str,
    /// The path, percent-encoded.
    pub(in crate::cli) path: &'a str,
    /// The query parameters.
    pub(in crate::cli) query: &'a [(&'static str, String)],
    /// The revision that the resource must have; none if any will do.
    pub(in crate::cli) revision: Option<u64>,
    /// The media type of the body, and the body itself.
    pub(in crate::cli) body: Option<(&'static str, Vec<u8>)>,
}

/// Why a call brought nothing, for a command that keeps calling.
pub(in crate::cli) enum PollFailure {
    /// The server is unreachable or overloaded. The text says why.
    Temporary(String),
    /// The access token is no longer valid.
    TokenExpired,
    /// The server does not accept the call.
    Rejected(CommandFailure),
}

impl Remote {
    pub(super) const fn new(http: Direct, base: String, bearer: Secret, config: String) -> Self {
        Self {
            http,
            base,
            bearer,
            config,
        }
    }

    /// Returns the JSON of the resource at `path`.
    pub(in crate::cli) async fn get(
        &self,
        path: &str,
        query: &[(&'static str, String)],
    ) -> Result<Value, CommandFailure> {
        let call = Call {
            path,
            query,
            ..Call::default()
        };
        self.call(call).await
    }

    /// Returns all items of the list at `path`, which has them in `member` of each page. `filters` select what is listed.
    pub(in crate::cli) async fn list(
        &self,
        path: &str,
        filters: &[(&'static str, String)],
        member: &str,
    ) -> Result<Vec<Value>, CommandFailure> {
        let mut query = filters.to_vec();
        query.push(("limit", PAGE.to_string()));
        let (first, mut all) = (query.len(), Vec::new());
        loop {
            let page = self.get(path, &query).await?;
            all.extend_from_slice(items(&page, member));
            let Some(Value::String(next)) = page.get("next") else {
                return Ok(all);
            };
            query.truncate(first);
            query.push(("after", next.clone()));
        }
    }

    /// Sends the request and returns the JSON of the response, or null if it has no body.
    pub(in crate::cli) async fn call(&self, call: Call<'_>) -> Result<Value, CommandFailure> {
        let request = self.request(call);
        let url = request.url.clone();
        match self.http.send(request).await {
            Ok(answer) => self.understood(&url, &answer),
            Err(error) => Err(unreachable(&self.base, &error)),
        }
    }

    /// As [`Self::get`], for a command that keeps calling.
    pub(in crate::cli) async fn poll(
        &self,
        path: &str,
        query: &[(&'static str, String)],
    ) -> Result<Value, PollFailure> {
        let request = self.request(Call {
            path,
            query,
            ..Call::default()
        });
        let url = request.url.clone();
        let answer = match self.http.send(request).await {
            Ok(answer) => answer,
            Err(error @ (DirectError::Tls(_) | DirectError::Unsendable(_))) => {
                return Err(PollFailure::Rejected(unreachable(&self.base, &error)));
            }
            Err(error) => {
                let reason = format!("no response from {}: {error}", self.base);
                return Err(PollFailure::Temporary(reason));
            }
        };
        match answer.status {
            401 => Err(PollFailure::TokenExpired),
            429 | 500.. => {
                let reason = format!("{} answered with status {}", self.base, answer.status);
                Err(PollFailure::Temporary(reason))
            }
            _ => self
                .understood(&url, &answer)
                .map_err(PollFailure::Rejected),
        }
    }

    /// Sends the request and returns the response while it arrives.
    pub(in crate::cli) async fn open(&self, call: Call<'_>) -> Result<Arriving, CommandFailure> {
        let request = self.request(call);
        let url = request.url.clone();
        let unreachable = |error| unreachable(&self.base, &error);
        let arriving = self.http.open(request).await.map_err(unreachable)?;
        if arriving.status == 200 {
            return Ok(arriving);
        }
        let answer = arriving.whole().await.map_err(unreachable)?;
        self.understood(&url, &answer)?;
        Err(no_registrar(&url, answer.status))
    }

    /// Sends the request with a body that is read while it is sent.
    pub(in crate::cli) async fn upload<I>(
        &self,
        call: Call<'_>,
        parts: I,
    ) -> Result<Value, CommandFailure>
    where
        I: Iterator<Item = io::Result<Vec<u8>>> + Send + 'static,
    {
        let request = self.request(call);
        let url = request.url.clone();
        match self.http.upload(request, parts).await {
            Ok(answer) => self.understood(&url, &answer),
            Err(error) => Err(unreachable(&self.base, &error)),
        }
    }

    fn request(&self, call: Call<'_>) -> Request {
        let mut url = format!("{}{}", self.base, call.path);
        if !call.query.is_empty() {
            let pairs = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(call.query)
                .finish();
            url = format!("{url}?{pairs}");
        }
        let mut headers = vec![(
            "authorization".to_owned(),
            format!("Bearer {}", self.bearer.expose()),
        )];
        if let Some(revision) = call.revision {
            headers.push(("if-match".to_owned(), format!("\"{revision}\"")));
        }
        let mut body = None;
        if let Some((media_type, bytes)) = call.body {
            headers.push(("content-type".to_owned(), media_type.to_owned()));
            body = Some(bytes);
        }
        Request {
            method: call.method.to_owned(),
            url,
            headers,
            body,
            ..Request::default()
        }
    }

    /// Returns the JSON of a response, or a message that explains an error response.
    fn understood(&self, url: &str, answer: &Response) -> Result<Value, CommandFailure> {
        if answer.status == 204 {
            return Ok(Value::Null);
        }
        let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else {
            return Err(no_registrar(url, answer.status));
        };
        if (200..300).contains(&answer.status) {
            return Ok(value);
        }
        Err(self.explained(url, answer.status, &value))
    }

    /// Returns a message that explains the error response `refusal`.
    fn explained(&self, url: &str, status: u16, refusal: &Value) -> CommandFailure {
        let text = |name: &str| refusal.get(name).and_then(Value::as_str);
        let code = text("error").unwrap_or_default();
        let details = text("details").map(readable);
        let description = text("error_description").unwrap_or_default();
        CommandFailure::Failed(match (status, code) {
            (401, _) => format!("{} rejected the access token: {description}", self.base),
            (403, "insufficient_scope") => format!("permission denied: {description}"),
            (404, "not_found") if description == NO_SUCH_PATH => format!(
                "{url} was not found: this is not the admin API of this version; name its URL with \
                 --admin-server"
            ),
            (404, _) => description.to_owned(),
            (_, "client_exists") => client_exists(refusal),
            (status, "") => return no_registrar(url, status),
            (status, code) => {
                let description = details.as_deref().unwrap_or(description);
                format!("{code}: {description} (status {status}){}", done(refusal))
            }
        })
    }
}

/// Returns a text of several lines without other control characters.
fn readable(text: &str) -> String {
    text.replace(|letter: char| letter.is_control() && letter != '\n', " ")
}

fn client_exists(refusal: &Value) -> String {
    let line = match refusal.get("line") {
        Some(line) => format!("line {line}: "),
        None => String::new(),
    };
    format!(
        "client_exists: {line}a client with this client_id already exists; use --existing skip to keep \
         existing clients, or --existing replace to replace them{}",
        done(refusal)
    )
}

/// Returns what was done before the error. A request that covers many clients is not atomic.
fn done(refusal: &Value) -> String {
    let mut counted = Vec::new();
    for name in [
        "imported", "replaced", "skipped", "deleted", "disabled", "enabled",
    ] {
        if let Some(count) = refusal.get(name).and_then(Value::as_u64) {
            counted.push(format!("{count} {name}"));
        }
    }
    if counted.is_empty() {
        return String::new();
    }
    format!("; before that: {}", counted.join(", "))
}

/// Returns a message that explains why there is no response.
pub(super) fn unreachable(url: &str, error: &DirectError) -> CommandFailure {
    CommandFailure::Failed(match error {
        DirectError::Unreachable(cause) => {
            format!(
                "the server at {url} is unreachable ({cause}); is it running? --server names another server"
            )
        }
        DirectError::Tls(cause) => format!(
            "the TLS certificate of {url} cannot be verified ({cause}); name a file with the CA of the \
             certificate with --ca"
        ),
        DirectError::Timeout | DirectError::Broken(_) | DirectError::Unsendable(_) => {
            format!("no response from {url}: {error}")
        }
    })
}

/// Returns the failure for a response that is not from a Registrar.
pub(super) fn no_registrar(url: &str, status: u16) -> CommandFailure {
    CommandFailure::Failed(format!(
        "the response from {url} is not from a Registrar (status {status})"
    ))
}

/// What is encoded in a path segment: all but the unreserved characters (RFC 3986 section 2.3).
const SEGMENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns `id` as a path segment, percent-encoded.
pub(in crate::cli) fn segment(id: &str) -> Result<String, CommandFailure> {
    // URL resolution removes such a segment, and the request would then address all clients or tokens.
    if ["", ".", ".."].contains(&id) {
        return Err(CommandFailure::Usage(format!(
            "'{id}' is not an identifier"
        )));
    }
    Ok(utf8_percent_encode(id, &SEGMENT).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_how_many_clients_were_changed_before() {
        for (name, said) in [
            ("deleted", "; before that: 7 deleted"),
            ("disabled", "; before that: 7 disabled"),
            ("enabled", "; before that: 7 enabled"),
        ] {
            assert_eq!(done(&serde_json::json!({"error": "x", name: 7})), said);
        }
        assert_eq!(done(&serde_json::json!({"error": "x"})), "");
    }

    #[test]
    fn an_identifier_is_one_path_segment() {
        assert_eq!(segment("a-b_1").unwrap(), "a-b_1");
        assert_eq!(segment("a/b?c#d%").unwrap(), "a%2Fb%3Fc%23d%25");
        for bad in ["", ".", ".."] {
            assert!(matches!(segment(bad), Err(CommandFailure::Usage(_))));
        }
    }
}
