//! What scripts see of a request beyond its metadata: the stored client, its initial access token, the time, and
//! the values that scripts share.

use serde_json::{Value, json};

use crate::support::{START, TestServer, minimal, with};

#[tokio::test]
async fn an_update_and_a_deletion_see_the_stored_client() {
    let script = r#"
        fn createClient(context) {
            if context.stored != () { throw "a new client is not stored"; }
            context.client.org_id = "acme";
            true
        }
        fn updateClient(context) {
            if context.stored.client_id != context.client.client_id { return false; }
            context.client.org_id = context.stored.org_id;
            context.client.software_version = `was ${context.stored.client_name}`;
            true
        }
        fn deleteClient(context) { context.stored.client_name != "kept" }
    "#;
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let client = server.register(&minimal()).await;
    assert_eq!(client.body["org_id"], "acme");
    let mut update = client.update(json!({"client_name": "kept"}));
    update.as_object_mut().unwrap().remove("org_id");
    let updated = server.update(&client, &update).await;
    updated.expect_status(200);
    assert_eq!(
        (&updated.body["org_id"], &updated.body["software_version"]),
        (&json!("acme"), &json!("was K"))
    );
    server
        .delete(&client)
        .await
        .expect_error(403, &["access_denied"]);
    let renamed = client.update(json!({"client_name": "free"}));
    server.update(&client, &renamed).await.expect_status(200);
    server.delete(&client).await.expect_status(204);
}

#[tokio::test]
async fn the_stored_client_is_read_only() {
    let script = r#"fn updateClient(context) { context.stored.client_name = "x"; true }"#;
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let client = server.register(&minimal()).await;
    let update = client.update(json!({"client_name": "y"}));
    server
        .update(&client, &update)
        .await
        .expect_error(500, &["server_error"]);
    assert_eq!(server.read(&client).await.body["client_name"], "K");
}

#[tokio::test]
async fn scripts_share_values_within_one_request() {
    let first = r#"
        fn adaptRequest(request, context) {
            context.shared.hooks = ["adaptRequest"];
            context.shared.times = (context.shared.times ?? 0) + 1;
            true
        }
        fn createClient(context) { context.shared.hooks.push("createClient"); true }
    "#;
    let second = r#"
        fn createClient(context) { context.shared.hooks.push("the second script"); true }
        fn modifyPostResponse(response, context) {
            response.hooks = context.shared.hooks;
            response.times = context.shared.times;
            response.time = context.time;
            true
        }
    "#;
    let server = TestServer::scripted(&[("10-a.rhai", first), ("20-b.rhai", second)], |_| {}).await;
    for _ in 0..2 {
        let client = server.register(&minimal()).await;
        let hooks = json!(["adaptRequest", "createClient", "the second script"]);
        assert_eq!(
            (
                &client.body["hooks"],
                &client.body["times"],
                &client.body["time"]
            ),
            (&hooks, &json!(1), &json!(START))
        );
    }
}

#[tokio::test]
async fn scripts_see_the_identifier_and_the_note_of_the_token_in_updates_too() {
    let script = r"
        fn note(context) {
            let id = context.initialAccessTokenId;
            context.client.software_version = `${id} ${context.initialAccessTokenNote}`;
            true
        }
        fn createClient(context) { note(context) }
        fn updateClient(context) { note(context) }
    ";
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let id = server
        .initial_access("with-a-note", json!({"note": "for Partner A"}))
        .await;
    let created = server.post_with("with-a-note", &minimal()).await;
    created.expect_status(201);
    let client = crate::support::Registered::of(created.body);
    let seen = Value::from(format!("{id} for Partner A"));
    assert_eq!(client.body["software_version"], seen);
    let revoked = server.storage().revoke_initial_access(&id, START).await;
    assert!(revoked.unwrap());
    let update = client.update(json!({"client_name": "B"}));
    let updated = server.update(&client, &update).await;
    updated.expect_status(200);
    assert_eq!(updated.body["software_version"], seen);
    let open = server.register(&with(minimal(), json!({}))).await;
    assert_eq!(open.body["software_version"], " ");
}
