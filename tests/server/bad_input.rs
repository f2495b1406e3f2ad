//! Malicious or broken input: always the correct status, a description that says what to change, and
//! a server that keeps running.

use registrar::testing::members;
use serde_json::{Value, json};

use crate::support::{Answer, TestServer, minimal, with};

/// Returns one value of each JSON type that `kind` is not.
fn wrong(kind: &str) -> Vec<Value> {
    let all = [
        json!("text"),
        json!(["text"]),
        json!({"a": 1}),
        json!(true),
        json!(-1),
        json!(1.5),
        json!([1]),
    ];
    let is_right = |value: &Value| match kind {
        "Text" | "Label" | "Page" | "Picture" | "Link" | "Url" | "Uri" => value.is_string(),
        "Texts" | "Uris" => value == &json!(["text"]),
        "Flag" => value.is_boolean(),
        "Count" => value.is_u64(),
        "Object" | "Jwks" => value.is_object(),
        other => panic!("{other} is a new type of member"),
    };
    all.into_iter().filter(|value| !is_right(value)).collect()
}

#[tokio::test]
async fn an_invalid_type_is_rejected_with_the_name_of_the_member() {
    let server = TestServer::new().await;
    let all = members().into_iter();
    let of_clients = all.filter(|(.., set_by)| ["Client", "Request"].contains(&&**set_by));
    for (name, kind, _) in of_clients {
        // Statements and evidence are rejected before their type matters.
        if ["software_statement", "evidence"].contains(&name) {
            continue;
        }
        for value in wrong(&kind) {
            let answer = server.post(&with(minimal(), json!({name: value}))).await;
            answer.expect_error(400, &["invalid_client_metadata", "invalid_redirect_uri"]);
            let description = answer.member("error_description").as_str().unwrap();
            assert!(
                description.contains(name),
                "'{description}' does not name {name}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected_while_it_is_read() {
    let server = TestServer::new().await;
    let padded = with(minimal(), json!({"pad": "a".repeat(70_000)}));
    server
        .post(&padded)
        .await
        .expect_error(413, &["invalid_client_metadata"]);
    server.post(&minimal()).await.expect_status(201);
}

#[tokio::test]
async fn nesting_is_limited() {
    let server = TestServer::new().await;
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    server
        .post_bytes("application/json", nested)
        .await
        .expect_bad_metadata("nested deeper than");
    let objects = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    server
        .post_bytes("application/json", objects)
        .await
        .expect_bad_metadata("nested deeper than");
}

#[tokio::test]
async fn invalid_utf_8_is_rejected() {
    let server = TestServer::new().await;
    let mut body = minimal().to_string().into_bytes();
    let at = body.iter().position(|byte| *byte == b'K').unwrap();
    body[at] = 0xff;
    server
        .post_bytes("application/json", body)
        .await
        .expect_bad_metadata("UTF-8");
}

#[tokio::test]
async fn lists_texts_and_tags_are_limited() {
    let server = TestServer::new().await;
    let many: Vec<String> = (0..1_000)
        .map(|number| format!("c{number}@example.org"))
        .collect();
    server
        .post(&with(minimal(), json!({"contacts": many})))
        .await
        .expect_bad_metadata("contacts");
    server
        .post(&with(minimal(), json!({"client_name": "n".repeat(5_000)})))
        .await
        .expect_bad_metadata("client_name");
    let tags = (0..100)
        .map(|number| (format!("client_name#x-{number:03}"), json!("n")))
        .collect();
    server
        .post(&with(minimal(), Value::Object(tags)))
        .await
        .expect_bad_metadata("client_name");
}

#[tokio::test]
async fn a_description_is_limited_too() {
    let server = TestServer::new().await;
    let answer = server
        .post(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "x".repeat(50_000)}),
        ))
        .await;
    answer.expect_error(400, &["invalid_client_metadata"]);
    assert!(answer.text.len() < 4_000, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn a_compressed_body_is_not_decompressed() {
    let server = TestServer::new().await;
    let request = server
        .ask("POST", "/register")
        .header("content-type", "application/json");
    let request = request.header("content-encoding", "gzip").body("x");
    crate::support::Answer::of(request)
        .await
        .expect_error(415, &["invalid_client_metadata"]);
}

#[tokio::test]
async fn a_client_that_a_script_protects_cannot_delete_itself() {
    let server = TestServer::scripted(
        &[("10-a.rhai", "fn deleteClient(context) { false }")],
        |_| {},
    )
    .await;
    let client = server.register(&minimal()).await;
    server
        .delete(&client)
        .await
        .expect_error(403, &["access_denied"]);
    server.read(&client).await.expect_status(200);
}

#[tokio::test]
async fn two_authorization_headers_make_a_request_invalid() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let twice = |request: reqwest::RequestBuilder| {
        let request = request.header("authorization", format!("Bearer {}", client.token));
        Answer::of(request.header("authorization", "Bearer another"))
    };
    let own = format!("/register?client_id={}", client.id);
    for (method, path) in [
        ("GET", &*own),
        ("DELETE", &own),
        ("POST", "/introspect"),
        ("GET", "/admin/v1/clients"),
    ] {
        let request = server.ask(method, path);
        let request = if method == "POST" {
            crate::support::form(request, &[("token", "x")])
        } else {
            request
        };
        twice(request).await.expect_error(400, &["invalid_request"]);
    }
    server.read(&client).await.expect_status(200);
}

#[tokio::test]
async fn a_missing_token_is_named_by_its_type() {
    let server = TestServer::registering(json!({"initialAccessToken": "required"})).await;
    let answer = server.post(&minimal()).await;
    answer.expect_error(401, &["invalid_token"]);
    assert!(
        answer.text.contains("initial access token"),
        "{}",
        answer.text
    );
    let answer = Answer::of(server.ask("GET", "/register?client_id=x")).await;
    answer.expect_error(401, &["invalid_token"]);
    assert!(
        answer.text.contains("registration_access_token"),
        "{}",
        answer.text
    );
}
