//! The bearer token of a request (RFC 6750 section 2.1).

use hyper::header::{AUTHORIZATION, HeaderMap};

use super::answer::Presented;

/// Longer tokens are none of ours.
const MAXIMUM_BYTES: usize = 4_096;

/// The bearer token in the `Authorization` header: the only place where one is taken from,
/// because a query ends up in logs.
///
/// # Errors
/// When there is no such header, more than one, or one of another scheme.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Presented> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Presented::Nothing)?;
    if values.next().is_some() {
        return Err(Presented::Invalid);
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Presented::Invalid)?;
    let token = token.trim();
    let fits = !token.is_empty() && token.len() <= MAXIMUM_BYTES;
    if scheme.eq_ignore_ascii_case("bearer") && fits { Ok(token) } else { Err(Presented::Invalid) }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check(values: &[&'static str], expected: Result<&str, Presented>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert_eq!(bearer(&headers), expected, "{values:?}");
    }

    #[test]
    fn one_bearer_token_in_the_header() {
        check(&["Bearer abc"], Ok("abc"));
        check(&["bearer abc"], Ok("abc"));
        check(&[], Err(Presented::Nothing));
        check(&["Basic YTpi"], Err(Presented::Invalid));
        check(&["Bearer "], Err(Presented::Invalid));
        check(&["Bearer a", "Bearer b"], Err(Presented::Invalid));
    }
}
