//! The store is the same before and after, and whatever can be used once can still be used.

use registrar::config::Configuration;
use registrar::testing::Algorithm;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Registered, Signer, TestServer, minimal, registering, with};

/// The audit log and its head. It records that a request was tried, a moment later.
const AUDIT: [&[u8]; 2] = [b"a/", b"b/"];

/// Everything in the store except the audit log.
async fn everything(server: &TestServer) -> Vec<(Vec<u8>, Vec<u8>)> {
    let storage = registrar::testing::inside(server.server()).storage();
    let mut pairs = storage.everything().await.unwrap();
    pairs.retain(|(key, _)| !AUDIT.iter().any(|prefix| key.starts_with(prefix)));
    pairs
}

/// A script that writes whatever a script can write.
const WRITES: &str = r#"
    fn createClient(context) {
        kv::set("name", context.client.client_name, 600);
        let count = kv::increment("registered", 1, 600);
        attestation::new_nonce();
        // One of two is used by the client that is registered before, and one by the client that follows.
        if !kv::reserve("clients", 2, 600) { return false; }
        context.client.contacts = [`${count}@example.org`];
        true
    }
    fn updateClient(context) { createClient(context) }
"#;

fn party() -> Signer {
    Signer::new("tpp", Algorithm::Ps256)
}

/// Starts a server whose clients sign their requests.
async fn server(party: &Signer, change: impl FnOnce(&mut Configuration)) -> TestServer {
    let properties = json!({
        "dcrSignatureValidationEnabled": true,
        "dcrSignatureValidationJwks": party.jwks(),
        "rotateRegistrationAccessToken": "onUpdate",
        "dcrAttestationEvidenceRequired": false,
    });
    TestServer::scripted(&[("10-writes.rhai", WRITES)], |configuration| {
        registering(configuration, properties);
        change(configuration);
    })
    .await
}

/// Returns requests that store and use up whatever the pipeline stores and uses up, with their statuses.
fn requests(party: &Signer, client: &Registered, token: &str) -> Vec<(Value, u16)> {
    let signed = |claims: Value| party.token(with(minimal(), claims));
    let unsigned = json!({"dcrSignatureValidationEnabled": false});
    let public = json!({"token_endpoint_auth_method": "none"});
    let reused = with(
        unsigned.clone(),
        json!({"reuseIdenticalPublicClients": true}),
    );
    let evidence = with(
        unsigned.clone(),
        json!({"dcrAttestationEvidenceRequired": true}),
    );
    let update = client.update(json!({"jti": "update", "client_name": "Second"}));
    vec![
        (json!({"body": signed(json!({"jti": "once"}))}), 201),
        (
            json!({"body": signed(json!({"jti": "with a token"})), "initial_access_token": token}),
            201,
        ),
        (json!({"body": minimal(), "registration": unsigned}), 201),
        (
            json!({"body": with(minimal(), public), "registration": reused}),
            201,
        ),
        (json!({"body": minimal(), "registration": evidence}), 400),
        (
            json!({"client_id": client.id, "body": party.token(update)}),
            200,
        ),
        (
            json!({"client_id": client.id, "body": signed(json!({"jti": "no id"}))}),
            400,
        ),
        (json!({"body": signed(json!({"jti": "registered"}))}), 400),
    ]
}

async fn check(change: impl FnOnce(&mut Configuration)) {
    let party = party();
    let server = server(&party, change).await;
    let registered = party.token(with(minimal(), json!({"jti": "registered"})));
    let answer = server.post_bytes("application/jwt", registered).await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    let token = server.initial_access("one use", json!({"uses": 1})).await;
    let administrator = server.administrator_token().await;
    let before = everything(&server).await;
    for (input, status) in requests(&party, &client, &token) {
        for _ in 0..2 {
            let request = server.ask("POST", "/admin/v1/try");
            let answer = Answer::of(request.bearer_auth(&administrator).json(&input)).await;
            answer.expect_status(200);
            assert_eq!(answer.body["answer"]["status"], status, "{}", answer.text);
            if status == 201 {
                let contacts = &answer.body["answer"]["body"]["contacts"];
                assert_eq!(contacts, &json!(["2@example.org"]), "{}", answer.text);
            }
        }
    }
    assert!(!before.is_empty());
    let after = everything(&server).await;
    let changed = after.iter().filter(|pair| !before.contains(pair));
    let changed: Vec<_> = changed
        .map(|(key, _)| String::from_utf8_lossy(key))
        .collect();
    assert!(after == before, "the store has changed: {changed:?}");
    let real = party.token(with(minimal(), json!({"jti": "once"})));
    let request = server.ask("POST", "/register").bearer_auth("one use");
    let request = request.header("content-type", "application/jwt").body(real);
    let answer = Answer::of(request).await;
    answer.expect_status(201);
    assert_eq!(answer.body["contacts"], json!(["2@example.org"]));
}

#[tokio::test]
async fn nothing_is_stored_or_used_up_in_a_folder() {
    check(|_| {}).await;
}

#[tokio::test]
async fn nothing_is_stored_or_used_up_in_memory() {
    let folder = TempDir::new().unwrap();
    let credentials = folder.path().join("admin-credentials.json");
    check(|configuration| {
        configuration.settings.store.url = "memory:".to_owned().into();
        configuration.settings.admin.credentials_file = Some(credentials);
    })
    .await;
}

#[tokio::test]
async fn what_an_earlier_request_used_up_can_be_tried_again_on_demand() {
    let party = party();
    let server = server(&party, |_| {}).await;
    let token = party.token(with(minimal(), json!({"jti": "once"})));
    let answer = server.post_bytes("application/jwt", token.clone()).await;
    answer.expect_status(201);
    for (repeated, status) in [(false, 400), (true, 201)] {
        let judged = super::tried(&server, &json!({"body": token, "repeated": repeated})).await;
        assert_eq!(judged["answer"]["status"], status, "{judged}");
    }
    let answer = server.post_bytes("application/jwt", token).await;
    answer.expect_status(400);
}
