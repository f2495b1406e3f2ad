//! Clients that register no key: each sends a certificate with its statement, and later with its
//! assertions to the token endpoint.

use serde_json::{Value, json};

use super::anchors::community;
use super::parties::{LEAF, Party, Recipe};
use crate::support::{Answer, GRANT, Registered, START, TestServer, machine, with};

const CLIENT: &str = "https://client.example/app";

async fn trusting(entries: Value) -> TestServer {
    let members =
        json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": entries});
    TestServer::registering(members).await
}

fn keyless() -> Value {
    with(
        machine(),
        json!({"token_endpoint_auth_method": "private_key_jwt"}),
    )
}

async fn register(server: &TestServer, party: &Party, more: Value) -> Answer {
    let statement = party.sign(json!({"iss": CLIENT, "iat": START, "exp": START + 300}));
    server
        .post(&with(
            with(keyless(), json!({ "software_statement": statement })),
            more,
        ))
        .await
}

/// Requests a token with this assertion.
async fn authenticate(server: &TestServer, assertion: &str) -> Answer {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = [
        GRANT,
        ("client_assertion_type", kind),
        ("client_assertion", assertion),
    ];
    server.form("/token", &form).await
}

fn assertion(server: &TestServer, client: &Registered, jti: &str) -> Value {
    let (iat, exp) = (server.now(), server.now() + 300);
    json!({"iss": client.id, "sub": client.id, "aud": server.server().url(), "jti": jti, "iat": iat, "exp": exp})
}

#[tokio::test]
async fn a_client_without_keys_authenticates_with_certificates_of_its_name() {
    let (root, other) = (Party::root(), Party::root());
    let (file, other_file) = (root.file(), other.file());
    let server = trusting(json!([
        community("health", file.path()),
        community("other", other_file.path())
    ]))
    .await;
    let first = root.issue(CLIENT);
    let answer = register(
        &server,
        &first,
        json!({"token_endpoint_auth_signing_alg": "ES256"}),
    )
    .await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    assert_eq!(client.body.get("jwks"), None);
    let next = root.below(0).issue(CLIENT);
    let expired = Party::new(
        Recipe {
            uri: Some(CLIENT),
            life: (-100, -1),
            ..LEAF
        },
        Some(&root),
    );
    let somebody = root.issue("https://client.example/other");
    let elsewhere = other.issue(CLIENT);
    for (name, token, status) in [
        (
            "the certificate of the registration",
            first.sign(assertion(&server, &client, "1")),
            200,
        ),
        (
            "another certificate of the same name",
            next.sign(assertion(&server, &client, "2")),
            200,
        ),
        (
            "an expired certificate",
            expired.sign(assertion(&server, &client, "3")),
            401,
        ),
        (
            "a certificate of another name",
            somebody.sign(assertion(&server, &client, "4")),
            401,
        ),
        (
            "a certificate of another community",
            elsewhere.sign(assertion(&server, &client, "5")),
            401,
        ),
        (
            "a self-signed certificate",
            Party::new(
                Recipe {
                    uri: Some(CLIENT),
                    ..LEAF
                },
                None,
            )
            .sign(assertion(&server, &client, "6")),
            401,
        ),
        (
            "no certificate in the header",
            first
                .signer()
                .raw(&json!({}), assertion(&server, &client, "7")),
            401,
        ),
        (
            "a certificate of another key",
            somebody.sign_with(
                json!({"x5c": first.x5c()}),
                assertion(&server, &client, "8"),
            ),
            401,
        ),
        (
            "a used assertion",
            first.sign(assertion(&server, &client, "1")),
            401,
        ),
    ] {
        let answer = authenticate(&server, &token).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
    }
}

#[tokio::test]
async fn only_a_trusted_certificate_replaces_keys() {
    let root = Party::root();
    let file = root.file();
    let server = trusting(json!([community("health", file.path())])).await;
    // Rejected without a statement, and when the method needs a registered key.
    server.post(&keyless()).await.expect_bad_metadata("jwks");
    let signed = json!({"request_object_signing_alg": "ES256"});
    register(&server, &root.issue(CLIENT), signed)
        .await
        .expect_bad_metadata("request_object_signing_alg");
    let own = json!({"token_endpoint_auth_method": "self_signed_tls_client_auth"});
    register(&server, &root.issue(CLIENT), own)
        .await
        .expect_bad_metadata("jwks");
    // With registered keys, a client cannot use certificates.
    let party = root.issue(CLIENT);
    let answer = register(
        &server,
        &party,
        json!({"jwks": {"keys": [party.signer().jwk()]}}),
    )
    .await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    let next = root.issue(CLIENT).sign(assertion(&server, &client, "1"));
    authenticate(&server, &next).await.expect_status(401);
    let own = party.sign(assertion(&server, &client, "2"));
    authenticate(&server, &own).await.expect_status(200);
    // An update with the registration access token needs a statement, too.
    let answer = register(&server, &party, json!({})).await;
    let client = Registered::of(answer.body);
    let update = client.update_without(&["software_statement"]);
    server
        .update(&client, &update)
        .await
        .expect_bad_metadata("jwks");
}
