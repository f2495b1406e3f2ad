//! `dcrAuthorizationWithClientCredentials`: clients that manage themselves with access tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::config::ClientCertificates::Optional;
use serde_json::{Value, json};

use crate::support::certificates::{CLIENT, CLIENT_DN, Files};
use crate::support::{
    Answer, GRANT, Registered, TestServer, form, machine, minimal, registering, with,
};

async fn server() -> TestServer {
    TestServer::registering(json!({"dcrAuthorizationWithClientCredentials": true})).await
}

async fn ask(
    server: &TestServer,
    method: &str,
    client: &Registered,
    token: &str,
    body: &Value,
) -> Answer {
    let request = server.ask(method, &client.uri).bearer_auth(token);
    Answer::of(if body.is_null() {
        request
    } else {
        request.json(body)
    })
    .await
}

#[tokio::test]
async fn a_registration_must_request_the_grant() {
    let server = server().await;
    server
        .post(&minimal())
        .await
        .expect_bad_metadata("must contain client_credentials");
    server.register(&machine()).await;
}

#[tokio::test]
async fn a_client_manages_itself_with_its_access_token() {
    let server = server().await;
    let client = server.register(&machine()).await;
    let token = server.access_token(&client).await;
    let read = ask(&server, "GET", &client, &token, &Value::Null).await;
    read.expect_status(200);
    assert_eq!(read.member("client_id"), &json!(client.id));
    // The server cannot return the registration access token, since it stores only the digest.
    assert_eq!(read.member("registration_access_token"), &Value::Null);
    assert_eq!(read.member("registration_client_uri"), &json!(client.uri));
    let put = ask(
        &server,
        "PUT",
        &client,
        &token,
        &client.update(json!({"client_name": "New"})),
    )
    .await;
    put.expect_status(200);
    assert_eq!(put.member("client_name"), "New");
    assert_eq!(put.member("registration_access_token"), &Value::Null);
    // An update does not revoke tokens, and the registration access token is still valid.
    assert!(server.is_active(&client, &token).await);
    assert_eq!(
        server
            .read(&client)
            .await
            .member("registration_access_token"),
        &json!(client.token)
    );
    ask(&server, "DELETE", &client, &token, &Value::Null)
        .await
        .expect_status(204);
    ask(&server, "GET", &client, &token, &Value::Null)
        .await
        .expect_error(401, &["invalid_token"]);
    server
        .read(&client)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn the_registration_access_token_does_not_rotate_when_another_token_is_used() {
    let members = json!({"dcrAuthorizationWithClientCredentials": true, "rotateRegistrationAccessToken": "onUse"});
    let server = TestServer::registering(members).await;
    let client = server.register(&machine()).await;
    let token = server.access_token(&client).await;
    ask(&server, "GET", &client, &token, &Value::Null)
        .await
        .expect_status(200);
    ask(&server, "PUT", &client, &token, &client.update(json!({})))
        .await
        .expect_status(200);
    let read = server.read(&client).await;
    read.expect_status(200);
    assert_ne!(
        read.member("registration_access_token"),
        &json!(client.token)
    );
}

#[tokio::test]
async fn every_other_token_is_rejected_alike() {
    let server = server().await;
    let (client, other) = (
        server.register(&machine()).await,
        server.register(&machine()).await,
    );
    let (token, of_other) = (
        server.access_token(&client).await,
        server.access_token(&other).await,
    );
    let nobody = Registered {
        uri: server.url("/register?client_id=nobody"),
        ..client.clone()
    };
    let mut answers = Vec::new();
    for (named, token) in [
        (&client, "wrong"),
        (&client, &*of_other),
        (&nobody, &*token),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let body = if method == "PUT" {
                client.update(json!({}))
            } else {
                Value::Null
            };
            let answer = ask(&server, method, named, token, &body).await;
            answer.expect_error(401, &["invalid_token"]);
            answers.push(answer.text);
        }
    }
    assert!(answers.iter().all(|text| *text == answers[0]));
    server
        .basic(&client, "/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    ask(&server, "GET", &client, &token, &Value::Null)
        .await
        .expect_error(401, &["invalid_token"]);
    let fresh = server.access_token(&client).await;
    server.clock.advance(3_600);
    ask(&server, "GET", &client, &fresh, &Value::Null)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn access_tokens_are_rejected_when_the_option_is_disabled() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let token = server.access_token(&client).await;
    ask(&server, "GET", &client, &token, &Value::Null)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn a_bound_token_needs_its_certificate() {
    let files = Files::new();
    let server = TestServer::configured(|configuration| {
        files.switch_on(configuration, Optional);
        registering(
            configuration,
            json!({"dcrAuthorizationWithClientCredentials": true}),
        );
    })
    .await;
    let own = files.authority.client(CLIENT);
    let body = with(
        machine(),
        json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": CLIENT_DN,
            "tls_client_certificate_bound_access_tokens": true,
        }),
    );
    let registered = Answer::of(
        files
            .client(Some(&own))
            .post(server.url("/register"))
            .json(&body),
    )
    .await;
    let client = Registered::of(registered.body);
    let asked = files.client(Some(&own)).post(server.url("/token"));
    let granted = Answer::of(form(asked, &[GRANT, ("client_id", &client.id)])).await;
    granted.expect_status(200);
    let token = granted.member("access_token").as_str().unwrap();
    let certificate = openssl::x509::X509::from_pem(own.pem().as_bytes()).unwrap();
    let digest = certificate.digest(openssl::hash::MessageDigest::sha256());
    let thumbprint = URL_SAFE_NO_PAD.encode(digest.unwrap());
    let asked = files.client(Some(&own)).post(server.url("/introspect"));
    let shown = Answer::of(form(asked, &[("token", token), ("client_id", &client.id)])).await;
    assert_eq!(shown.member("cnf"), &json!({"x5t#S256": thumbprint}));
    // Another certificate with the same name is rejected.
    let renewed = files.authority.client(CLIENT);
    for (pair, status) in [(Some(&own), 200), (Some(&renewed), 401), (None, 401)] {
        let read = files.client(pair).get(&client.uri).bearer_auth(token);
        Answer::of(read).await.expect_status(status);
    }
}
