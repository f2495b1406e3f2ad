//! The one form of every answer: JSON that no cache keeps.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::violation::printable;

/// What is wrong with a request that authenticates twice in its head.
pub const SEVERAL: &str = "send one Authorization header, not several";

/// Headers of an ordinary answer, at most.
const HEADERS: usize = 16;

/// A JSON answer that no cache keeps (RFC 7591 section 3.2.1).
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Room for an ordinary answer, so that it does not move while it grows.
    let mut text = Vec::with_capacity(1_024);
    if serde_json::to_writer(&mut text, body).is_err() {
        text.clear();
    }
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    // Room for all headers that follow, so that they do not move while they come.
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    forbid_caching(&mut response);
    response
}

/// An answer without a body that no cache keeps.
pub fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    forbid_caching(&mut response);
    response
}

fn forbid_caching(response: &mut Response) {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
}

/// Why a request is not answered as it was asked: a status from 400 to 599 and a JSON body with
/// `error` and `error_description` (RFC 6749 section 5.2, RFC 7591 section 3.2.2).
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    body: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with this status, code and description; what can not be printed in the
    /// description is replaced.
    pub fn new(status: StatusCode, error: impl Into<Cow<'static, str>>, description: &str) -> Self {
        let mut body = Map::new();
        body.insert("error".to_owned(), error.into().into_owned().into());
        body.insert("error_description".to_owned(), printable(description).into());
        Self { status, body, headers: Vec::new() }
    }

    /// A problem whose body somebody else wrote. It has an `error` in any case, and its description is
    /// printable (RFC 6749 section 5.2).
    pub fn with_body(status: StatusCode, mut body: Map<String, Value>) -> Self {
        for member in ["error", "error_description"] {
            if let Some(Value::String(text)) = body.get_mut(member) {
                *text = printable(text);
            }
        }
        if body.get("error").and_then(Value::as_str).is_none_or(str::is_empty) {
            let usual = match status {
                StatusCode::FORBIDDEN => "access_denied",
                _ if status.is_server_error() => "server_error",
                _ => "invalid_request",
            };
            body.insert("error".to_owned(), usual.into());
        }
        Self { status, body, headers: Vec::new() }
    }

    /// 401: no bearer token was presented, and which would be the right one (RFC 6750 section 3).
    pub fn token_needed(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="registrar""#))
    }

    /// 401: no bearer token was presented, or one that is not good; 400 for several (RFC 6750 section
    /// 3.1).
    pub fn unauthorised(credentials: Presented) -> Self {
        let (challenge, description) = match credentials {
            Presented::Nothing => return Self::token_needed("a bearer token is needed"),
            Presented::Several => {
                let challenge = r#"Bearer realm="registrar", error="invalid_request""#;
                return Self::new(StatusCode::BAD_REQUEST, "invalid_request", SEVERAL)
                    .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Presented::Invalid => {
                (r#"Bearer realm="registrar", error="invalid_token""#, "the bearer token is not valid here")
            }
            Presented::OtherCertificate => (
                r#"Bearer realm="registrar", error="invalid_token""#,
                "the bearer token needs the certificate of its client, and this is another one",
            ),
        };
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 403: the bearer token is good, and not for this; `scope` is the one that is needed, if a
    /// scope would help (RFC 6750 section 3.1).
    pub fn insufficient_scope(scope: Option<&str>, description: &str) -> Self {
        let problem = Self::new(StatusCode::FORBIDDEN, "insufficient_scope", description);
        let needed = scope.map(|scope| format!(r#", scope="{scope}""#)).unwrap_or_default();
        let challenge = format!(r#"Bearer realm="registrar", error="insufficient_scope"{needed}"#);
        match HeaderValue::from_str(&challenge) {
            Ok(value) => problem.header(WWW_AUTHENTICATE, value),
            Err(_) => problem,
        }
    }

    /// 401: a client certificate is needed. No scheme is registered for that, so the challenge
    /// has a name of ours (RFC 9110 section 15.5.2 wants one).
    pub fn certificate_needed(description: &str) -> Self {
        let challenge = HeaderValue::from_static(r#"TLS-Client-Certificate realm="registrar""#);
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description).header(WWW_AUTHENTICATE, challenge)
    }

    /// 405, with the methods that are allowed here (RFC 9110 section 15.5.6).
    pub fn method_not_allowed(allowed: &[Method]) -> Self {
        let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let names = names.join(", ");
        let description = format!("this URL answers {names}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &description);
        match HeaderValue::from_str(&names) {
            Ok(value) => problem.header(ALLOW, value),
            Err(_) => problem,
        }
    }

    /// 404 for a path that is not ours.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// 500 with nothing of the cause, which is in the log under the same correlation id.
    pub fn server_error() -> Self {
        let description =
            "the server could not decide; its log has the cause, under the X-Correlation-ID of this answer";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", description)
    }

    /// 503: try again in `seconds`.
    pub fn unavailable(description: &str, seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description)
            .retry_after(seconds)
    }

    /// The same problem, with a further member in its body.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.insert(name.to_owned(), value.into());
        self
    }

    /// The same problem, with a further header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same problem, with `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The `error` member, for the log.
    pub fn code(&self) -> &str {
        self.body.get("error").and_then(Value::as_str).unwrap_or("")
    }
}

/// What a request showed when a token was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// No credentials at all; RFC 6750 section 3.1 wants no `error` then.
    Nothing,
    /// Credentials that are not good here.
    Invalid,
    /// More than one `Authorization` header: nobody knows which is meant.
    Several,
    /// A good token with a client certificate that is not its client's (RFC 8705 section 3).
    OtherCertificate,
}

/// What the log says of a problem; it travels with the response.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The `error` member.
    pub code: String,
    /// The `error_description`.
    pub description: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &self.body);
        let description = self.body.get("error_description").and_then(Value::as_str).unwrap_or("");
        let outcome = Outcome { code: self.code().to_owned(), description: description.to_owned() };
        response.extensions_mut().insert(outcome);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}
