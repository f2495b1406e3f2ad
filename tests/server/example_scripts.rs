//! Scripts of `examples/scripts` in a real server: what their own tests make up is as it really is.

use std::path::Path;

use registrar::config::SecretSource;
use registrar::jose::Algorithm;
use registrar::script::host::HttpAnswer;
use serde_json::{Value, json};

use crate::support::{START, Signer, TestServer, b0, registering, with};

const JTI: &str = "25b9bea9-3c10-4b60-9a1b-0b7b0b6b2f4";

/// A server with the scripts of one example.
async fn server(example: &str, members: Value) -> TestServer {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts").join(example);
    TestServer::configured(|configuration| {
        configuration.settings.scripts.directory = directory;
        let scopes = ["payments", "consents", "resources", "accounts"];
        for id in scopes {
            let scope = serde_json::from_value(json!({ "id": id })).expect("a scope");
            configuration.live.scopes.push(scope);
        }
        registering(configuration, members);
    })
    .await
}

fn builtin(directory: &Signer) -> Value {
    let entry =
        json!({"id": "directory", "type": "SSA", "issuers": [directory.iss], "jwks": directory.jwks()});
    json!({
        "softwareStatementRequired": true, "softwareStatementValidationType": "builtin",
        "dcrSsaValidationConfigs": [entry],
        "dynamicRegistrationCustomAttributes": ["org_name", "software_roles", "software_mode"],
    })
}

#[tokio::test]
async fn open_finance_brasil_registers_what_the_directory_says() {
    let directory = Signer::new("https://directory.example", Algorithm::Ps256);
    let server = server("brazil-open-finance", builtin(&directory)).await;
    let statement = |jti: u32| {
        directory.token(json!({
            "jti": jti.to_string(), "software_id": "58b2b7f2", "org_id": "497e1ffe", "org_status": "Active",
            "software_client_name": "Minha Conta", "software_jwks_uri": "https://keystore.example/app.jwks",
            "software_redirect_uris": ["https://client.example.org/cb"],
            "software_statement_roles": [{"role": "PAGTO", "status": "Active"}],
        }))
    };
    let request = |jti: u32, more: Value| {
        let method = json!({
            "software_statement": statement(jti), "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "PS256", "id_token_signed_response_alg": "PS256",
            "scope": "payments openid accounts", "jwks_uri": "https://keystore.example/app.jwks",
        });
        with(with(b0(), method), more)
    };
    server.post(&b0()).await.expect_error(400, &["invalid_software_statement"]);
    let answer = server.post(&request(1, json!({"redirect_uris": ["https://other.example/cb"]}))).await;
    answer.expect_error(400, &["invalid_redirect_uri"]);
    let answer = server.post(&request(2, json!({"id_token_signed_response_alg": "RS256"}))).await;
    answer.expect_error(400, &["invalid_client_metadata"]);
    server.expect_empty().await;
    let client = server.register(&request(3, json!({}))).await;
    assert_eq!(client.body["client_name"], "Minha Conta");
    assert_eq!(client.body["scope"], "payments openid");
    assert_eq!(client.body["jwks_uri"], "https://keystore.example/app.jwks");
    assert_eq!(client.body["org_id"], "497e1ffe");
    let again = server.post(&request(4, json!({}))).await;
    again.expect_error(400, &["invalid_client_metadata"]);
    assert!(again.text.contains("has a client already"), "{}", again.text);
    let update = request(5, json!({"client_id": client.id, "software_statement": statement(5)}));
    server.update(&client, &update).await.expect_status(200);
}

#[tokio::test]
async fn uk_open_banking_takes_requests_that_are_signed() {
    let directory = Signer::new("OpenBanking Ltd", Algorithm::Ps256);
    let party = Signer::new("1ZRiKCgqCLaWpj6PcdfXYm", Algorithm::Ps256);
    let signed = json!({"dcrSignatureValidationEnabled": true, "dcrSignatureValidationJwks": party.jwks()});
    let server = server("uk-open-banking", with(builtin(&directory), signed)).await;
    let statement = |jti: u32| {
        directory.raw(
            &json!({"typ": "JWT"}),
            json!({
                "iss": directory.iss, "iat": START, "jti": jti.to_string(), "software_id": party.iss,
                "software_client_name": "Money Helper", "software_roles": ["AISP"], "software_mode": "Live",
                "software_redirect_uris": ["https://client.example.org/cb"], "org_id": "0015800001041RHAAY",
                "software_jwks_endpoint": "https://keystore.example/tpp.jwks", "org_status": "Active",
            }),
        )
    };
    let post = async |number: u32, more: Value| {
        let claims = json!({
            "aud": server.url(""), "jti": format!("{JTI}{number}"), "software_statement": statement(number),
            "redirect_uris": ["https://client.example.org/cb"], "scope": "openid accounts",
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "PS256",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "application_type": "web", "id_token_signed_response_alg": "PS256",
            "request_object_signing_alg": "PS256", "jwks_uri": "https://keystore.example/tpp.jwks",
        });
        server.post_bytes("application/jose", party.token(with(claims, more))).await
    };
    let cases = [
        (json!({"scope": "openid payments"}), "invalid_client_metadata"),
        (json!({"software_id": "another"}), "invalid_client_metadata"),
        (json!({"jti": "one"}), "invalid_client_metadata"),
        (json!({"redirect_uris": ["https://other.example/cb"]}), "invalid_redirect_uri"),
    ];
    for (number, (more, code)) in (1..).zip(cases) {
        post(number, more).await.expect_error(400, &[code]);
    }
    server.expect_empty().await;
    let client = post(9, json!({})).await;
    client.expect_status(201);
    assert_eq!(client.body["client_name"], "Money Helper");
    assert_eq!(client.body["software_roles"], json!(["AISP"]), "claims of the statement in the answer");
}

#[tokio::test]
async fn hydra_is_told_of_a_client_and_of_its_secret() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts/notify-hydra");
    let (server, host) = TestServer::hosted(&[], |configuration| {
        let scripts = &mut configuration.settings.scripts;
        scripts.directory = example.clone();
        let hydra = json!({"hydra": {"admin": "https://hydra.example.org"}});
        scripts.attributes = hydra.as_object().unwrap().clone();
        let secret = SecretSource::Env("CARGO_PKG_NAME".to_owned());
        scripts.secrets.insert("hydra".to_owned(), secret);
    })
    .await;
    let clients = "https://hydra.example.org/admin/clients";
    host.answer("POST", clients, HttpAnswer { status: 201, ..HttpAnswer::default() });
    let client = server.register(&b0()).await;
    let deleted = format!("{clients}/{}", client.id);
    host.answer("DELETE", &deleted, HttpAnswer { status: 204, ..HttpAnswer::default() });
    server.delete(&client).await.expect_status(204);
    // What waits is told before the server has stopped.
    server.stop().await;
    let calls = host.calls();
    let mut told: Vec<(&str, &str)> =
        calls.iter().map(|call| (call.method.as_str(), call.url.as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [("DELETE", deleted.as_str()), ("POST", clients)]);
    let created = calls.iter().find(|call| call.method == "POST").unwrap();
    let sent: Value = serde_json::from_slice(created.body.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&sent["client_id"], &sent["client_secret"]),
        (&json!(client.id), &client.body["client_secret"])
    );
}
