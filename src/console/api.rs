//! Calls of the admin API that do not go over a connection.

use axum::Router;
use axum::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Uri};
use serde_json::Value;
use tower::ServiceExt as _;
use url::Url;

use crate::admin::endpoint::SignedIn;
use crate::console::respond::{PageFailure, sentence};
use crate::http::{AssembledRequest, CorrelationId, Problem, peer};

/// The largest answer that a page is made of, in bytes.
const MOST_BYTES: usize = 32 << 20;

/// The admin API.
pub(super) struct Api(Router);

/// A call.
pub(super) struct ApiCall {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// The answer to a call that was not refused.
pub(super) struct ApiAnswer {
    /// `null` if it has no body.
    pub(super) body: Value,
}

impl ApiCall {
    pub(super) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Returns a `POST` with this body.
    pub(super) fn post(path: &str, body: &Value) -> Self {
        Self::new(Method::POST, path).json("application/json", body)
    }

    /// Returns the call with this body.
    pub(super) fn json(mut self, media_type: &'static str, body: &Value) -> Self {
        self.body = body.to_string().into();
        self.header(CONTENT_TYPE, media_type)
    }

    /// Returns the call with another header.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl Api {
    pub(super) const fn new(router: Router) -> Self {
        Self(router)
    }

    /// Makes a call in place of the request with the head `parts`, which has the same address and identifier.
    ///
    /// # Errors
    /// Why it was refused.
    pub(super) async fn call(
        &self,
        parts: &Parts,
        signed_in: SignedIn,
        call: ApiCall,
    ) -> Result<ApiAnswer, PageFailure> {
        let uri = call.path.parse::<Uri>();
        let uri =
            uri.map_err(|_| PageFailure::invalid("A value is too long, or cannot be sent."))?;
        let request = AssembledRequest {
            method: call.method,
            uri,
            headers: call.headers,
            body: Ok(call.body),
            address: peer::client_address(parts),
            certificate: None,
        };
        let request = signed(request.into(), parts, signed_in);
        let Ok(response) = self.0.clone().oneshot(request).await;
        let (head, body) = response.into_parts();
        let Ok(bytes) = axum::body::to_bytes(body, MOST_BYTES).await else {
            return Err(Problem::server_error().into());
        };
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        if head.status.is_success() {
            return Ok(ApiAnswer { body });
        }
        Err(refused(head.status, head.headers.get(RETRY_AFTER), &body))
    }
}

/// Returns the request as a call of the administrator, with the identifier of the request with the head `parts`.
fn signed(mut request: Request<Body>, parts: &Parts, signed_in: SignedIn) -> Request<Body> {
    let extensions = request.extensions_mut();
    extensions.insert(signed_in);
    if let Some(id) = parts.extensions.get::<CorrelationId>() {
        extensions.insert(id.clone());
    }
    request
}

/// Returns why the API refused, in the words of its answer.
fn refused(status: StatusCode, retry_after: Option<&HeaderValue>, body: &Value) -> PageFailure {
    let described = body.get("error_description").and_then(Value::as_str);
    let code = body.get("error").and_then(Value::as_str);
    let text = described.or(code).unwrap_or("the request was refused");
    // A session is no access token, whatever the API is used with.
    let text = text.replace("the access token lacks", "you lack");
    PageFailure {
        status,
        text: sentence(&text),
        retry_after: retry_after.cloned(),
    }
}

/// Returns the path with these segments and parameters, each encoded. Parameters without a value are left out.
pub(super) fn path(segments: &[&str], parameters: &[(&str, &str)]) -> String {
    // Such a segment would lead to another resource.
    let leads_elsewhere = |segment: &str| matches!(segment, "" | "." | "..");
    let Ok(mut url) = Url::parse("http://registrar.invalid/admin/v1") else {
        return String::new();
    };
    if segments.iter().any(|segment| leads_elsewhere(segment)) {
        return "/admin/v1/nothing".to_owned();
    }
    if let Ok(mut all) = url.path_segments_mut() {
        all.extend(segments);
    }
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        url.query_pairs_mut().append_pair(name, value);
    }
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(
            path(&["clients", "https://a.example/?x"], &[]),
            "/admin/v1/clients/https:%2F%2Fa.example%2F%3Fx"
        );
        assert_eq!(
            path(&["clients", "%2e%2e"], &[("after", "a&b"), ("x", "")]),
            "/admin/v1/clients/%252e%252e?after=a%26b"
        );
        assert_eq!(path(&["clients", ".."], &[]), "/admin/v1/nothing");
        assert_eq!(path(&["clients", ""], &[]), "/admin/v1/nothing");
    }
}
