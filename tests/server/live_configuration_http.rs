//! Patches of the live configuration over HTTP: media types, preconditions, limits.

use serde_json::json;

use crate::live_configuration::set;
use crate::support::{Answer, TestServer};

/// Sends a patch as the administrator.
async fn http(server: &TestServer, headers: &[(&str, &str)], body: &str) -> Answer {
    let token = server.administrator_token().await;
    let mut request = server
        .ask("PATCH", "/admin/v1/config")
        .bearer_auth(token)
        .body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn media_types_preconditions_and_limits_are_enforced() {
    let server = TestServer::new().await;
    let json_patch = ("content-type", "application/json-patch+json");
    let body = set("/registration/clientExpiryGrace", 7).to_string();
    let patched = http(&server, &[json_patch, ("if-match", "*")], &body).await;
    patched.expect_status(200);
    let tag = patched.header("etag").to_owned();
    assert_eq!(
        tag,
        format!("\"{}\"", patched.body["revision"].as_str().unwrap())
    );
    assert_eq!(patched.header("cache-control"), "no-store");

    let token = server.administrator_token().await;
    let got = Answer::of(server.ask("GET", "/admin/v1/config").bearer_auth(token)).await;
    assert_eq!(got.header("etag"), tag);
    assert_eq!(got.header("accept-patch"), "application/json-patch+json");

    let next = set("/registration/clientExpiryGrace", 8).to_string();
    let expect = async |headers: &[(&str, &str)], body: &str, status: u16, error: &str| {
        http(&server, headers, body)
            .await
            .expect_error(status, &[error]);
    };
    for weak in ["\"x\"", "W/\"x\"", "", &format!("W/{tag}")] {
        expect(
            &[json_patch, ("if-match", weak)],
            &next,
            412,
            "precondition_failed",
        )
        .await;
    }
    for other in [
        "application/json",
        "text/plain",
        "application/json-patch+json; charset=latin1",
        "",
    ] {
        expect(&[("content-type", other)], &next, 415, "invalid_request").await;
    }
    expect(
        &[json_patch, ("content-encoding", "gzip")],
        &next,
        415,
        "invalid_request",
    )
    .await;
    expect(&[json_patch], "", 400, "invalid_request").await;
    expect(
        &[json_patch],
        "[{\"op\":\"add\",\"op\":\"add\"}]",
        400,
        "invalid_request",
    )
    .await;
    expect(&[json_patch], &" ".repeat(70_000), 413, "invalid_request").await;
    let bad = set("/registration/clientExpiryGrace", "\u{e4}\n").to_string();
    expect(&[json_patch], &bad, 400, "invalid_configuration").await;
    let test =
        json!([{"op": "test", "path": "/registration/clientExpiryGrace", "value": 1}]).to_string();
    expect(&[json_patch], &test, 409, "test_failed").await;
    let list = format!("\"x\", {tag}");
    let charset = (
        "content-type",
        "Application/JSON-Patch+json; charset=\"UTF-8\"",
    );
    http(&server, &[charset, ("if-match", &list)], &next)
        .await
        .expect_status(200);
    expect(
        &[json_patch, ("if-match", &tag)],
        &next,
        412,
        "precondition_failed",
    )
    .await;
}
