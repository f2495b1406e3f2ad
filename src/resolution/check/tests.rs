use serde_json::json;

use super::*;

const URL: &str = "https://app.example.org/oauth/client.json";

/// Checks the errors and the number of warnings about a document that is not published.
fn check(url: Option<&str>, octets: &[u8], errors: &[&str], warnings: usize) -> DocumentReport {
    let (live, settings) = (&Live::default(), &Settings::default());
    let report = check_octets(&CheckedFor { live, settings }.rules(), url, octets);
    assert_eq!(report.errors.len(), errors.len(), "{report:#?}");
    for (error, expected) in report.errors.iter().zip(errors) {
        let text = format!("{}: {}", error.member, error.text);
        assert!(
            text.contains(expected),
            "{text} does not contain {expected}"
        );
    }
    assert_eq!(report.warnings.len(), warnings, "{report:#?}");
    assert_eq!(report.valid, errors.is_empty());
    assert_eq!(report.metadata.is_some(), errors.is_empty());
    report
}

fn document() -> Value {
    json!({
        "client_id": URL, "client_name": "App", "redirect_uris": ["https://app.example.org/cb", "https://b.example/cb"],
        "token_endpoint_auth_method": "none", "token_endpoint_auth_methods_supported": ["none"],
    })
}

#[test]
fn a_valid_document_is_shown_as_it_would_be_registered() {
    let text = document().to_string();
    let report = check(None, text.as_bytes(), &[], 0);
    let metadata = report.metadata.unwrap();
    assert_eq!(metadata["grant_types"], json!(["authorization_code"]));
    assert_eq!(metadata["application_type"], "web");
    assert_eq!(report.client_id.as_deref(), Some(URL));
    assert_eq!(
        (report.bytes, report.digest),
        (Some(text.len()), Some(digest(text.as_bytes())))
    );
    assert_eq!(
        report.redirects.unwrap().cross_host,
        ["https://b.example/cb"]
    );
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let mut bad = document();
    bad["client_id"] = json!("https://other.example/c");
    bad["client_secret"] = json!("s");
    bad["redirect_uris"] = json!(["http://app.example.org/cb"]);
    bad["logo_uri"] = json!("http://app.example.org/logo.png");
    bad["groups"] = json!(["admin"]);
    check(
        Some(URL),
        bad.to_string().as_bytes(),
        &[
            "client_id: must be exactly the URL",
            "client_secret: must not be in a client document",
            "redirect_uris[0]: must be https",
            "logo_uri: must be https",
        ],
        0,
    );
}

#[test]
fn what_is_no_document_is_reported_too() {
    check(
        None,
        b"<html>",
        &["cannot be read: the body is not valid JSON"],
        0,
    );
    check(
        None,
        br#"{"client_name": "A", "client_name": "B"}"#,
        &["duplicate member"],
        0,
    );
    check(None, b"{}", &["has no client_id"], 0);
    check(
        Some("http://app.example.org/c"),
        document().to_string().as_bytes(),
        &["the URL must begin with https"],
        0,
    );
    let mut large = document();
    large["client_name"] = json!("A".repeat(900));
    large["description"] = json!("d".repeat(1000));
    large["padding"] = json!("x".repeat(4000));
    check(
        None,
        large.to_string().as_bytes(),
        &["at most 5120 are allowed"],
        2,
    );
}
