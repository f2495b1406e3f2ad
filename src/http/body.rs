//! Request bodies, limited in size and time while they are read.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
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
pub async fn read(body: Body, limit: usize, milliseconds: u64) -> Result<Bytes, BodyError> {
    let whole = Limited::new(body, limit).collect();
    match tokio::time::timeout(Duration::from_millis(milliseconds), whole).await {
        Err(_) => Err(BodyError::TooSlow { milliseconds }),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
        Ok(Err(error)) => Err(failure(error)),
    }
}

/// Returns why reading failed: the error given to [`refused`], or a closed connection.
pub(super) fn failure(error: Box<dyn std::error::Error + Send + Sync>) -> BodyError {
    let inner = match error.downcast::<axum::Error>() {
        Ok(error) => error.into_inner(),
        Err(other) => other,
    };
    inner
        .downcast::<BodyError>()
        .map_or(BodyError::Broken, |error| *error)
}

/// Returns a body whose reading fails with `error`, which lets a later reader learn why an earlier attempt
/// failed.
pub fn refused(error: BodyError) -> Body {
    Body::new(StreamBody::new(futures_util::stream::once(
        std::future::ready(Err::<Frame<Bytes>, _>(error)),
    )))
}

/// The media types of a registration request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json` (RFC 7591 section 3.1).
    Json,
    /// `application/jwt` or `application/jose`: a signed request.
    Signed,
}

/// Returns the media type of a registration request.
///
/// # Errors
/// When the media type is missing or unsupported, the charset is not UTF-8, or the body is compressed.
pub fn media_type(headers: &HeaderMap) -> Result<MediaType, BodyError> {
    let accepted = "send application/json, application/jwt or application/jose";
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity")
    {
        return Err(BodyError::MediaType(
            "compressed bodies are not supported; send the body without Content-Encoding"
                .to_owned(),
        ));
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(BodyError::MediaType(format!(
            "there must be exactly one Content-Type; {accepted}"
        )));
    };
    let value = value.to_str().unwrap_or("");
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let other_charset = parameters
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, value)| name.eq_ignore_ascii_case("charset") && !is_utf8(value));
    if other_charset.is_some() {
        return Err(BodyError::MediaType("the charset must be UTF-8".to_owned()));
    }
    match essence.as_str() {
        "application/json" => Ok(MediaType::Json),
        "application/jwt" | "application/jose" => Ok(MediaType::Signed),
        _ => Err(BodyError::MediaType(format!(
            "unsupported Content-Type {essence}; {accepted}"
        ))),
    }
}

fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim_matches('"');
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check(content_types: &[&str], expected: Result<MediaType, &str>) {
        let mut headers = HeaderMap::new();
        for content_type in content_types {
            headers.append(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        match (media_type(&headers), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{content_types:?}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_media_type_is_parsed_with_its_parameters() {
        check(&["application/json"], Ok(MediaType::Json));
        check(
            &["Application/JSON; charset=\"UTF-8\""],
            Ok(MediaType::Json),
        );
        check(&["application/json; charset=latin1"], Err("charset"));
        check(&["application/jose"], Ok(MediaType::Signed));
        check(&["application/jwt"], Ok(MediaType::Signed));
        check(&["text/plain"], Err("send application/json"));
        check(&["application/jsonp"], Err("send application/json"));
        check(
            &["application/json", "application/json"],
            Err("one Content-Type"),
        );
        check(&[], Err("one Content-Type"));
    }

    #[tokio::test]
    async fn a_body_is_limited_while_it_is_read() {
        let read = read(Body::from("12345"), 4, 1_000).await;
        assert!(matches!(read, Err(BodyError::TooLarge { limit: 4 })));
    }

    #[tokio::test]
    async fn the_error_for_a_rejected_body_gives_the_reason() {
        let read = read(refused(BodyError::TooSlow { milliseconds: 7 }), 4, 1_000).await;
        assert!(matches!(read, Err(BodyError::TooSlow { milliseconds: 7 })));
    }
}
