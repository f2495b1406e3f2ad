//! Request bodies, limited in size and time while they are read.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::http::request::Parts;

/// Why a body was not read.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is longer than the limit, in bytes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// It did not arrive in time.
    #[error("the body did not arrive within {milliseconds} ms")]
    TooSlow {
        /// The time limit.
        milliseconds: u64,
    },
    /// It arrived slowly, and other requests needed the capacity.
    #[error("the server is busy and the body arrived slowly; send the request again")]
    GaveWay,
    /// The connection was closed.
    #[error("the connection was closed before the body was complete")]
    Broken,
    /// Its media type is not supported.
    #[error("{0}")]
    MediaType(String),
}

/// Reads all of `body`.
///
/// # Errors
/// When it is larger than `limit` bytes, takes longer than `milliseconds`, or is incomplete.
pub(super) async fn read(body: Body, limit: usize, milliseconds: u64) -> Result<Bytes, BodyError> {
    let whole = Limited::new(body, limit).collect();
    match tokio::time::timeout(Duration::from_millis(milliseconds), whole).await {
        Err(_) => Err(BodyError::TooSlow { milliseconds }),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}

/// The body of a request, or the reason why it is missing. It travels with the request.
#[derive(Debug, Clone)]
pub(super) struct ReceivedBody(pub(super) Result<Bytes, BodyError>);

/// Returns the body of a request that was received whole.
pub(crate) fn received(parts: &Parts) -> Option<&Bytes> {
    let ReceivedBody(body) = parts.extensions.get()?;
    body.as_ref().ok()
}

/// Takes the body that [`receive`](super::receive::receive) has read. It is empty if the request has none.
///
/// # Errors
/// When the body was too large, too slow, or incomplete.
pub(crate) fn take(parts: &mut Parts) -> Result<Bytes, BodyError> {
    match parts.extensions.remove::<ReceivedBody>() {
        Some(ReceivedBody(body)) => body,
        None => Ok(Bytes::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_limited_while_it_is_read() {
        let read = read(Body::from("12345"), 4, 1_000).await;
        assert!(matches!(read, Err(BodyError::TooLarge { limit: 4 })));
    }

    #[test]
    fn a_rejected_body_gives_the_reason() {
        let (mut parts, ()) = hyper::Request::new(()).into_parts();
        let slow = BodyError::TooSlow { milliseconds: 7 };
        parts.extensions.insert(ReceivedBody(Err(slow)));
        assert!(matches!(
            take(&mut parts),
            Err(BodyError::TooSlow { milliseconds: 7 })
        ));
        assert!(take(&mut parts).is_ok_and(|body| body.is_empty()));
    }
}
