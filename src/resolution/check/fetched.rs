//! How the host of a document answers, and the picture that the document names.

use super::DocumentReport;
use crate::base::{ClientUrl, json};
use crate::client::Rules;
use crate::fetch::{DocumentAnswer, FetchError, Fetcher, Request, Response, Validators};

/// A longer lifetime keeps a withdrawn redirect URI in use for too long, in seconds.
const LONG_LIFETIME: u64 = 86_400;

/// The maximum size of a picture, in bytes.
const LOGO_BYTES: usize = 256 * 1024;

/// Fetches the document as a server does. Without it, the report has the reason.
pub(super) async fn fetch(
    rules: &Rules<'_>,
    fetcher: &Fetcher,
    url: &ClientUrl,
    report: &mut DocumentReport,
) -> Option<Vec<u8>> {
    let limit = rules.limits.document_bytes;
    let answer = fetcher
        .get_document(url.as_str(), &Validators::default(), limit)
        .await;
    match answer {
        Ok(DocumentAnswer::Fetched(document)) => {
            advise_on_lifetime(document.lifetime, report);
            Some(document.octets)
        }
        Ok(DocumentAnswer::Unchanged { .. }) => None,
        Err(fault) => {
            let mut text = format!("the document cannot be fetched: {}", fault.error);
            if let Some(content_type) = &fault.content_type {
                text = format!("{text} (the answer has the content type {content_type})");
            }
            if fault.is_challenge {
                text +=
                    "; the host wants a browser to solve a challenge, so exempt this path from it";
            }
            report.reject(text);
            None
        }
    }
}

fn advise_on_lifetime(lifetime: Option<u64>, report: &mut DocumentReport) {
    match lifetime {
        None => report.warn(
            "",
            "the document is sent without a lifetime (Cache-Control: max-age), so each server chooses how long it keeps it",
        ),
        Some(seconds) if seconds > LONG_LIFETIME => {
            let text = format!(
                "the document may be kept for {seconds} seconds; a withdrawn redirect URI stays in use for that long, so state at \
                 most a day"
            );
            report.warn("", text);
        }
        Some(_) => {}
    }
}

/// Fetches the document once more. Its host must not make it from the request: then it would know which server
/// asks, or show each server another client.
pub(super) async fn compare(
    rules: &Rules<'_>,
    fetcher: &Fetcher,
    url: &ClientUrl,
    octets: &[u8],
    report: &mut DocumentReport,
) {
    let request = Request {
        limit: Some(rules.limits.document_bytes),
        is_error_body_ignored: true,
        ..get_json(url.as_str())
    };
    match fetcher.send(request).await {
        Ok(response) if response.status == 200 => {
            if response.body != octets {
                let text = "two fetches returned different documents; it must be the same for every server";
                report.warn("", text);
            }
            advise_on_headers(&response, report);
        }
        Ok(response) => {
            let status = response.status;
            report.warn(
                "",
                format!("a second fetch had status {status}, so the host is not reliable"),
            );
        }
        Err(error) => report.warn("", format!("a second fetch failed: {error}")),
    }
}

fn get_json(url: &str) -> Request {
    Request {
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        ..Request::get(url)
    }
}

fn advise_on_headers(response: &Response, report: &mut DocumentReport) {
    if response.header("cf-mitigated").is_some() {
        let text = "its host challenges some requests (cf-mitigated), so servers in data centres may not get it";
        report.warn("", text);
    }
    if let Some(coding) = response.header("content-encoding") {
        let text = format!(
            "the document is sent with the coding {coding}, which the request does not accept"
        );
        report.warn("", text);
    }
}

/// Checks that the picture of the client is one that a browser can show safely.
pub(super) async fn check_logo(fetcher: &Fetcher, report: &mut DocumentReport, octets: &[u8]) {
    let member = "logo_uri";
    if report.errors.iter().any(|error| error.member == member) {
        return;
    }
    let Some(url) = logo_of(octets) else {
        return;
    };
    let request = Request {
        limit: Some(LOGO_BYTES),
        is_error_body_ignored: true,
        ..Request::get(url)
    };
    if let Some(text) = logo_fault(fetcher.send(request).await) {
        report.warn(member, text);
    }
}

/// Returns the `logo_uri` in a document.
fn logo_of(octets: &[u8]) -> Option<String> {
    let document = json::parse_object(octets).ok()?;
    document.get("logo_uri")?.as_str().map(str::to_owned)
}

fn logo_fault(answer: Result<Response, FetchError>) -> Option<String> {
    match answer {
        Ok(response) if response.status != 200 => {
            let status = response.status;
            Some(format!("cannot be fetched: the answer has status {status}"))
        }
        Ok(response) if is_picture(&response.body) => None,
        Ok(_) => {
            let text = "is not a PNG, JPEG, GIF or WebP picture, so some servers do not show it";
            Some(text.to_owned())
        }
        Err(FetchError::TooLarge { limit }) => Some(format!(
            "is larger than {limit} bytes, so some servers do not show it"
        )),
        Err(error) => Some(format!("cannot be fetched: {error}")),
    }
}

/// Whether the bytes begin like a picture. An SVG is a program.
fn is_picture(bytes: &[u8]) -> bool {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    is_webp
        || bytes.starts_with(b"\x89PNG\r\n\x1a\n")
        || bytes.starts_with(b"\xff\xd8\xff")
        || bytes.starts_with(b"GIF87a")
        || bytes.starts_with(b"GIF89a")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        for picture in [
            &b"\x89PNG\r\n\x1a\n...."[..],
            b"\xff\xd8\xff\xe0....",
            b"GIF89a....",
            b"RIFF\x10\0\0\0WEBPVP8 ",
        ] {
            assert!(is_picture(picture));
        }
        for other in [
            &b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..],
            b"RIFF\x10\0\0\0WAVE",
            b"<html>",
            b"",
        ] {
            assert!(!is_picture(other));
        }
    }

    #[test]
    fn a_lifetime_is_stated_and_at_most_a_day() {
        let warnings = |lifetime| {
            let mut report = DocumentReport::default();
            advise_on_lifetime(lifetime, &mut report);
            report.warnings.len()
        };
        assert_eq!(
            [None, Some(86_401), Some(86_400), Some(0)].map(warnings),
            [1, 1, 0, 0]
        );
    }
}
