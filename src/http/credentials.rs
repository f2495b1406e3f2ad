//! The `Authorization` header: a bearer token (RFC 6750 section 2.1), or the identifier and secret of a
//! client (RFC 6749 section 2.3.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};

use crate::base::Secret;
use crate::http::BadCredentials;

/// The maximum length of a token in bytes; this server issues none that is longer.
const MAXIMUM_BYTES: usize = 4_096;

/// Returns the bearer token in the `Authorization` header. Tokens are accepted nowhere else, because a query
/// ends up in logs.
///
/// # Errors
/// When the header is missing, occurs more than once, or has another scheme.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, BadCredentials> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(BadCredentials::Nothing)?;
    if values.next().is_some() {
        return Err(BadCredentials::Several);
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(BadCredentials::Invalid)?;
    let token = token.trim();
    let fits = !token.is_empty() && token.len() <= MAXIMUM_BYTES;
    if scheme.eq_ignore_ascii_case("bearer") && fits {
        Ok(token)
    } else {
        Err(BadCredentials::Invalid)
    }
}

/// The credentials in the `Authorization` header of a client.
#[derive(Debug)]
pub(crate) enum Authorization {
    /// No header.
    Nothing,
    /// `Basic`.
    Basic {
        /// The identifier of the client.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// `Bearer`.
    Bearer(Secret),
    /// More than one header.
    Several,
    /// Another scheme, or an unreadable header.
    Unreadable,
}

/// Reads the `Authorization` header of a client.
pub(crate) fn authorization(headers: &HeaderMap) -> Authorization {
    match bearer(headers) {
        Ok(token) => Authorization::Bearer(Secret::new(token.to_owned())),
        Err(BadCredentials::Nothing) => Authorization::Nothing,
        Err(BadCredentials::Several) => Authorization::Several,
        Err(_) => basic(headers).unwrap_or(Authorization::Unreadable),
    }
}

/// RFC 7617 section 2, with both parts encoded as in a form (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap) -> Option<Authorization> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAXIMUM_BYTES {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, secret) = text.split_once(':')?;
    Some(Authorization::Basic {
        client_id: decoded(client_id)?,
        secret: Secret::new(decoded(secret)?),
    })
}

/// Decodes one value of a form.
fn decoded(text: &str) -> Option<String> {
    let pair = format!("v={text}");
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    let (value, None) = (pairs.next()?.1.into_owned(), pairs.next()) else {
        return None;
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check(values: &[&'static str], expected: Result<&str, BadCredentials>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert_eq!(bearer(&headers), expected, "{values:?}");
    }

    #[test]
    fn exactly_one_bearer_token_in_the_header_is_accepted() {
        check(&["Bearer abc"], Ok("abc"));
        check(&["bearer abc"], Ok("abc"));
        check(&[], Err(BadCredentials::Nothing));
        check(&["Basic YTpi"], Err(BadCredentials::Invalid));
        check(&["Bearer "], Err(BadCredentials::Invalid));
        check(&["Bearer a", "Bearer b"], Err(BadCredentials::Several));
    }

    #[test]
    fn both_parts_of_basic_are_form_encoded() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            let value = format!("Basic {}", STANDARD.encode(text));
            headers.append(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
            match authorization(&headers) {
                Authorization::Basic { client_id, secret } => {
                    Some((client_id, secret.expose().to_owned()))
                }
                _ => None,
            }
        };
        let pair = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
        assert_eq!(read("a:b:c"), pair("a", "b:c"));
        assert_eq!(read("a+b:c%3A%26%3D=d"), pair("a b", "c:&==d"));
        assert_eq!(read("a:"), pair("a", ""));
        assert_eq!(read("no colon"), None);
        assert_eq!(read("a:b&c"), None);
    }
}
