//! Each client records where the members of its metadata come from.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::statements::{issuer, knowing, request};
use crate::support::{Answer, Registered, Signer, TestServer, minimal, with};
use crate::transfer::{export, import};

/// Returns the origins of the members of a client, as administrators see them.
pub(crate) async fn origins(server: &TestServer, client: &Registered) -> Value {
    let shown = server.called("GET", &path(client)).await;
    shown.expect_status(200);
    shown.body["origins"].clone()
}

fn path(client: &Registered) -> String {
    format!("/admin/v1/clients/{}", client.id)
}

#[track_caller]
fn expect(origins: &Value, expected: &[(&str, &str)]) {
    for (member, origin) in expected {
        assert_eq!(origins[member], *origin, "{member} in {origins}");
    }
}

#[tokio::test]
async fn each_member_of_the_metadata_has_one() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let shown = server.called("GET", &path(&client)).await.body;
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&shown["origins"]), names(&shown["metadata"]));
    expect(
        &shown["origins"],
        &[
            ("client_name", "request"),
            ("redirect_uris", "request"),
            ("grant_types", "default"),
            ("subject_type", "default"),
        ],
    );
}

const SCRIPT: &str = r#"
    fn adaptRequest(request, context) {
        if request.client_uri == () { request.client_uri = "https://client.example.org/"; }
        true
    }
    fn createClient(context) {
        context.client.contacts = ["a@example.org"];
        context.client.remove("tos_uri");
        true
    }
    fn updateClient(context) { createClient(context) }
"#;

#[tokio::test]
async fn a_script_is_named_and_an_update_starts_anew() {
    let server = TestServer::scripted(&[("10 mine.rhai", SCRIPT)], |_| {}).await;
    let client = server
        .register(&with(
            minimal(),
            json!({"tos_uri": "https://client.example.org/tos"}),
        ))
        .await;
    let by_script = "script:10 mine.rhai";
    let first = origins(&server, &client).await;
    expect(
        &first,
        &[
            ("client_uri", by_script),
            ("contacts", by_script),
            ("client_name", "request"),
        ],
    );
    assert_eq!(first.get("tos_uri"), None);
    let update = json!({"client_uri": "https://client.example.org/home", "grant_types": ["authorization_code"]});
    server
        .update(&client, &client.update(update))
        .await
        .expect_status(200);
    // The client repeats what it has read, and the script changes nothing of that.
    let second = origins(&server, &client).await;
    expect(
        &second,
        &[
            ("client_uri", "request"),
            ("contacts", "request"),
            ("grant_types", "request"),
            ("response_types", "request"),
        ],
    );
    let minimal = with(minimal(), json!({"client_id": client.id}));
    server.update(&client, &minimal).await.expect_status(200);
    let third = origins(&server, &client).await;
    expect(
        &third,
        &[
            ("client_uri", by_script),
            ("grant_types", "default"),
            ("response_types", "default"),
        ],
    );
}

#[tokio::test]
async fn an_administrator_keeps_the_origins_of_what_it_repeats() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let shown = server.called("GET", &path(&client)).await.body;
    let changed = with(
        shown["metadata"].clone(),
        json!({"client_name": "Renamed", "disabled": true}),
    );
    let put = server.administrate("PUT", &path(&client)).await;
    Answer::of(put.json(&changed)).await.expect_status(200);
    expect(
        &origins(&server, &client).await,
        &[
            ("client_name", "administrator"),
            ("disabled", "administrator"),
            ("redirect_uris", "request"),
            ("grant_types", "default"),
        ],
    );
}

#[tokio::test]
async fn signed_requests_and_statements_are_told_apart() {
    let issuer = issuer();
    let party = Signer::new("tpp", Algorithm::Ps256);
    let settings = json!({
        "dcrSignatureValidationEnabled": true, "dcrSignatureValidationJwks": party.jwks(),
        "trustedSsaIssuers": {},
    });
    let server = knowing(&issuer, settings).await;
    let statement = issuer.token(json!({"client_name": "Bank", "software_id": "s"}));
    let body = with(
        request(&statement),
        json!({"contacts": ["a@example.org"], "client_name": "Mine"}),
    );
    let answer = server
        .post_bytes("application/jwt", party.token(body))
        .await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    expect(
        &origins(&server, &client).await,
        &[
            ("client_name", "software_statement"),
            ("software_id", "software_statement"),
            ("contacts", "signed_request"),
            ("software_statement", "signed_request"),
            ("subject_type", "default"),
        ],
    );
}

#[tokio::test]
async fn the_policy_of_a_token_gives_a_lifetime_that_an_update_keeps() {
    let server = TestServer::registering(json!({"dynamicRegistrationExpirationTime": 7200})).await;
    server
        .initial_access("short", json!({"policy": {"maximum_lifetime": 3600}}))
        .await;
    let answer = server.post_with("short", &minimal()).await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    let other = server.register(&minimal()).await;
    expect(
        &origins(&server, &client).await,
        &[("lifetime", "initial_access_token")],
    );
    expect(&origins(&server, &other).await, &[("lifetime", "default")]);
    let same = with(minimal(), json!({"client_id": client.id}));
    server.update(&client, &same).await.expect_status(200);
    expect(
        &origins(&server, &client).await,
        &[("lifetime", "initial_access_token")],
    );
}

#[tokio::test]
async fn an_export_keeps_them_and_an_older_one_has_none() {
    let script = "fn createClient(context) { context.client.contacts = [\"a@example.org\"]; true }";
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let client = server.register(&minimal()).await;
    let before = origins(&server, &client).await;
    expect(&before, &[("contacts", "script:10-a.rhai")]);
    let lines = export(&server).await;
    let other = TestServer::new().await;
    import(&other, "", lines.clone()).await.expect_status(200);
    assert_eq!(origins(&other, &client).await, before);

    let (mut clients, _) = crate::transfer::read(&lines);
    let line = clients
        .iter_mut()
        .find(|line| line["client_id"] == client.id.as_str())
        .unwrap();
    line.as_object_mut()
        .unwrap()
        .shift_remove("origins")
        .unwrap();
    let (old, mut wrong) = (line.clone(), line.clone());
    let older = TestServer::new().await;
    import(&older, "", crate::transfer::write(&[old]))
        .await
        .expect_status(200);
    assert_eq!(origins(&older, &client).await, Value::Null);
    // An administrator does not know better, but the next update by the client does.
    let put = older.administrate("PUT", &path(&client)).await;
    Answer::of(put.json(&minimal())).await.expect_status(200);
    assert_eq!(origins(&older, &client).await, Value::Null);
    let there = Registered {
        uri: older.url(&format!("/register?client_id={}", client.id)),
        ..client.clone()
    };
    older
        .update(&there, &client.update(json!({})))
        .await
        .expect_status(200);
    expect(
        &origins(&older, &client).await,
        &[("client_name", "request")],
    );

    wrong["origins"] = json!({"client_name": "somebody"});
    let answer = import(
        &older,
        "?existing=replace",
        crate::transfer::write(&[wrong]),
    )
    .await;
    answer.expect_status(400);
    assert!(
        answer
            .text
            .contains("origins: must be an object with the origin of each member"),
        "{}",
        answer.text
    );
}
