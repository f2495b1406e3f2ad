//! The media type and the coding of a request body (RFC 9110 section 8).

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::base::MediaType;
use crate::http::BodyError;

/// The form of a registration request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestForm {
    /// `application/json` (RFC 7591 section 3.1).
    Json,
    /// `application/jwt` or `application/jose`: a signed request.
    Signed,
}

/// Returns the form of a registration request.
///
/// # Errors
/// When the media type is missing or unsupported, the charset is not UTF-8, or the body is compressed.
pub(crate) fn request_form(headers: &HeaderMap) -> Result<RequestForm, BodyError> {
    let accepted = "send application/json, application/jwt or application/jose";
    let unsupported = |reason: String| Err(BodyError::MediaType(reason));
    if is_compressed(headers) {
        let reason = "compressed bodies are not supported; send the body without Content-Encoding";
        return unsupported(reason.to_owned());
    }
    if headers.get_all(CONTENT_TYPE).iter().count() != 1 {
        return unsupported(format!(
            "there must be exactly one Content-Type; {accepted}"
        ));
    }
    let stated = content_type(headers);
    // ASCII is a part of UTF-8.
    if !stated.has_charset_of(&["utf-8", "us-ascii"]) {
        return unsupported("the charset must be UTF-8".to_owned());
    }
    match stated.essence.as_str() {
        "application/json" => Ok(RequestForm::Json),
        "application/jwt" | "application/jose" => Ok(RequestForm::Signed),
        other => unsupported(format!("unsupported Content-Type {other}; {accepted}")),
    }
}

/// Whether the body is one of `types`, whatever its charset, and not compressed.
pub(crate) fn is_one_of(headers: &HeaderMap, types: &[&str]) -> bool {
    let stated = content_type(headers);
    !is_compressed(headers) && types.contains(&stated.essence.as_str())
}

/// Whether the body is a `media_type` in UTF-8, and not compressed.
pub(crate) fn is_in_utf8(headers: &HeaderMap, media_type: &str) -> bool {
    is_one_of(headers, &[media_type]) && content_type(headers).has_charset_of(&["utf-8"])
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity")
}

/// Returns the first media type that the headers state. It is empty if it is missing or unreadable.
fn content_type(headers: &HeaderMap) -> MediaType<'_> {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    MediaType::parse(value.and_then(Result::ok).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(content_types: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for content_type in content_types {
            headers.append(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        }
        headers
    }

    fn check(content_types: &[&str], expected: Result<RequestForm, &str>) {
        match (request_form(&with(content_types)), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{content_types:?}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_media_type_is_parsed_with_its_parameters() {
        check(&["application/json"], Ok(RequestForm::Json));
        check(
            &["Application/JSON; charset=\"UTF-8\""],
            Ok(RequestForm::Json),
        );
        check(&["application/json; charset=latin1"], Err("charset"));
        check(&["application/jose"], Ok(RequestForm::Signed));
        check(&["application/jwt"], Ok(RequestForm::Signed));
        check(&["text/plain"], Err("send application/json"));
        check(&["application/jsonp"], Err("send application/json"));
        check(
            &["application/json", "application/json"],
            Err("one Content-Type"),
        );
        check(&[], Err("one Content-Type"));
    }

    #[test]
    fn a_form_must_have_its_media_type() {
        let form = "application/x-www-form-urlencoded";
        for own in [form, "Application/X-WWW-Form-Urlencoded; charset=UTF-8"] {
            assert!(is_in_utf8(&with(&[own]), form), "{own}");
        }
        for other in [
            "application/json",
            "",
            "application/x-www-form-urlencoded; charset=latin1",
            "text/plain",
        ] {
            assert!(!is_in_utf8(&with(&[other]), form), "{other}");
        }
        let mut compressed = with(&[form]);
        compressed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_in_utf8(&compressed, form));
    }
}
