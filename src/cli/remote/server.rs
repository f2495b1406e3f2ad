//! Calls to the admin API, and messages that explain its error responses to the user of the command line.

use std::io;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::Failure;
use crate::base::Secret;
use crate::fetch::{Arriving, Direct, DirectError, Request, Response};
use crate::http::answer::NO_SUCH_PATH;

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
    /// The media type of the body, and the body itself.
    pub(in crate::cli) body: Option<(&'static str, Vec<u8>)>,
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

    /// Sends the request and returns the JSON of the response, or null if it has no body.
    pub(in crate::cli) async fn call(&self, call: Call<'_>) -> Result<Value, Failure> {
        let request = self.request(call);
        let url = request.url.clone();
        let answer = self
            .http
            .send(request)
            .await
            .map_err(|error| unreachable(&self.base, &error))?;
        self.understood(&url, &answer)
    }

    /// Sends the request and returns the response while it arrives.
    pub(in crate::cli) async fn open(&self, call: Call<'_>) -> Result<Arriving, Failure> {
        let request = self.request(call);
        let url = request.url.clone();
        let arriving = self
            .http
            .open(request)
            .await
            .map_err(|error| unreachable(&self.base, &error))?;
        if arriving.status == 200 {
            return Ok(arriving);
        }
        let answer = arriving
            .whole()
            .await
            .map_err(|error| unreachable(&self.base, &error))?;
        self.understood(&url, &answer)?;
        Err(no_registrar(&url, answer.status))
    }

    /// Sends the request with a body that is read while it is sent.
    pub(in crate::cli) async fn upload<I>(&self, call: Call<'_>, parts: I) -> Result<Value, Failure>
    where
        I: Iterator<Item = io::Result<Vec<u8>>> + Send + 'static,
    {
        let request = self.request(call);
        let url = request.url.clone();
        let sent = self.http.upload(request, parts).await;
        let answer = sent.map_err(|error| unreachable(&self.base, &error))?;
        self.understood(&url, &answer)
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
        let media_type = call.body.as_ref().map(|(media_type, _)| *media_type);
        headers.extend(
            media_type.map(|media_type| ("content-type".to_owned(), media_type.to_owned())),
        );
        Request {
            method: call.method.to_owned(),
            url,
            headers,
            body: call.body.map(|(_, body)| body),
            ..Request::default()
        }
    }

    /// Returns the JSON of a response, or a message that explains an error response.
    fn understood(&self, url: &str, answer: &Response) -> Result<Value, Failure> {
        if answer.status == 204 {
            return Ok(Value::Null);
        }
        let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else {
            return Err(no_registrar(url, answer.status));
        };
        if (200..300).contains(&answer.status) {
            return Ok(value);
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (code, description) = (text("error"), text("error_description"));
        Err(Failure::Failed(match (answer.status, code) {
            (401, _) => format!("{} rejected the access token: {description}", self.base),
            (403, "insufficient_scope") => format!("permission denied: {description}"),
            (404, "not_found") if description == NO_SUCH_PATH => format!(
                "{url} was not found: this is not the admin API of this version; name its URL with \
                 --admin-server"
            ),
            (404, _) => description.to_owned(),
            (_, "client_exists") => {
                let line = value
                    .get("line")
                    .map(|line| format!("line {line}: "))
                    .unwrap_or_default();
                format!(
                    "{code}: {line}a client with this client_id already exists; use --existing skip to keep \
                     existing clients, or --existing replace to replace them{}",
                    done(&value)
                )
            }
            (status, "") => return Err(no_registrar(url, status)),
            (status, code) => format!("{code}: {description} (status {status}){}", done(&value)),
        }))
    }
}

/// Returns what was done before the error. A request that covers many clients is not atomic.
fn done(refusal: &Value) -> String {
    let counted = ["imported", "replaced", "skipped", "deleted"]
        .into_iter()
        .filter_map(|name| {
            let count = refusal.get(name)?.as_u64()?;
            Some(format!("{count} {name}"))
        });
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() {
        String::new()
    } else {
        format!("; before that: {}", counted.join(", "))
    }
}

/// Returns a message that explains why there is no response.
pub(super) fn unreachable(url: &str, error: &DirectError) -> Failure {
    Failure::Failed(match error {
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
pub(super) fn no_registrar(url: &str, status: u16) -> Failure {
    Failure::Failed(format!(
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
pub(in crate::cli) fn segment(id: &str) -> Result<String, Failure> {
    // URL resolution removes such a segment, and the request would then address all clients or tokens.
    if ["", ".", ".."].contains(&id) {
        return Err(Failure::Usage(format!("'{id}' is not an identifier")));
    }
    Ok(utf8_percent_encode(id, &SEGMENT).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_one_path_segment() {
        assert_eq!(segment("a-b_1").unwrap(), "a-b_1");
        assert_eq!(segment("a/b?c#d%").unwrap(), "a%2Fb%3Fc%23d%25");
        for bad in ["", ".", ".."] {
            assert!(matches!(segment(bad), Err(Failure::Usage(_))));
        }
    }
}
