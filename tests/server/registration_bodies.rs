//! Request bodies that are not client metadata, and invalid members.

use serde_json::json;

use crate::support::{Answer, TestServer, minimal, with};

#[tokio::test]
async fn a_body_that_is_not_an_object_is_rejected() {
    let server = TestServer::new().await;
    for body in [
        "",
        " ",
        "{\"redirect_uris\":[",
        "[]",
        "\"x\"",
        "null",
        "5",
        "{} {}",
    ] {
        let answer = server.post_bytes("application/json", body).await;
        answer.expect_bad_metadata("body");
    }
}

#[tokio::test]
async fn another_media_type_is_rejected() {
    let server = TestServer::new().await;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ] {
        server
            .post_bytes(content_type, minimal().to_string())
            .await
            .expect_error(415, &["invalid_client_metadata"]);
    }
    let none = server.ask("POST", "/register").body(minimal().to_string());
    Answer::of(none)
        .await
        .expect_error(415, &["invalid_client_metadata"]);
}

#[tokio::test]
async fn json_with_a_charset_of_utf_8_is_accepted() {
    let server = TestServer::new().await;
    server
        .post_bytes("application/json; charset=utf-8", minimal().to_string())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn an_invalid_type_is_rejected_and_named() {
    let server = TestServer::new().await;
    for (member, value) in [
        ("contacts", json!("a@b")),
        ("client_name", json!(5)),
        ("logo_uri", json!(5)),
    ] {
        server
            .post(&with(minimal(), json!({member: value})))
            .await
            .expect_bad_metadata(member);
    }
}

#[tokio::test]
async fn a_client_does_not_choose_its_credentials() {
    let server = TestServer::new().await;
    let chosen = json!({"client_id": "x", "client_secret": "y", "registration_access_token": "z"});
    let client = server.register(&with(minimal(), chosen)).await;
    assert!(client.id != "x" && client.token != "z" && client.body["client_secret"] != "y");
}

#[tokio::test]
async fn null_counts_as_absent() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(minimal(), json!({"client_uri": null, "tos_uri": ""})))
        .await;
    assert_eq!(client.body.get("client_uri"), None);
    assert_eq!(client.body.get("tos_uri"), None);
}

#[tokio::test]
async fn a_duplicate_member_is_rejected() {
    let server = TestServer::new().await;
    let cases = [
        (
            r#"{"redirect_uris":["https://a.example/cb"],"redirect_uris":["https://b.example/cb"]}"#,
            "redirect_uris",
        ),
        (
            r#"{"redirect_uris":["https://a.example/cb"],"redirect\u005furis":[]}"#,
            "redirect_uris",
        ),
        (
            r#"{"redirect_uris":["https://a.example/cb"],"jwks":{"keys":[],"keys":[]}}"#,
            "keys",
        ),
        (
            r#"{"redirect_uris":["https://a.example/cb"],"unknown":1,"unknown":1}"#,
            "unknown",
        ),
    ];
    for (body, name) in cases {
        let answer = server.post_bytes("application/json", body).await;
        answer.expect_bad_metadata(&format!("duplicate member '{name}'"));
    }
}

#[tokio::test]
async fn an_error_description_is_ascii_whatever_the_value_was() {
    let server = TestServer::new().await;
    let answer = server
        .post(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "m\u{e9}thode\u{202e}"}),
        ))
        .await;
    answer.expect_error(400, &["invalid_client_metadata"]);
}

#[tokio::test]
async fn all_violations_are_reported_together() {
    let server = TestServer::new().await;
    let answer = server
        .post(&json!({
            "redirect_uris": ["http://client.example.org/cb", "https://client.example.org/cb#f"],
            "token_endpoint_auth_method": "foo",
            "subject_type": "bar",
            "initiate_login_uri": "http://client.example.org/login",
        }))
        .await;
    answer.expect_bad_redirect();
    let description = answer.member("error_description").as_str().unwrap();
    for part in [
        "redirect_uris[0]",
        "redirect_uris[1]",
        "token_endpoint_auth_method",
        "subject_type",
        "initiate_login_uri",
    ] {
        assert!(
            description.contains(part),
            "'{description}' does not say {part}"
        );
    }
}
