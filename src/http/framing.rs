//! Request heads that two parsers could read differently.

use axum::extract::Request;
use hyper::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{StatusCode, Version};

use crate::http::Problem;

/// Returns what is wrong with the head of `request`: a missing, repeated or contradictory host (RFC 9112
/// section 3.2, RFC 9113 section 8.3.1), or an unsupported transfer coding (RFC 9112 section 6.1).
pub(super) fn fault(request: &Request) -> Option<Problem> {
    let (status, description) = if let Some(description) = host_fault(request) {
        (StatusCode::BAD_REQUEST, description)
    } else if !is_body_readable(request) {
        let description =
            "the only supported transfer coding is chunked; send the body without any other";
        (StatusCode::NOT_IMPLEMENTED, description)
    } else {
        return None;
    };
    let problem = Problem::new(status, "invalid_request", description);
    // The connection must be closed, since the start of the next request is unknown.
    Some(if request.version() < Version::HTTP_2 {
        problem.header(CONNECTION, HeaderValue::from_static("close"))
    } else {
        problem
    })
}

fn host_fault(request: &Request) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    if other.is_some() {
        return Some("send one Host header, not several");
    }
    match host {
        None if request.version() == Version::HTTP_11 => {
            Some("send a Host header, which HTTP/1.1 requires")
        }
        Some(host) if !is_host(host.as_bytes()) => {
            Some("the Host header must be a host, with an optional port")
        }
        Some(host) if request.version() == Version::HTTP_2 && !agrees(request, host) => {
            Some("Host and :authority must name the same host")
        }
        _ => None,
    }
}

fn is_body_readable(request: &Request) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(one), None) => one.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Whether `text` has only characters that a host and a port may have (RFC 3986 section 3.2), and no user
/// name.
fn is_host(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(byte);
    text.iter().all(is_part)
}

fn agrees(request: &Request, host: &HeaderValue) -> bool {
    let Some(authority) = request.uri().authority() else {
        return true;
    };
    let name = authority.as_str().as_bytes();
    name.eq_ignore_ascii_case(host.as_bytes())
}
