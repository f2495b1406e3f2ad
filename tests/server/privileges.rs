//! Members that grant rights at the authorization server, and which clients may register them.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{Signer, TestServer, minimal, registering, with};

fn privileged() -> Value {
    json!({
        "groups": ["admins"], "additional_audience": ["https://api.example.org"], "org_id": "o1",
        "allow_spontaneous_scopes": true, "spontaneous_scopes": [".*"], "claims": ["email"],
        "public_subject_identifier_attribute": "mail", "keep_client_authorization_after_expiration": true,
        "run_introspection_script_before_jwt_creation": true,
    })
}

/// Returns the privileged members of an answer.
fn kept(body: &Value) -> Vec<&str> {
    let all = privileged();
    let names = body.as_object().unwrap().keys().map(String::as_str);
    names.filter(|name| all.get(name).is_some()).collect()
}

#[tokio::test]
async fn privileged_members_of_an_unauthenticated_client_are_ignored_and_the_answer_shows_it() {
    let server = TestServer::new().await;
    let harmless = json!({"spontaneous_scopes": [], "allow_spontaneous_scopes": false});
    let client = server.register(&with(minimal(), privileged())).await;
    assert_eq!(kept(&client.body), [""; 0]);
    let update = with(
        with(minimal(), privileged()),
        json!({"client_id": client.id}),
    );
    let answer = server.update(&client, &update).await;
    answer.expect_status(200);
    assert_eq!(kept(&answer.body), [""; 0]);
    let client = server
        .register(&with(with(minimal(), privileged()), harmless))
        .await;
    assert_eq!(
        kept(&client.body),
        ["allow_spontaneous_scopes", "spontaneous_scopes"]
    );
}

#[tokio::test]
async fn the_operator_lists_what_unauthenticated_clients_may_register() {
    let server = TestServer::registering(json!({"privilegedMembers": ["groups", "org_id"]})).await;
    let client = server.register(&with(minimal(), privileged())).await;
    assert_eq!(
        (&client.body["groups"], &client.body["org_id"]),
        (&json!(["admins"]), &json!("o1"))
    );
    assert_eq!(kept(&client.body).len(), 2);
}

#[tokio::test]
async fn the_policy_of_an_initial_access_token_allows_privileged_members() {
    let server = TestServer::new().await;
    server
        .initial_access(
            "some",
            json!({"policy": {"privileged_members": ["groups"]}}),
        )
        .await;
    server.initial_access("none", json!({})).await;
    let answer = server
        .post_with("some", &with(minimal(), privileged()))
        .await;
    answer.expect_status(201);
    assert_eq!(kept(&answer.body), ["groups"]);
    let answer = server
        .post_with("none", &with(minimal(), privileged()))
        .await;
    assert_eq!(kept(&answer.body), [""; 0]);
}

#[tokio::test]
async fn a_verified_statement_grants_its_own_members_only() {
    let issuer = Signer::new("https://directory.example.org", Algorithm::Es256);
    let entry = json!({"id": "d", "type": "SSA", "issuers": ["https://directory.example.org"], "jwks": issuer.jwks()});
    let builtin =
        json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]});
    let none = json!({"softwareStatementValidationType": "none"});
    for (settings, expected) in [(builtin, vec!["groups"]), (none, vec![])] {
        let server = TestServer::registering(settings).await;
        let statement = issuer.token(json!({"groups": ["partners"], "software_id": "s"}));
        let body = with(
            with(minimal(), privileged()),
            json!({ "software_statement": statement }),
        );
        let client = server.register(&body).await;
        assert_eq!(kept(&client.body), expected);
        if !expected.is_empty() {
            assert_eq!(client.body["groups"], json!(["partners"]));
        }
    }
}

#[tokio::test]
async fn scripts_and_administrators_set_privileged_members_and_the_client_keeps_them() {
    let script = "fn createClient(context) { context.client.groups = [\"partners\"]; true }";
    let server = TestServer::scripted(&[("10-groups.rhai", script)], |configuration| {
        registering(configuration, json!({}));
    })
    .await;
    let client = server.register(&minimal()).await;
    assert_eq!(client.body["groups"], json!(["partners"]));
    let same = with(
        minimal(),
        json!({"client_id": client.id, "groups": ["partners"], "org_id": "o1"}),
    );
    let answer = server.update(&client, &same).await;
    assert_eq!(kept(&answer.body), ["groups"]);
    let body = with(
        minimal(),
        json!({"client_name": "K", "org_id": "o2", "groups": ["others"]}),
    );
    let url = format!("/admin/v1/clients/{}", client.id);
    let put = server
        .ask("PUT", &url)
        .bearer_auth(server.administrator_token().await)
        .json(&body);
    crate::support::Answer::of(put).await.expect_status(200);
    let read = server.read(&client).await;
    assert_eq!(
        (&read.body["org_id"], &read.body["groups"]),
        (&json!("o2"), &json!(["others"]))
    );
}

#[tokio::test]
async fn lifetimes_of_tokens_are_limited() {
    let server = TestServer::registering(json!({"maximumTokenLifetime": 3_600})).await;
    for member in [
        "access_token_lifetime",
        "refresh_token_lifetime",
        "id_token_lifetime",
        "par_lifetime",
    ] {
        let body = |seconds: u64| with(minimal(), json!({ member: seconds }));
        assert_eq!(server.register(&body(3_600)).await.body[member], 3_600);
        let refused = server.post(&body((1 << 53) - 1)).await;
        refused.expect_error(400, &["invalid_client_metadata"]);
        assert!(
            refused.text.contains(member) && refused.text.contains("3600"),
            "{}",
            refused.text
        );
    }
}
