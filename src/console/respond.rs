//! The common form of the answers of the console: the headers that browsers enforce, redirects and failures.

use askama::Template;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};

use crate::console::view::Block;
use crate::http::Problem;
use crate::store::StoreError;

/// Nothing comes from elsewhere, nothing inline is executed, and no other page frames a page of the console.
const POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The header by which the script of a page asks for its live parts.
const REFRESH: HeaderName = HeaderName::from_static("registrar-refresh");

/// Whether a request is one of the script of a page, and not one of a person.
pub(super) fn is_refresh(headers: &HeaderMap) -> bool {
    headers.contains_key(REFRESH)
}

/// What a page answers with.
pub(super) enum PageContent {
    /// A page.
    Page {
        /// Its title.
        title: String,
        /// Its parts.
        blocks: Vec<Block>,
    },
    /// Another page.
    Redirect(String),
    /// The session is over.
    SignedOut,
}

impl PageContent {
    pub(super) fn page(title: impl Into<String>, blocks: Vec<Block>) -> Self {
        let title = title.into();
        Self::Page { title, blocks }
    }
}

/// Why a page is not shown, or nothing was done.
#[derive(Debug, Clone)]
pub(super) struct PageFailure {
    pub(super) status: StatusCode,
    pub(super) text: String,
    /// Seconds until the request may be repeated.
    pub(super) retry_after: Option<HeaderValue>,
}

impl PageFailure {
    pub(super) fn new(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            text: text.to_owned(),
            retry_after: None,
        }
    }

    /// A page that does not exist.
    pub(super) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "This page does not exist.")
    }

    /// A form with a value that is missing or cannot be read.
    pub(super) fn invalid(text: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// Returns the same failure with another sentence.
    pub(super) fn and(mut self, sentence: &str) -> Self {
        self.text.push(' ');
        self.text.push_str(sentence);
        self
    }
}

impl From<Problem> for PageFailure {
    fn from(problem: Problem) -> Self {
        let (status, text) = (problem.status(), sentence(problem.description()));
        let retry_after = problem.into_response().headers().get(RETRY_AFTER).cloned();
        Self {
            status,
            text,
            retry_after,
        }
    }
}

impl From<StoreError> for PageFailure {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

/// Returns the description of an error as a sentence.
pub(super) fn sentence(description: &str) -> String {
    let mut rest = description.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    let mut text = first.unwrap_or_default() + rest.as_str();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// Returns the answer with a page.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => typed(status, "text/html; charset=utf-8", text),
        Err(error) => {
            tracing::error!(%error, "a page of the console could not be rendered");
            typed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                "internal error; the cause is in the server log".to_owned(),
            )
        }
    }
}

fn typed(status: StatusCode, media_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Returns an answer that leads to `location`, which is relative to the page that was requested.
pub(super) fn redirect(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Returns the file that pages refer to by this name.
pub(super) fn asset(name: &str) -> Option<Response> {
    let (media_type, text) = match name {
        "style.css" => (
            "text/css; charset=utf-8",
            include_str!("templates/style.css"),
        ),
        "live.js" => (
            "text/javascript; charset=utf-8",
            include_str!("templates/live.js"),
        ),
        "icon.svg" => ("image/svg+xml", include_str!("templates/icon.svg")),
        _ => return None,
    };
    Some(typed(StatusCode::OK, media_type, text))
}

/// Returns the answer without a page, for a caller whose session is not known.
pub(super) fn plain_failure(failure: &PageFailure) -> Response {
    let text = failure.text.clone();
    let mut response = typed(failure.status, "text/plain; charset=utf-8", text);
    put_wait(&mut response, failure);
    response
}

/// Adds when the request may be repeated.
pub(super) fn put_wait(response: &mut Response, failure: &PageFailure) {
    if let Some(seconds) = &failure.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.clone());
    }
}

/// Returns the answer to a caller that may not see the console: as if there were none.
pub(super) fn no_console() -> Response {
    Problem::not_found().into_response()
}

pub(super) fn method_not_allowed() -> Response {
    let mut response = typed(
        StatusCode::METHOD_NOT_ALLOWED,
        "text/plain; charset=utf-8",
        "pages of the console are read by GET and changed by POST",
    );
    let allowed = HeaderValue::from_static("GET, HEAD, POST");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// Returns the answer with the headers that every answer of the console has.
pub(super) fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_becomes_a_sentence() {
        assert_eq!(sentence("client not found"), "Client not found.");
        assert_eq!(sentence("Is it?"), "Is it?");
        assert_eq!(sentence(""), ".");
    }
}
