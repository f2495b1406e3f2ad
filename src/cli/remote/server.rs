//! Calls of the admin API, and what their refusals mean to whoever gave the command.

use std::io;

use serde_json::Value;

use super::super::Failure;
use crate::fetch::{Arriving, Direct, DirectError, Request, Response};
use crate::secret::Secret;

/// The admin API of one server, with an access token for it.
pub(in crate::cli) struct Remote {
    http: Direct,
    base: String,
    bearer: Secret,
    /// The path of the live configuration.
    pub(in crate::cli) config: String,
}

/// One call.
#[derive(Default)]
pub(in crate::cli) struct Call<'a> {
    /// The method; empty: `GET`.
    pub(in crate::cli) method: &'static str,
    /// The path, encoded.
    pub(in crate::cli) path: &'a str,
    /// Parameters of the query.
    pub(in crate::cli) query: &'a [(&'static str, String)],
    /// The media type of the body, and the body.
    pub(in crate::cli) body: Option<(&'static str, Vec<u8>)>,
}

impl Remote {
    pub(super) const fn new(http: Direct, base: String, bearer: Secret, config: String) -> Self {
        Self { http, base, bearer, config }
    }

    /// Calls, and gives the JSON of the answer; null for one without a body.
    pub(in crate::cli) async fn call(&self, call: Call<'_>) -> Result<Value, Failure> {
        let request = self.request(call);
        let url = request.url.clone();
        let answer = self.http.send(request).await.map_err(|error| unreachable(&self.base, &error))?;
        self.understood(&url, &answer)
    }

    /// Calls, and gives the answer while it arrives.
    pub(in crate::cli) async fn open(&self, call: Call<'_>) -> Result<Arriving, Failure> {
        let request = self.request(call);
        let url = request.url.clone();
        let arriving = self.http.open(request).await.map_err(|error| unreachable(&self.base, &error))?;
        if arriving.status == 200 {
            return Ok(arriving);
        }
        let answer = arriving.whole().await.map_err(|error| unreachable(&self.base, &error))?;
        self.understood(&url, &answer)?;
        Err(no_registrar(&url, answer.status))
    }

    /// Calls with a body that is read while it is sent.
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
            let pairs =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(call.query).finish();
            url = format!("{url}?{pairs}");
        }
        let mut headers = vec![("authorization".to_owned(), format!("Bearer {}", self.bearer.expose()))];
        let media_type = call.body.as_ref().map(|(media_type, _)| *media_type);
        headers.extend(media_type.map(|media_type| ("content-type".to_owned(), media_type.to_owned())));
        Request {
            method: call.method.to_owned(),
            url,
            headers,
            body: call.body.map(|(_, body)| body),
            ..Request::default()
        }
    }

    /// The JSON of an answer; what it means when it is a refusal.
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
            (401, _) => format!("{} does not take the access token: {description}", self.base),
            (403, "insufficient_scope") => format!("this is not allowed: {description}"),
            (404, "not_found") if description == NO_SUCH_PATH => format!(
                "{url} is not there: this is no admin API of this version; --admin-server names its address"
            ),
            (404, _) => description.to_owned(),
            (_, "client_exists") => {
                let line = value.get("line").map(|line| format!("line {line}: ")).unwrap_or_default();
                format!(
                    "{code}: {line}there is a client with this client_id already; --existing skip leaves such \
                     clients as they are, --existing replace replaces them{}",
                    done(&value)
                )
            }
            (status, "") => return Err(no_registrar(url, status)),
            (status, code) => format!("{code}: {description} (status {status}){}", done(&value)),
        }))
    }
}

/// What was done before a refusal: many things are not done as a whole.
fn done(refusal: &Value) -> String {
    let counted = ["imported", "replaced", "skipped", "deleted"].into_iter().filter_map(|name| {
        let count = refusal.get(name)?.as_u64()?;
        Some(format!("{count} {name}"))
    });
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() { String::new() } else { format!("; before that: {}", counted.join(", ")) }
}

/// What the server says of a path that it does not have.
const NO_SUCH_PATH: &str = "there is nothing at this path";

/// What it means that there is no answer.
pub(super) fn unreachable(url: &str, error: &DirectError) -> Failure {
    Failure::Failed(match error {
        DirectError::Unreachable(cause) => {
            format!("there is no server at {url} ({cause}); is it running? --server names another one")
        }
        DirectError::Tls(cause) => format!(
            "the TLS of {url} is not to be trusted ({cause}); --ca names a file with the authority of its \
             certificate"
        ),
        DirectError::Timeout | DirectError::Broken(_) | DirectError::Unsendable(_) => {
            format!("{url} did not answer: {error}")
        }
    })
}

/// Whoever answered is no Registrar.
pub(super) fn no_registrar(url: &str, status: u16) -> Failure {
    Failure::Failed(format!("{url} does not answer like a Registrar (status {status})"))
}

/// `id` as a segment of a path.
pub(in crate::cli) fn segment(id: &str) -> Result<String, Failure> {
    // Whoever resolves the URL would take such a segment out, and mean all there are.
    if ["", ".", ".."].contains(&id) {
        return Err(Failure::Usage(format!("'{id}' is no identifier")));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Ok(id.bytes().map(encoded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_stays_in_its_segment() {
        assert_eq!(segment("a-b_1").unwrap(), "a-b_1");
        assert_eq!(segment("a/b?c#d%").unwrap(), "a%2Fb%3Fc%23d%25");
        for bad in ["", ".", ".."] {
            assert!(matches!(segment(bad), Err(Failure::Usage(_))));
        }
    }
}
