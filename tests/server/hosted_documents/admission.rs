//! Which clients can have a document, and what it requires of them.

use serde_json::{Value, json};

use super::{
    ISSUER, again, asked, document, expect_nothing, public, publishing, reachable, register,
};
use crate::support::{Answer, Registered, START, TestServer, machine, registering, with};

#[tokio::test]
async fn a_client_with_a_document_has_no_secret() {
    let server = publishing(json!({})).await;
    for (more, part) in [
        (
            json!({"token_endpoint_auth_method": null}),
            "token_endpoint_auth_method: must be none or a method with a key, such as private_key_jwt, because \
             a client with a document has no secret; client_secret_basic is the default",
        ),
        (
            json!({"token_endpoint_auth_method": "client_secret_jwt"}),
            "token_endpoint_auth_method: must be none",
        ),
        (
            json!({"additional_token_endpoint_auth_methods": ["client_secret_post"]}),
            "additional_token_endpoint_auth_methods: must be none",
        ),
        (
            json!({"id_token_signed_response_alg": "HS256"}),
            "id_token_signed_response_alg: must be an asymmetric algorithm",
        ),
    ] {
        let answer = server.post(&with(public(), more)).await;
        answer.expect_bad_metadata(part);
    }
    server.expect_empty().await;
    // The same rule holds when a client with a document changes, and when it is not mentioned.
    let client = register(&server, &public()).await;
    let secret = again(
        &client,
        json!({"token_endpoint_auth_method": "client_secret_post"}),
    );
    let answer = server.update(&client, &secret).await;
    answer.expect_bad_metadata("token_endpoint_auth_method: must be none");
    let off = with(secret, json!({"client_document": false}));
    server.update(&client, &off).await.expect_status(200);
}

#[tokio::test]
async fn a_document_has_a_maximum_size() {
    let server = publishing(json!({})).await;
    let uris = |count: usize| -> Value {
        let uri = |number| format!("https://client.example.org/{number:0>400}");
        (0..count).map(uri).collect()
    };
    let large = with(public(), json!({"redirect_uris": uris(12)}));
    let answer = server.post(&large).await;
    answer.expect_bad_metadata("client_document: would have");
    let client = register(&server, &with(public(), json!({"redirect_uris": uris(10)}))).await;
    let length = document(&server, &client).await.text.len();
    assert!((4_000..=5_120).contains(&length), "{length}");
    server
        .register(&with(large, json!({"client_document": false})))
        .await;
}

#[tokio::test]
async fn a_document_needs_an_https_name() {
    let server = TestServer::registering(json!({"hostedClientDocuments": "any"})).await;
    let answer = server.post(&public()).await;
    answer.expect_bad_metadata("client_document: is not possible: this server has no https name");
    server.expect_empty().await;
}

#[tokio::test]
async fn the_operator_decides_who_gets_a_document() {
    let server = publishing(json!({"hostedClientDocuments": "off"})).await;
    let answer = server.post(&public()).await;
    answer.expect_bad_metadata("client_document: is not supported");

    let server = publishing(json!({"hostedClientDocuments": "token"})).await;
    let part = "client_document: requires an initial access token whose policy allows documents";
    server.post(&public()).await.expect_bad_metadata(part);
    server.initial_access("plain", json!({})).await;
    let answer = server.post_with("plain", &public()).await;
    answer.expect_bad_metadata(part);
    let policy = json!({"policy": {"client_documents": true}});
    server.initial_access("publishing", policy).await;
    let answer = server.post_with("publishing", &public()).await;
    answer.expect_status(201);
    document(&server, &reachable(Registered::of(answer.body))).await;

    // An administrator publishes the document of any client, which then keeps it.
    let client = register(&server, &with(public(), json!({"client_document": null}))).await;
    let path = format!("/admin/v1/clients/{}", client.id);
    let request = server.administrate("PUT", &path).await;
    let body = again(&client, json!({"client_document": true}));
    let answer = Answer::of(request.json(&body)).await;
    answer.expect_status(200);
    assert!(answer.member("client_document_uri").is_string());
    server.update(&client, &body).await.expect_status(200);
    document(&server, &client).await;
}

#[tokio::test]
async fn a_policy_names_documents() {
    let server = TestServer::new().await;
    let request = server
        .administrate("POST", "/admin/v1/initial-access-tokens")
        .await;
    let answer = Answer::of(request.json(&json!({"policy": {"client_documents": true}}))).await;
    answer.expect_status(201);
    assert_eq!(answer.body["policy"], json!({"client_documents": true}));
}

#[tokio::test]
async fn the_documents_of_strangers_have_a_label_and_a_lifetime() {
    let server = publishing(json!({
        "hostedClientDocumentLabel": " (development)", "hostedClientDocumentLifetime": 600,
    }))
    .await;
    let client = register(&server, &public()).await;
    assert_eq!(client.body["lifetime"], 600);
    assert_eq!(client.body["client_name"], "K");
    let answer = document(&server, &client).await;
    assert_eq!(answer.member("client_name"), "K (development)");
    let long = with(public(), json!({"lifetime": 601}));
    let answer = server.post(&long).await;
    answer
        .expect_bad_metadata("lifetime: must be at most 600 seconds for a client with a document");
    server.initial_access("vouched", json!({})).await;
    let answer = server.post_with("vouched", &long).await;
    answer.expect_status(201);
    let vouched = reachable(Registered::of(answer.body));
    let answer = document(&server, &vouched).await;
    assert_eq!(answer.member("client_name"), "K");

    // A client that gets a document later gets the lifetime then, counted from its registration.
    let plain = register(&server, &with(public(), json!({"client_document": null}))).await;
    server.clock.advance(100);
    let body = again(&plain, json!({"client_document": true}));
    let answer = server.update(&plain, &body).await;
    assert_eq!(
        (answer.status, answer.member("lifetime")),
        (200, &json!(600))
    );
    server.clock.advance(500);
    expect_nothing(&Answer::of(asked(&server, "GET", &plain)).await);
    assert_eq!(server.now(), START + 600);
}

#[tokio::test]
async fn a_shared_client_has_no_document() {
    let server = publishing(json!({"reuseIdenticalPublicClients": true})).await;
    let one = register(&server, &public()).await;
    let other = register(&server, &public()).await;
    assert_ne!(one.id, other.id);
    let plain = with(public(), json!({"client_document": null}));
    let shared = server.post(&plain).await;
    let again = server.post(&plain).await;
    assert_eq!(shared.member("client_id"), again.member("client_id"));
}

#[tokio::test]
async fn a_script_sees_the_wish_and_can_refuse_it() {
    let server = TestServer::scripted(
        &[(
            "10-documents.rhai",
            "fn createClient(context) { context.registerRequest.client_document != true }",
        )],
        |configuration| {
            configuration.settings.server.issuer = Some(ISSUER.to_owned());
            registering(configuration, json!({"hostedClientDocuments": "any"}));
        },
    )
    .await;
    server
        .post(&public())
        .await
        .expect_error(400, &["invalid_client_metadata"]);
    server
        .register(&with(public(), json!({"client_document": null})))
        .await;
}

#[tokio::test]
async fn a_grant_without_redirects_needs_no_redirect_uri() {
    let server = publishing(json!({"hostedClientDocuments": "any"})).await;
    let keyed = json!({
        "client_name": "K", "client_document": true, "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://client.example.org/jwks",
    });
    let client = register(&server, &with(machine(), keyed)).await;
    let answer = document(&server, &client).await;
    assert_eq!(answer.member("redirect_uris"), &Value::Null);
    assert_eq!(answer.member("grant_types"), &json!(["client_credentials"]));
}
