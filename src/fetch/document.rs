//! JSON documents of other servers: keys, sector files, metadata.

use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use crate::base::{MediaType, json};
use crate::fetch::{FetchError, Fetcher, Request, Response};

/// The `Accept` header for JSON.
pub(crate) const JSON: &str = "application/json";

/// The `Accept` header for a JWK Set (RFC 7517 section 8.5.2).
pub(crate) const JWK_SET: &str = "application/jwk-set+json, application/json";

/// A JSON document, and how long it is valid according to its server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FetchedDocument {
    /// The JSON value.
    pub(crate) value: Value,
    /// The lifetime in seconds; none if its server states none that can be understood.
    pub(crate) lifetime: Option<u64>,
}

impl Fetcher {
    /// Fetches the JSON document at `url`, requesting the media types of `accept`.
    ///
    /// # Errors
    /// Unless the answer has status 200, a JSON media type, and one JSON value.
    pub(crate) async fn get_json(
        &self,
        url: &str,
        accept: &str,
    ) -> Result<FetchedDocument, FetchError> {
        let headers = vec![("accept".to_owned(), accept.to_owned())];
        let request = Request {
            headers,
            ..Request::get(url)
        };
        let response = self.send(request).await?;
        match response.status {
            200 => {}
            status @ 300..=399 => return Err(FetchError::Redirected(status)),
            status => return Err(FetchError::Status(status)),
        }
        if !response.header("content-type").is_some_and(is_json) {
            return Err(FetchError::MediaType);
        }
        let value = json::parse(&response.body).map_err(|_| FetchError::NotJson)?;
        Ok(FetchedDocument {
            value,
            lifetime: lifetime(&response),
        })
    }
}

/// Whether the type is `application/json`, or is JSON by its suffix (RFC 6839 section 3.1).
pub(super) fn is_json(content_type: &str) -> bool {
    let media_type = MediaType::parse(content_type);
    match media_type.essence.split_once('/') {
        Some(("application", subtype)) => subtype == "json" || subtype.ends_with("+json"),
        _ => false,
    }
}

/// RFC 9111 sections 4.2.1 and 4.2.3, for a private cache.
pub(super) fn lifetime(response: &Response) -> Option<u64> {
    let mut maximum = None;
    for (_, value) in response
        .headers
        .iter()
        .filter(|(name, _)| name == "cache-control")
    {
        for directive in value.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(0);
            }
            if let (None, Some(seconds)) = (&maximum, directive.strip_prefix("max-age=")) {
                maximum = Some(seconds.trim_matches('"').to_owned());
            }
        }
    }
    let total = match maximum {
        Some(seconds) => seconds.parse().ok()?,
        None => until_expiry(response)?,
    };
    let age = match response.header("age") {
        Some(age) => age.trim().parse().unwrap_or(0),
        None => 0,
    };
    Some(total.saturating_sub(age))
}

/// Returns the seconds between `Date` and `Expires`, which both come from the clock of the other server.
fn until_expiry(response: &Response) -> Option<u64> {
    let date = seconds_of(response.header("date")?)?;
    let expires = response.header("expires")?;
    // RFC 9111 section 5.3: a value that is not a date, such as 0, means that the answer has expired.
    let expires = seconds_of(expires).unwrap_or(date);
    Some(u64::try_from(expires.saturating_sub(date)).unwrap_or(0))
}

/// Returns the Unix time of a date in a header.
fn seconds_of(date: &str) -> Option<i64> {
    let moment = DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(moment.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], expected: Option<u64>) {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(
            lifetime(&Response {
                status: 200,
                headers,
                body: Vec::new()
            }),
            expected
        );
    }

    #[test]
    fn the_lifetime_is_what_the_headers_say() {
        const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        check(&[], None);
        check(&[("cache-control", "max-age=300")], Some(300));
        check(
            &[("cache-control", "public, Max-Age=\"300\", must-revalidate")],
            Some(300),
        );
        check(
            &[("cache-control", "max-age=300"), ("age", "100")],
            Some(200),
        );
        check(
            &[("cache-control", "max-age=300"), ("age", "1000")],
            Some(0),
        );
        check(&[("cache-control", "max-age=300, no-cache")], Some(0));
        check(
            &[("cache-control", "public"), ("cache-control", "no-store")],
            Some(0),
        );
        check(&[("cache-control", "max-age=much")], None);
        check(&[("cache-control", "max-age=-5")], None);
        check(&[("cache-control", "s-maxage=5")], None);
        check(
            &[DATE, ("expires", "Sun, 06 Nov 1994 09:49:37 GMT")],
            Some(3_600),
        );
        check(
            &[DATE, ("expires", "Sun, 06 Nov 1994 07:49:37 GMT")],
            Some(0),
        );
        check(&[DATE, ("expires", "0")], Some(0));
        check(&[("expires", "Sun, 06 Nov 1994 07:49:37 GMT")], None);
        check(
            &[
                DATE,
                ("expires", "Sun, 06 Nov 1994 09:49:37 GMT"),
                ("cache-control", "max-age=5"),
            ],
            Some(5),
        );
    }

    #[test]
    fn json_must_have_a_json_media_type() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/jwk-set+json",
            "application/x+json",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in [
            "text/html",
            "text/json",
            "application/jsonp",
            "application/jwt",
            "json",
            "",
        ] {
            assert!(!is_json(other), "{other}");
        }
    }
}
