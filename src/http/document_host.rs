//! Requests for documents of clients at their public URL, if that is not below the issuer.
//!
//! The operator publishes documents on a host of their own, so that a client never shares the name of the
//! authorization server. A request to that host is routed to the path of documents, and nothing else exists there.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::Uri;
use hyper::header::HOST;
use tower::ServiceExt;
use url::{Position, Url};

use crate::base::below_issuer;
use crate::http::Problem;

/// The public URL of documents, as requests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentHost {
    /// The host and the port, as in the `Host` header.
    authority: String,
    /// The path, without a trailing slash.
    path: String,
    /// Whether the host has nothing but documents.
    is_separate: bool,
    /// The path to which the requests are routed.
    target: String,
}

/// Where a request belongs.
#[derive(Debug, PartialEq, Eq)]
enum RequestedPath {
    /// Where it says.
    AsIs,
    /// To this path.
    Document(String),
    /// Nowhere: the host has nothing else.
    Nothing,
}

impl DocumentHost {
    /// The host of documents at `base`, for a server with this issuer that serves them at `path`. None if requests
    /// for them need no other route.
    pub(crate) fn new(base: &str, issuer: &str, path: &str) -> Option<Self> {
        if base == below_issuer(issuer, path) {
            return None;
        }
        let (base, issuer) = (Url::parse(base).ok()?, Url::parse(issuer).ok()?);
        Some(Self {
            authority: authority(&base).to_owned(),
            path: base.path().trim_end_matches('/').to_owned(),
            is_separate: authority(&base) != authority(&issuer),
            target: path.to_owned(),
        })
    }

    /// Returns the path to which `request` is routed, if it asks for a document at the public URL.
    pub(crate) fn document_path(&self, request: &Request<Body>) -> Option<String> {
        match self.requested_path(request) {
            RequestedPath::Document(path) => Some(path),
            RequestedPath::AsIs | RequestedPath::Nothing => None,
        }
    }

    fn requested_path(&self, request: &Request<Body>) -> RequestedPath {
        if !self.is_named_by(request) {
            return RequestedPath::AsIs;
        }
        let rest = request.uri().path().strip_prefix(&self.path);
        match rest {
            Some(rest) if rest.starts_with('/') => {
                RequestedPath::Document(format!("{}{rest}", self.target))
            }
            _ if self.is_separate => RequestedPath::Nothing,
            _ => RequestedPath::AsIs,
        }
    }

    /// Whether `request` names this host. The port of https may be left out.
    fn is_named_by(&self, request: &Request<Body>) -> bool {
        let named = named_host(request);
        named.is_some_and(|named| {
            let named = named.strip_suffix(":443").unwrap_or(named);
            named.eq_ignore_ascii_case(&self.authority)
        })
    }
}

/// Returns the host of `request` with its port, from the request line of HTTP/2 or from the header.
fn named_host(request: &Request<Body>) -> Option<&str> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str());
    }
    request.headers().get(HOST)?.to_str().ok()
}

fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// Returns a router that answers requests for documents at `host` by the routes of `router`.
pub(crate) fn documents(router: Router, host: Option<Arc<DocumentHost>>) -> Router {
    let Some(host) = host else {
        return router;
    };
    Router::new()
        .fallback(move |request: Request| answer(router.clone(), request, Arc::clone(&host)))
}

async fn answer(router: Router, mut request: Request<Body>, host: Arc<DocumentHost>) -> Response {
    let path = match host.requested_path(&request) {
        RequestedPath::AsIs => return router.oneshot(request).await.into_response(),
        RequestedPath::Nothing => return Problem::not_found().into_response(),
        RequestedPath::Document(path) => path,
    };
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let Ok(uri) = target.parse::<Uri>() else {
        return Problem::not_found().into_response();
    };
    *request.uri_mut() = uri;
    router.oneshot(request).await.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://register.example.org";

    fn asked(host: &str, path: &str) -> Request<Body> {
        let request = Request::builder().uri(path).header(HOST, host);
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn documents_below_the_issuer_need_no_other_route() {
        let base = "https://register.example.org/clients";
        assert_eq!(DocumentHost::new(base, ISSUER, "/clients"), None);
    }

    #[test]
    fn a_host_of_documents_has_nothing_else() {
        let host = DocumentHost::new("https://clients.example.org", ISSUER, "/clients").unwrap();
        for (name, path, expected) in [
            (
                "clients.example.org",
                "/1",
                RequestedPath::Document("/clients/1".to_owned()),
            ),
            (
                "Clients.example.org:443",
                "/1",
                RequestedPath::Document("/clients/1".to_owned()),
            ),
            (
                "clients.example.org",
                "/register",
                RequestedPath::Document("/clients/register".to_owned()),
            ),
            ("register.example.org", "/1", RequestedPath::AsIs),
            ("clients.example.org:8443", "/1", RequestedPath::AsIs),
        ] {
            assert_eq!(
                host.requested_path(&asked(name, path)),
                expected,
                "{name}{path}"
            );
        }
        let below = DocumentHost::new("https://example.net/a", ISSUER, "/clients").unwrap();
        let nothing = below.requested_path(&asked("example.net", "/register"));
        assert_eq!(nothing, RequestedPath::Nothing);
    }

    #[test]
    fn documents_at_another_path_of_the_issuer_leave_the_rest_of_it() {
        let base = "https://register.example.org/documents";
        let host = DocumentHost::new(base, ISSUER, "/clients").unwrap();
        let to = |path: &str| host.requested_path(&asked("register.example.org", path));
        assert_eq!(
            to("/documents/1"),
            RequestedPath::Document("/clients/1".to_owned())
        );
        assert_eq!(to("/documentsx/1"), RequestedPath::AsIs);
        assert_eq!(to("/register"), RequestedPath::AsIs);
    }
}
