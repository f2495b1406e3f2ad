//! Request heads that two parsers could read differently.

use axum::extract::Request;
use hyper::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{StatusCode, Version};

use super::answer::Problem;

/// Returns what is wrong with the head of `request`: a missing, repeated or contradictory host (RFC 9112
/// section 3.2, RFC 9113 section 8.3.1), or an unsupported transfer coding (RFC 9112 section 6.1).
pub(super) fn fault(request: &Request) -> Option<Problem> {
    let refuse = |status, description: &str| {
        let problem = Problem::new(status, "invalid_request", description);
        // The connection must be closed, since the start of the next request is unknown.
        let is_old = request.version() < Version::HTTP_2;
        if is_old {
            problem.header(CONNECTION, HeaderValue::from_static("close"))
        } else {
            problem
        }
    };
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    if other.is_some() {
        return Some(refuse(
            StatusCode::BAD_REQUEST,
            "send one Host header, not several",
        ));
    }
    match host {
        None if request.version() == Version::HTTP_11 => {
            return Some(refuse(
                StatusCode::BAD_REQUEST,
                "send a Host header, which HTTP/1.1 requires",
            ));
        }
        Some(host) if !is_host(host.as_bytes()) => {
            return Some(refuse(
                StatusCode::BAD_REQUEST,
                "the Host header must be a host, with an optional port",
            ));
        }
        Some(host) if request.version() == Version::HTTP_2 && !agrees(request, host) => {
            return Some(refuse(
                StatusCode::BAD_REQUEST,
                "Host and :authority must name the same host",
            ));
        }
        _ => {}
    }
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let is_read = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(one), None) => one.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    if !is_read {
        let description =
            "the only supported transfer coding is chunked; send the body without any other";
        return Some(refuse(StatusCode::NOT_IMPLEMENTED, description));
    }
    None
}

/// Whether `text` has only characters that a host and a port may have (RFC 3986 section 3.2), and no user
/// name.
fn is_host(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(byte);
    text.iter().all(is_part)
}

fn agrees(request: &Request, host: &HeaderValue) -> bool {
    let authority = request.uri().authority();
    authority.is_none_or(|authority| {
        authority
            .as_str()
            .as_bytes()
            .eq_ignore_ascii_case(host.as_bytes())
    })
}
