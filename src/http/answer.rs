//! The common form of all answers: JSON that must not be cached.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::printable;

/// The error for a request that authenticates twice in its head.
pub(crate) const SEVERAL: &str = "send one Authorization header, not several";

/// The usual maximum number of headers in an answer.
const HEADERS: usize = 16;

/// Returns a JSON answer that must not be cached (RFC 7591 section 3.2.1).
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Enough capacity for an ordinary answer, so that the buffer is not moved while it grows.
    let mut text = Vec::with_capacity(1_024);
    if serde_json::to_writer(&mut text, body).is_err() {
        text.clear();
    }
    json_text(status, text)
}

/// Returns a JSON answer with this text that must not be cached.
pub(crate) fn json_text(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    // Enough capacity for all headers that follow, so that the map is not moved while it grows.
    response.headers_mut().reserve(HEADERS);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    forbid_caching(&mut response);
    response
}

/// Returns an answer without a body that must not be cached.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    forbid_caching(&mut response);
    response
}

fn forbid_caching(response: &mut Response) {
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
        .headers_mut()
        .insert(PRAGMA, HeaderValue::from_static("no-cache"));
}

/// An error response: a status from 400 to 599 and a JSON body with `error` and `error_description` (RFC 6749
/// section 5.2, RFC 7591 section 3.2.2).
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    body: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The `error_description` for an unknown path.
pub(crate) const NO_SUCH_PATH: &str = "no endpoint at this path";

impl Problem {
    /// A problem with this status, code and description. Unprintable characters in the description are
    /// replaced.
    pub(crate) fn new(
        status: StatusCode,
        error: impl Into<Cow<'static, str>>,
        description: &str,
    ) -> Self {
        let mut body = Map::new();
        body.insert("error".to_owned(), error.into().into_owned().into());
        body.insert(
            "error_description".to_owned(),
            printable(description).into(),
        );
        Self {
            status,
            body,
            headers: Vec::new(),
        }
    }

    /// A problem with a body from another source, such as a script. `error` is added if it is missing, and
    /// unprintable characters in the description are replaced (RFC 6749 section 5.2).
    pub(crate) fn with_body(status: StatusCode, mut body: Map<String, Value>) -> Self {
        for member in ["error", "error_description"] {
            if let Some(Value::String(text)) = body.get_mut(member) {
                *text = printable(text);
            }
        }
        if body
            .get("error")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            let usual = match status {
                StatusCode::FORBIDDEN => "access_denied",
                _ if status.is_server_error() => "server_error",
                _ => "invalid_request",
            };
            body.insert("error".to_owned(), usual.into());
        }
        Self {
            status,
            body,
            headers: Vec::new(),
        }
    }

    /// 401: no bearer token was presented. The description states which token is required (RFC 6750 section
    /// 3).
    pub(crate) fn token_needed(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description).header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Bearer realm="registrar""#),
        )
    }

    /// 401 if the bearer token is missing or invalid; 400 if there are several (RFC 6750 section 3.1).
    pub(crate) fn unauthorised(credentials: BadCredentials) -> Self {
        let description = match credentials {
            BadCredentials::Nothing => return Self::token_needed("a bearer token is required"),
            BadCredentials::Several => {
                let challenge = r#"Bearer realm="registrar", error="invalid_request""#;
                return Self::new(StatusCode::BAD_REQUEST, "invalid_request", SEVERAL)
                    .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            BadCredentials::Invalid => "the bearer token is not valid on this server",
            BadCredentials::OtherCertificate => {
                "the bearer token is bound to another client certificate; present the certificate of its \
                 client"
            }
        };
        Self::invalid_token(description)
    }

    /// 401: the bearer token is not one that counts (RFC 6750 section 3.1).
    pub(crate) fn invalid_token(description: &str) -> Self {
        let challenge = r#"Bearer realm="registrar", error="invalid_token""#;
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 403: the bearer token is valid, but does not permit the request. `scope` is the required scope, if a
    /// scope would help (RFC 6750 section 3.1).
    pub(crate) fn insufficient_scope(scope: Option<&str>, description: &str) -> Self {
        let problem = Self::new(StatusCode::FORBIDDEN, "insufficient_scope", description);
        let needed = scope
            .map(|scope| format!(r#", scope="{scope}""#))
            .unwrap_or_default();
        let challenge = format!(r#"Bearer realm="registrar", error="insufficient_scope"{needed}"#);
        match HeaderValue::from_str(&challenge) {
            Ok(value) => problem.header(WWW_AUTHENTICATE, value),
            Err(_) => problem,
        }
    }

    /// 401: a client certificate is required. No authentication scheme is registered for certificates, so the
    /// challenge has a name of our own (RFC 9110 section 15.5.2 requires a challenge).
    pub(crate) fn certificate_needed(description: &str) -> Self {
        let challenge = HeaderValue::from_static(r#"TLS-Client-Certificate realm="registrar""#);
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
            .header(WWW_AUTHENTICATE, challenge)
    }

    /// 405, with the methods that are allowed for this URL (RFC 9110 section 15.5.6).
    pub(crate) fn method_not_allowed(allowed: &[Method]) -> Self {
        let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let names = names.join(", ");
        let description = format!("this URL supports only {names}");
        let problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            &description,
        );
        match HeaderValue::from_str(&names) {
            Ok(value) => problem.header(ALLOW, value),
            Err(_) => problem,
        }
    }

    /// 404 for an unknown path.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", NO_SUCH_PATH)
    }

    /// 500 without the cause, which is in the log under the same correlation id.
    pub(crate) fn server_error() -> Self {
        let description = "internal error; the cause is in the server log, under the X-Correlation-ID of this response";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            description,
        )
    }

    /// 503: the client may retry in `seconds`.
    pub(crate) fn unavailable(description: &str, seconds: u64) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            description,
        )
        .retry_after(seconds)
    }

    /// Returns the same problem with another member in its body.
    #[must_use]
    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the same problem with another header.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Returns the same problem with `Retry-After` in seconds.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Returns the status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the `error` member, for the log.
    pub(crate) fn code(&self) -> &str {
        self.body.get("error").and_then(Value::as_str).unwrap_or("")
    }

    /// Returns the `error_description` member.
    pub(crate) fn description(&self) -> &str {
        let description = self.body.get("error_description");
        description.and_then(Value::as_str).unwrap_or("")
    }
}

/// The credentials in a request that requires a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadCredentials {
    /// No credentials; RFC 6750 section 3.1 forbids an `error` then.
    Nothing,
    /// Invalid credentials.
    Invalid,
    /// More than one `Authorization` header: it is unclear which of them counts.
    Several,
    /// A valid token with a client certificate that it is not bound to (RFC 8705 section 3).
    OtherCertificate,
}

/// The part of a problem that is logged. It travels with the response.
#[derive(Debug, Clone)]
pub(crate) struct LoggedProblem {
    /// The `error` member.
    pub(crate) code: String,
    /// The `error_description`.
    pub(crate) description: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &self.body);
        let description = self
            .body
            .get("error_description")
            .and_then(Value::as_str)
            .unwrap_or("");
        let outcome = LoggedProblem {
            code: self.code().to_owned(),
            description: description.to_owned(),
        };
        response.extensions_mut().insert(outcome);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}
