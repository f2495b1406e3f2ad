//! Changes of clients by an administrator.

use serde_json::{Value, json};

use crate::support::{Answer, GRANT, Registered, TestServer, machine, minimal, registering, with};

/// Sends a `PUT` of `body` as the administrator.
async fn put(server: &TestServer, client: &Registered, body: &Value) -> Answer {
    let request = server.administrate("PUT", &path(client)).await;
    Answer::of(request.json(body)).await
}

fn path(client: &Registered) -> String {
    format!("/admin/v1/clients/{}", client.id)
}

#[tokio::test]
async fn metadata_is_replaced_and_everything_else_is_kept() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(minimal(), json!({"contacts": ["a@example.org"]})))
        .await;
    let before = server.called("GET", &path(&client)).await;
    let mut wanted = before.body["metadata"].clone();
    wanted["client_name"] = json!("Renamed");
    wanted.as_object_mut().unwrap().shift_remove("contacts");
    let answer = put(&server, &client, &wanted).await;
    answer.expect_status(200);
    assert_eq!(
        (answer.header("etag"), &answer.body["revision"]),
        ("\"2\"", &json!(2))
    );
    assert_eq!(answer.body["metadata"], wanted);
    for kept in [
        "client_id",
        "client_id_issued_at",
        "provenance",
        "has_secret",
    ] {
        assert_eq!(answer.body[kept], before.body[kept], "{kept}");
    }
    let read = server.read(&client).await;
    assert_eq!(read.body["client_name"], "Renamed");
    assert_eq!(read.body["client_secret"], client.body["client_secret"]);
    assert!(
        !answer
            .text
            .contains(client.body["client_secret"].as_str().unwrap())
    );
    assert!(!answer.text.contains(&client.token));
    server
        .update(&client, &client.update(json!({})))
        .await
        .expect_status(200);
}

#[tokio::test]
async fn the_rules_of_an_update_apply() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let bad = with(
        minimal(),
        json!({"redirect_uris": ["http://client.example.org/cb"]}),
    );
    put(&server, &client, &bad).await.expect_bad_redirect();
    for (members, part) in [
        (json!({"client_id": "another"}), "client_id"),
        (json!({"client_secret": "chosen"}), "client_secret"),
        (json!({"contacts": "no list"}), "contacts"),
        (
            json!({"software_statement": "eyJhbGciOiJub25lIn0.e30."}),
            "software_statement",
        ),
    ] {
        put(&server, &client, &with(minimal(), members))
            .await
            .expect_bad_metadata(part);
    }
    let scopes = put(
        &server,
        &client,
        &with(minimal(), json!({"scope": "openid clients.write"})),
    )
    .await;
    assert_eq!(
        scopes.body["metadata"]["scope"], "openid",
        "an update must not grant scopes of administrators"
    );
    put(
        &server,
        &client,
        &with(minimal(), json!({"client_id": client.id})),
    )
    .await
    .expect_status(200);
    let request = async |body: &str, media_type: &str| {
        let request = server.administrate("PUT", &path(&client)).await;
        Answer::of(
            request
                .header("content-type", media_type)
                .body(body.to_owned()),
        )
        .await
    };
    request("{", "application/json")
        .await
        .expect_error(400, &["invalid_request"]);
    request("{}", "text/plain")
        .await
        .expect_error(415, &["invalid_request"]);
    request("x.y.z", "application/jwt")
        .await
        .expect_error(415, &["invalid_request"]);
    let large = format!("{{\"client_name\": \"{}\"}}", "x".repeat(70_000));
    request(&large, "application/json")
        .await
        .expect_error(413, &["invalid_request"]);
    let unknown = server
        .administrate("PUT", "/admin/v1/clients/unknown")
        .await;
    Answer::of(unknown.json(&minimal()))
        .await
        .expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn no_update_is_lost() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let conditional = async |method: &str, tag: &str| {
        let request = server
            .administrate(method, &path(&client))
            .await
            .header("if-match", tag);
        Answer::of(if method == "PUT" {
            request.json(&minimal())
        } else {
            request
        })
        .await
    };
    conditional("PUT", "\"1\"").await.expect_status(200);
    for method in ["PUT", "DELETE"] {
        conditional(method, "\"1\"")
            .await
            .expect_error(412, &["precondition_failed"]);
    }
    assert_eq!(server.read(&client).await.header("etag"), "\"2\"");
    conditional("DELETE", "\"2\"").await.expect_status(204);
    server.read(&client).await.expect_status(401);
}

#[tokio::test]
async fn a_disabled_client_is_rejected_until_an_administrator_enables_it() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let off = with(machine(), json!({"disabled": true, "trusted_client": true}));
    let answer = put(&server, &client, &off).await;
    assert_eq!(answer.body["metadata"]["disabled"], true);
    assert_eq!(answer.body["metadata"]["trusted_client"], true);
    server
        .basic(&client, "/token", &[GRANT])
        .await
        .expect_error(401, &["invalid_client"]);
    let own = server
        .update(&client, &client.update(json!({"disabled": false})))
        .await;
    own.expect_error(401, &["invalid_token"]);
    server
        .read(&client)
        .await
        .expect_error(401, &["invalid_token"]);
    server
        .delete(&client)
        .await
        .expect_error(401, &["invalid_token"]);
    server
        .basic(&client, "/token", &[GRANT])
        .await
        .expect_error(401, &["invalid_client"]);
    put(&server, &client, &machine()).await.expect_status(200);
    server.read(&client).await.expect_status(200);
    server.access_token(&client).await;
}

#[tokio::test]
async fn proofs_are_required_of_the_client_but_not_of_an_administrator() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    for key in [
        "softwareStatementRequired",
        "dcrAttestationEvidenceRequired",
    ] {
        let path = format!("/registration/{key}");
        let on = json!([{"op": "replace", "path": path, "value": true}]);
        let request = server.administrate("PATCH", "/admin/v1/config").await;
        let request = request.header("content-type", "application/json-patch+json");
        Answer::of(request.body(on.to_string()))
            .await
            .expect_status(200);
    }
    let own = server
        .update(&client, &client.update(json!({"client_name": "Own"})))
        .await;
    assert_eq!(own.status, 400, "{}", own.text);
    let answer = put(
        &server,
        &client,
        &with(minimal(), json!({"client_name": "Theirs"})),
    )
    .await;
    assert_eq!(
        answer.body["metadata"]["client_name"], "Theirs",
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn scripts_run_for_updates_and_deletions() {
    let script = r#"
        fn updateClient(context) {
            context.client.contacts = ["of@the.script"];
            context.client.client_name != "refused" && context.httpRequest.path.starts_with("/admin/v1/clients/")
        }
        fn deleteClient(context) { context.client.client_name != "kept" }
    "#;
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let client = server.register(&minimal()).await;
    let named = |name: &str| with(minimal(), json!({"client_name": name}));
    put(&server, &client, &named("refused"))
        .await
        .expect_error(400, &["invalid_client_metadata"]);
    let answer = put(&server, &client, &named("kept")).await;
    assert_eq!(
        answer.body["metadata"]["contacts"],
        json!(["of@the.script"])
    );
    assert_eq!(answer.body["provenance"]["scripts"][0]["name"], "10-a.rhai");
    server
        .called("DELETE", &path(&client))
        .await
        .expect_error(403, &["access_denied"]);
    put(&server, &client, &named("free"))
        .await
        .expect_status(200);
    server
        .called("DELETE", &path(&client))
        .await
        .expect_status(204);
}

#[tokio::test]
async fn the_policy_of_an_initial_access_token_applies_to_later_updates() {
    let server = TestServer::new().await;
    let policy = json!({"policy": {"redirect_hosts": ["client.example.org"]}});
    server.initial_access("initial", policy).await;
    let answer = server.post_with("initial", &minimal()).await;
    let client = Registered::of(answer.body);
    let other = with(
        minimal(),
        json!({"redirect_uris": ["https://other.example.org/cb"]}),
    );
    put(&server, &client, &other).await.expect_bad_redirect();
    put(&server, &client, &minimal()).await.expect_status(200);
    assert!(server.provenance(&client).await["initial_access_token"].is_string());
}

#[tokio::test]
async fn the_administrator_itself_is_changed_only_by_the_configuration() {
    let server =
        TestServer::configured(|configuration| registering(configuration, json!({}))).await;
    let own = Answer::of(
        server
            .administrate("PUT", "/admin/v1/clients/administrator")
            .await
            .json(&machine()),
    );
    own.await.expect_error(403, &["access_denied"]);
    server
        .called("GET", "/admin/v1/clients")
        .await
        .expect_status(200);
}

#[tokio::test]
async fn filters_read_times_in_every_form() {
    // The server starts at the beginning of 2026.
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let listed = async |filter: &str| {
        let path = format!("/admin/v1/clients?client_id={}&{filter}", client.id);
        server.called("GET", &path).await
    };
    for (filter, count) in [
        ("issued_from=1767225600", 1),
        ("issued_from=2026-01-01", 1),
        ("issued_from=2026-01-01T01:00:00%2B01:00", 1),
        ("issued_from=2026-01-01T00:00:01Z", 0),
        ("issued_from=30d", 1),
        ("issued_before=30d", 0),
        ("issued_before=%2B1s", 1),
        // A plus sign that was not encoded is a space.
        ("issued_before=+1h30m", 1),
        ("issued_from=+1s", 0),
    ] {
        let answer = listed(filter).await;
        answer.expect_status(200);
        let clients = answer.body["clients"].as_array().unwrap();
        assert_eq!(clients.len(), count, "{filter}");
    }
    for odd in ["yesterday", "-1d", "2026-02-30", "1m1h", ""] {
        let answer = listed(&format!("issued_from={odd}")).await;
        answer.expect_status(400);
        assert!(answer.text.contains("issued_from must be a time such as"));
    }
}
