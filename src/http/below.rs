//! Requests below the path of the issuer.
//!
//! Clients use the URLs in the metadata: below the issuer with its path and, for the metadata itself, also
//! with the well-known part before that path (RFC 8414 section 3.1). A proxy may have removed the path
//! already. Therefore the routes do not contain the path of the issuer, and a request with that path is
//! routed without it, unless its path is itself a route.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::Uri;
use tower::ServiceExt;

use crate::http::Problem;

const WELL_KNOWN: &str = "/.well-known/";

/// Returns a router that answers the requests of `router` below `issuer_path` too.
pub(crate) fn issuer(router: Router, issuer_path: Arc<str>) -> Router {
    if issuer_path.is_empty() {
        return router;
    }
    let inner = router.clone();
    router
        .fallback(move |request: Request| answer(inner.clone(), request, Arc::clone(&issuer_path)))
}

async fn answer(inner: Router, mut request: Request<Body>, issuer_path: Arc<str>) -> Response {
    let Some(path) = path(request.uri().path(), &issuer_path) else {
        return Problem::not_found().into_response();
    };
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    let Ok(uri) = Uri::from_parts(parts) else {
        return Problem::not_found().into_response();
    };
    *request.uri_mut() = uri;
    inner.oneshot(request).await.into_response()
}

/// Returns `path` without the path of the issuer; none if `path` does not contain it.
pub(crate) fn path(path: &str, issuer_path: &str) -> Option<String> {
    if issuer_path.is_empty() {
        return None;
    }
    if let Some(rest) = path.strip_prefix(issuer_path)
        && rest.starts_with('/')
    {
        return Some(rest.to_owned());
    }
    let document = path.strip_suffix(issuer_path)?;
    let name = document.strip_prefix(WELL_KNOWN)?;
    let is_document = !name.is_empty() && !name.contains('/');
    is_document.then(|| document.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_issuer_is_found_in_both_positions() {
        for (asked, expected) in [
            ("/a/b/register", Some("/register")),
            (
                "/a/b/.well-known/openid-configuration",
                Some("/.well-known/openid-configuration"),
            ),
            (
                "/.well-known/openid-configuration/a/b",
                Some("/.well-known/openid-configuration"),
            ),
            (
                "/.well-known/oauth-authorization-server/a/b",
                Some("/.well-known/oauth-authorization-server"),
            ),
            ("/a/b", None),
            ("/a/bc/register", None),
            ("/register", None),
            ("/x/a/b", None),
            ("/.well-known/a/b", None),
            ("/.well-known/openid-configuration/b", None),
            ("/.well-known/x/y/a/b", None),
        ] {
            assert_eq!(path(asked, "/a/b").as_deref(), expected, "{asked}");
        }
        assert_eq!(path("/register", ""), None);
    }
}
