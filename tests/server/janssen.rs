//! Every curl command of the Janssen documentation with the paths and scopes of `config/janssen.toml`,
//! where only host and identifiers are changed; and the members of its client schema.

use std::path::Path;

use registrar::config::Sources;
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{Answer, Registered, START, Signer, TestServer, minimal, registering, with};

const REGISTER: &str = "/jans-auth/restv1/register";
const TOKEN: &str = "/jans-auth/restv1/token";
const CONFIG: &str = "/jans-config-api/api/v1/jans-auth-server/config";
const SCOPE: &str = "https://jans.io/oauth/jans-auth-server/config/properties.write";

/// Starts a server with `config/janssen.toml` and these members of `[registration]` on top of it.
async fn janssen(members: Value) -> TestServer {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/janssen.toml");
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    let shipped = registrar::config::load(&sources).expect("the shipped configuration is valid");
    TestServer::configured(|configuration| {
        configuration.settings.server.paths = shipped.settings.server.paths.clone();
        configuration.settings.admin = shipped.settings.admin.clone();
        configuration.live = shipped.live.clone();
        registering(configuration, members);
    })
    .await
}

async fn post(server: &TestServer, media_type: &str, body: String) -> Answer {
    Answer::of(
        server
            .ask("POST", REGISTER)
            .header("content-type", media_type)
            .body(body),
    )
    .await
}

#[tokio::test]
async fn a_client_is_registered_read_updated_and_deleted() {
    let server = janssen(json!({})).await;
    let answer = post(
        &server,
        "application/json",
        r#"{"redirect_uris": ["https://my.jans.client/page"]}"#.to_owned(),
    )
    .await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    assert!(
        client.uri.contains(&format!("{REGISTER}?client_id=")),
        "{}",
        client.uri
    );
    server.read(&client).await.expect_status(200);

    let typical = json!({
        "redirect_uris": ["https://client.example.org/cb"],
        "client_id": "c3BhdRkqfX", "client_secret": "bd136123eeffeef234235805d",
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_basic",
        "jwks_uri": "https://client.example.org/my_public_keys.jwks",
        "client_name": "My Example", "client_name#fr": "Mon Exemple",
    });
    let typical = post(&server, "application/json", typical.to_string()).await;
    typical.expect_status(201);
    assert_eq!(typical.body["client_name#fr"], "Mon Exemple");
    assert_ne!(typical.body["client_id"], "c3BhdRkqfX");

    let update = json!({"client_id": client.id, "redirect_uris": ["https://my.jans.client/other"]});
    let updated = server.update(&client, &update).await;
    assert_eq!(
        updated.body["redirect_uris"],
        json!(["https://my.jans.client/other"])
    );
    server.delete(&client).await.expect_status(204);
    server.read(&client).await.expect_status(401);
}

#[tokio::test]
async fn a_signed_request_and_a_statement_are_accepted() {
    let party = Signer::new("Amazon TPPID", Algorithm::Es256);
    let server = janssen(
        json!({"dcrSignatureValidationEnabled": true, "dcrSignatureValidationJwks": party.jwks()}),
    )
    .await;
    let claims = json!({
        "exp": START + 31_536_000, "aud": server.url(""), "redirect_uris": ["https://client.example.org/cb"],
        "scope": "openid makepayment", "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"], "response_types": ["code"],
        "id_token_signed_response_alg": "ES256", "request_object_signing_alg": "ES256",
        "software_id": "65d1f27c-4aea-4549-9c21-60e495a7a86f",
        // The algorithm for request objects must be stated; the documentation leaves that to the reader.
        "jwks_uri": "https://client.example.org/my_public_keys.jwks",
    });
    let answer = post(&server, "application/jwt", party.token(claims)).await;
    answer.expect_status(201);
    assert_eq!(
        answer.body["software_id"],
        "65d1f27c-4aea-4549-9c21-60e495a7a86f"
    );

    let issuer = Signer::new("jans-auth", Algorithm::Rs256);
    let entry = json!({"id": "7907cd0b", "type": "SSA", "issuers": ["jans-auth"], "jwks": issuer.jwks().to_string()});
    let server = janssen(
        json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]}),
    )
    .await;
    let body = json!({
        "redirect_uris": ["https://client.example.org/cab1"],
        "software_statement": issuer.token(json!({"software_id": "s"})),
        "jwks_uri": "https://my.portal.example/portal/jwks",
    });
    let answer = post(&server, "application/json", body.to_string()).await;
    answer.expect_status(201);
    assert_eq!(answer.body["software_id"], "s");
}

#[tokio::test]
async fn the_configuration_is_patched_with_a_token_of_the_token_endpoint() {
    let server = janssen(json!({"dynamicRegistrationEnabled": false})).await;
    let plain = json!({"redirect_uris": ["https://my.jans.client/page"]}).to_string();
    post(&server, "application/json", plain.clone())
        .await
        .expect_status(403);
    let admin = server.administrator();
    let grant = format!("grant_type=client_credentials&scope={SCOPE}");
    let request = server
        .ask("POST", TOKEN)
        .basic_auth(&admin.id, admin.body["client_secret"].as_str());
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(grant);
    let token = Answer::of(request).await;
    token.expect_status(200);
    assert_eq!(token.body["scope"], SCOPE);
    let token = token.body["access_token"].as_str().unwrap().to_owned();
    let patch = async |operations: Value| {
        let request = server
            .ask("PATCH", CONFIG)
            .header("content-type", "application/json-patch+json");
        Answer::of(request.bearer_auth(&token).body(operations.to_string())).await
    };
    let example = json!([{"op": "add", "path": "anExampleConfigField", "value": "anExampleConfigField_value"}]);
    let unknown = patch(example).await;
    unknown.expect_status(400);
    assert!(
        unknown.text.contains("anExampleConfigField"),
        "{}",
        unknown.text
    );
    let on = json!([{"op": "add", "path": "dynamicRegistrationEnabled", "value": "true"}]);
    patch(on).await.expect_status(200);
    post(&server, "application/json", plain)
        .await
        .expect_status(201);
}

#[tokio::test]
async fn missing_evidence_is_requested_with_the_answer_of_janssen() {
    let script = r#"
        fn createClient(context) {
            let evidenceAsString = context.getRegisterRequest().getEvidence();
            if evidenceAsString == () {
                // The store keeps the text of scripts, and nonces must not be in it.
                let nonce = "lBjvTtuPbpzIaqyiAOOkrIol" + "3WmflPUUepzUXNDFuUgMKUL";
                context.createStaleEvidenceWebApplicationException(nonce);
                return false;
            }
            true
        }
    "#;
    let server = TestServer::scripted(&[("10-attestation.rhai", script)], |_| {}).await;
    let answer = server
        .post(&with(
            json!({}),
            json!({"redirect_uris": ["https://a.example/cb"]}),
        ))
        .await;
    answer.expect_error(400, &["stale_evidence"]);
    assert_eq!(
        answer.body,
        json!({
            "error": "stale_evidence",
            "error_description": "The provided evidence is not current.",
            "nonce": "lBjvTtuPbpzIaqyiAOOkrIol3WmflPUUepzUXNDFuUgMKUL",
        })
    );
    assert_eq!(answer.header("pragma"), "no-cache");
}

#[tokio::test]
async fn the_members_of_the_janssen_schema_are_registered() {
    let server = janssen(json!({"redirectUrisRegexEnabled": true})).await;
    let members = json!({
        "access_token_as_jwt": true,
        "access_token_signing_alg": "ES256",
        "rpt_as_jwt": true,
        "par_lifetime": 600,
        "spontaneous_scopes": ["^transaction:.+$"],
        "allow_spontaneous_scopes": true,
        "additional_audience": ["https://api.example.org"],
        "redirect_uris_regex": "^https://client\\.example\\.org/",
        "run_introspection_script_before_jwt_creation": false,
        "keep_client_authorization_after_expiration": true,
        "authorized_origins": ["https://client.example.org"],
        "default_prompt_login": true,
        "claims": ["email"],
        "groups": ["a"],
        "org_id": "o1",
    });
    let client = post(
        &server,
        "application/json",
        with(minimal(), members.clone()).to_string(),
    )
    .await;
    client.expect_status(201);
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(&client.body[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_client_cannot_make_itself_trusted() {
    let server = TestServer::new().await;
    let trust =
        json!({"trusted_client": true, "post_authn_script_dns": ["inum=1"], "disabled": false});
    let client = server.register(&with(minimal(), trust)).await;
    assert_ne!(client.body.get("trusted_client"), Some(&json!(true)));
    assert_eq!(client.body.get("post_authn_script_dns"), None);
}
