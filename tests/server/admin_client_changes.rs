//! Changes of some members of a client by an administrator, new clients, and new credentials.

use serde_json::{Value, json};

use crate::support::{Answer, GRANT, Registered, TestServer, minimal, with};

const ALL: &str = "/admin/v1/clients";

fn path(client: &Registered) -> String {
    format!("{ALL}/{}", client.id)
}

/// Sends a merge patch as the administrator.
async fn patch(server: &TestServer, client: &Registered, body: &Value) -> Answer {
    let request = server.administrate("PATCH", &path(client)).await;
    let request = request.header("content-type", "application/merge-patch+json");
    Answer::of(request.body(body.to_string())).await
}

async fn create(server: &TestServer, body: &Value) -> Answer {
    Answer::of(server.administrate("POST", ALL).await.json(body)).await
}

#[tokio::test]
async fn a_patch_changes_the_members_that_it_names_and_keeps_the_others() {
    let server = TestServer::new().await;
    let members = json!({"contacts": ["a@example.org"], "client_name": "First"});
    let client = server.register(&with(minimal(), members)).await;
    let before = server.called("GET", &path(&client)).await;
    assert_eq!(
        before.header("accept-patch"),
        "application/merge-patch+json"
    );
    let changes = json!({"client_name": "Second", "client_name#de": "Zweite", "contacts": null});
    let answer = patch(&server, &client, &changes).await;
    answer.expect_status(200);
    assert_eq!(
        (answer.header("etag"), &answer.body["revision"]),
        ("\"2\"", &json!(2))
    );
    let mut wanted = before.body["metadata"].clone();
    wanted["client_name"] = json!("Second");
    wanted["client_name#de"] = json!("Zweite");
    wanted.as_object_mut().unwrap().shift_remove("contacts");
    assert_eq!(answer.body["metadata"], wanted);
    assert_eq!(answer.body["origins"]["client_name"], "administrator");
    assert_eq!(answer.body["origins"]["redirect_uris"], "request");
    assert_eq!(answer.body["provenance"], before.body["provenance"]);
    let read = server.read(&client).await;
    assert_eq!(read.body["client_name"], "Second");
    assert_eq!(read.body["client_secret"], client.body["client_secret"]);
    let event = server.events(0).await.pop().unwrap();
    assert_eq!(
        (&event["action"], &event["actor"], &event["subject"]),
        (
            &json!("client_updated"),
            &json!("administrator"),
            &json!(client.id)
        )
    );
}

#[tokio::test]
async fn a_patch_follows_the_rules_of_an_update() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let bad = json!({"redirect_uris": ["http://client.example.org/cb"]});
    patch(&server, &client, &bad).await.expect_bad_redirect();
    for (members, part) in [
        (json!({"client_id": "another"}), "client_id"),
        (json!({"client_secret": "chosen"}), "client_secret"),
        (json!({"client_id_issued_at": 1}), "client_id_issued_at"),
        (
            json!({"registration_access_token": "chosen"}),
            "registration_access_token",
        ),
        (json!({"contacts": "no list"}), "contacts"),
        (
            json!({"software_statement": "eyJhbGciOiJub25lIn0.e30."}),
            "software_statement",
        ),
    ] {
        let answer = patch(&server, &client, &members).await;
        answer.expect_bad_metadata(part);
    }
    let send = async |body: &str, headers: &[(&str, &str)]| {
        let mut request = server.administrate("PATCH", &path(&client)).await;
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.body(body.to_owned())).await
    };
    let merge = ("content-type", "application/merge-patch+json");
    for body in ["", "[]", "{", r#"{"client_name":"a","client_name":"b"}"#] {
        let answer = send(body, &[merge]).await;
        answer.expect_error(400, &["invalid_request"]);
    }
    let other = send("{}", &[("content-type", "application/json-patch+json")]).await;
    other.expect_error(415, &["invalid_request"]);
    let stale = send("{}", &[merge, ("if-match", "\"7\"")]).await;
    stale.expect_error(412, &["precondition_failed"]);
    assert_eq!(server.read(&client).await.header("etag"), "\"1\"");
    let name = r#"{"client_name": "Renamed"}"#;
    let plain = [("content-type", "application/json"), ("if-match", "\"1\"")];
    send(name, &plain).await.expect_status(200);
    let unknown = server
        .administrate("PATCH", &format!("{ALL}/unknown"))
        .await;
    let unknown = Answer::of(unknown.json(&json!({}))).await;
    unknown.expect_error(404, &["not_found"]);
    let own = server
        .administrate("PATCH", &format!("{ALL}/administrator"))
        .await;
    let own = Answer::of(own.json(&json!({"disabled": true}))).await;
    own.expect_error(403, &["access_denied"]);
}

#[tokio::test]
async fn the_hook_for_updates_decides_about_a_patch() {
    let script = r#"
        fn updateClient(context) {
            context.client.contacts = ["of@the.script"];
            context.client.client_name != "refused" && context.httpRequest.method == "PATCH"
        }
    "#;
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let client = server.register(&minimal()).await;
    let refused = patch(&server, &client, &json!({"client_name": "refused"})).await;
    refused.expect_error(400, &["invalid_client_metadata"]);
    let answer = patch(&server, &client, &json!({"client_name": "kept"})).await;
    assert_eq!(
        answer.body["metadata"]["contacts"],
        json!(["of@the.script"])
    );
}

#[tokio::test]
async fn an_administrator_creates_a_client_that_works_and_manages_itself() {
    let server = TestServer::new().await;
    let wanted = with(
        minimal(),
        json!({"grant_types": ["client_credentials"], "client_name": "Made", "trusted_client": true}),
    );
    let answer = create(&server, &wanted).await;
    answer.expect_status(201);
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(answer.body["client_secret_expires_at"], json!(0));
    assert_eq!(answer.body["provenance"]["administrator"], "administrator");
    assert_eq!(answer.body["provenance"]["trust_level"], "open");
    assert_eq!(answer.body["origins"]["client_name"], "administrator");
    assert_eq!(answer.body["metadata"]["trusted_client"], true);
    let client = Registered::of(answer.body);
    server.access_token(&client).await;
    let changed = server
        .update(
            &client,
            &json!({"client_id": client.id, "redirect_uris": minimal()["redirect_uris"]}),
        )
        .await;
    changed.expect_status(200);
    assert_eq!(
        server.provenance(&client).await["administrator"],
        "administrator",
        "an update by the client does not change who created it"
    );
    let shown = server.called("GET", &path(&client)).await;
    assert!(
        !shown
            .text
            .contains(client.body["client_secret"].as_str().unwrap())
    );
    let events = server.events(0).await;
    let event = events
        .iter()
        .find(|event| event["subject"] == client.id.as_str())
        .expect("an event of the audit log");
    assert_eq!(
        (&event["action"], &event["actor"], &event["subject"]),
        (
            &json!("client_created"),
            &json!("administrator"),
            &json!(client.id)
        )
    );
}

#[tokio::test]
async fn a_client_can_be_created_by_an_administrator_while_nobody_else_can_register() {
    let server = TestServer::configured(|configuration| {
        configuration.live.registration.dynamic_registration_enabled = false;
    })
    .await;
    server
        .post(&minimal())
        .await
        .expect_error(403, &["access_denied"]);
    create(&server, &minimal()).await.expect_status(201);
}

#[tokio::test]
async fn a_new_client_must_comply_with_the_rules_and_the_scripts() {
    let script = r#"fn createClient(context) { context.client.client_name != "refused" }"#;
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let named = |name: &str| with(minimal(), json!({"client_name": name}));
    let refused = create(&server, &named("refused")).await;
    refused.expect_error(400, &["invalid_client_metadata"]);
    let bad = json!({"redirect_uris": ["http://client.example.org/cb"]});
    create(&server, &bad).await.expect_bad_redirect();
    for (members, part) in [
        (json!({"client_id": "chosen"}), "client_id"),
        (json!({"client_secret": "chosen"}), "client_secret"),
        (
            json!({"registration_access_token": "chosen"}),
            "registration_access_token",
        ),
        (
            json!({"software_statement": "eyJhbGciOiJub25lIn0.e30."}),
            "software_statement",
        ),
    ] {
        let answer = create(&server, &with(minimal(), members)).await;
        answer.expect_bad_metadata(part);
    }
    let count = server.storage().count_clients().await.unwrap();
    assert_eq!(count, 1, "nothing was stored but the administrator");
    let events = server.events(0).await;
    let refused = events.iter().filter(|event| {
        event["action"] == "registration_refused" && event["actor"] == "administrator"
    });
    assert_eq!(refused.count(), 6, "{events:?}");
}

#[tokio::test]
async fn a_new_secret_replaces_the_previous_one_at_once() {
    let server = TestServer::new().await;
    let machine = json!({"grant_types": ["client_credentials"]});
    let client = server.register(&machine).await;
    let before = client.body["client_secret"].as_str().unwrap();
    let rotate = format!("{}/secret", path(&client));
    let answer = server.called("POST", &rotate).await;
    answer.expect_status(200);
    assert_eq!(answer.header("etag"), "\"2\"");
    let secret = answer.member("client_secret").as_str().unwrap();
    assert_ne!(secret, before);
    assert_eq!(answer.member("registration_access_token"), &Value::Null);
    let mut changed = client.clone();
    changed.body["client_secret"] = json!(secret);
    server.access_token(&changed).await;
    let refused = server.basic(&client, "/token", &[GRANT]).await;
    refused.expect_error(401, &["invalid_client"]);
    server.read(&client).await.expect_status(200);
    let stale = server.administrate("POST", &rotate).await;
    let stale = Answer::of(stale.header("if-match", "\"1\"")).await;
    stale.expect_error(412, &["precondition_failed"]);
    let audited = server.events(0).await;
    let event = audited
        .iter()
        .find(|event| event["action"] == "client_secret_rotated")
        .expect("an event of the audit log");
    assert_eq!(
        (&event["actor"], &event["subject"]),
        (&json!("administrator"), &json!(client.id))
    );
    let feed = server.called("GET", "/admin/v1/events?after=0").await;
    let kinds: Vec<&str> = feed.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["client.created", "client.secret_rotated"]);
    server.must_not_leak(secret);
}

#[tokio::test]
async fn a_new_registration_access_token_replaces_the_previous_one_at_once() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let rotate = format!("{}/registration-token", path(&client));
    let answer = server.called("POST", &rotate).await;
    answer.expect_status(200);
    assert_eq!(answer.member("client_secret"), &Value::Null);
    let renewed = Registered::of(answer.body.clone());
    assert_eq!(renewed.uri, client.uri);
    server.read(&client).await.expect_status(401);
    server.read(&renewed).await.expect_status(200);
    let event = server.events(0).await.pop().unwrap();
    assert_eq!(event["action"], "registration_token_rotated");
}

#[tokio::test]
async fn a_credential_that_a_client_does_not_have_is_not_created() {
    let server = TestServer::configured(|configuration| {
        configuration
            .live
            .registration
            .reuse_identical_public_clients = true;
    })
    .await;
    let public = json!({
        "redirect_uris": ["https://client.example.org/cb"], "token_endpoint_auth_method": "none",
    });
    let shared = server.post(&public).await;
    shared.expect_status(201);
    let id = shared.member("client_id").as_str().unwrap();
    let secret = server.called("POST", &format!("{ALL}/{id}/secret")).await;
    secret.expect_error(409, &["no_client_secret"]);
    assert!(secret.text.contains("token_endpoint_auth_method"));
    let token = server
        .called("POST", &format!("{ALL}/{id}/registration-token"))
        .await;
    token.expect_error(409, &["client_unmanaged"]);
    for part in ["secret", "registration-token"] {
        let own = format!("{ALL}/administrator/{part}");
        let own = server.called("POST", &own).await;
        own.expect_error(403, &["access_denied"]);
        let unknown = server
            .called("POST", &format!("{ALL}/unknown/{part}"))
            .await;
        unknown.expect_error(404, &["not_found"]);
    }
}

#[tokio::test]
async fn each_change_needs_the_scope_for_writing() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let token = server.administrator_token_for("clients.read").await;
    let one = path(&client);
    let secret = format!("{one}/secret");
    let renewal = format!("{one}/registration-token");
    for (method, path) in [
        ("PATCH", one.as_str()),
        ("POST", ALL),
        ("POST", &secret),
        ("POST", &renewal),
    ] {
        let answer = server.call_as(&token, method, path, Some(&json!({}))).await;
        answer.expect_error(403, &["insufficient_scope"]);
        assert!(answer.text.contains("clients.write"), "{}", answer.text);
    }
    assert_eq!(server.read(&client).await.header("etag"), "\"1\"");
}
