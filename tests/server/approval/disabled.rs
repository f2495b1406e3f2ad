//! Clients that cannot wait are disabled until they are approved (`registrationApprovalSilent`).

use serde_json::json;

use super::{PAGE, decide, defer, list, poll, server, waiting};
use crate::support::{Answer, GRANT, TestServer, machine, registering};

#[tokio::test]
async fn a_client_that_cannot_wait_is_disabled_until_it_is_approved() {
    let silent = json!({"registrationApprovalSilent": true});
    let server = server("required", silent).await;
    let client = server.register(&machine()).await;
    let token = async |expected: u16| {
        let answer = server.basic(&client, "/token", &[GRANT]).await;
        answer.expect_status(expected);
    };
    token(401).await;
    let listed = list(&server, "").await;
    assert_eq!(listed[0]["type"], "registration");
    assert_eq!(listed[0]["disabled"], true);
    assert_eq!(listed[0]["client_id"], client.body["client_id"]);
    let id = listed[0]["id"].as_str().unwrap();
    decide(&server, id, "approve", "fine")
        .await
        .expect_status(204);
    token(200).await;
    assert_eq!(server.provenance(&client).await["approval"]["note"], "fine");
    assert!(list(&server, "").await.is_empty());

    let other = server.register(&machine()).await;
    let listed = list(&server, "").await;
    let id = listed[0]["id"].as_str().unwrap();
    decide(&server, id, "deny", "").await.expect_status(204);
    server.read(&other).await.expect_status(401);
    decide(&server, id, "deny", "").await.expect_status(404);
}

#[tokio::test]
async fn nothing_is_left_to_decide_about_a_client_that_was_enabled_otherwise() {
    let silent = json!({"registrationApprovalSilent": true});
    let server = server("required", silent).await;
    let client = server.register(&machine()).await;
    let listed = list(&server, "").await;
    let id = listed[0]["id"].as_str().unwrap();
    let path = format!("/admin/v1/clients/{}", client.id);
    let shown = server.called("GET", &path).await;
    let mut members = shown.body["metadata"].clone();
    members.as_object_mut().unwrap().shift_remove("disabled");
    let request = server.administrate("PUT", &path).await;
    Answer::of(request.json(&members)).await.expect_status(200);
    decide(&server, id, "deny", "")
        .await
        .expect_error(409, &["conflict"]);
    server.access_token(&client).await;
    assert!(list(&server, "").await.is_empty());
}

/// Changes the member `disabled` of a client as an administrator.
async fn set_disabled(server: &TestServer, id: &str, is_disabled: bool) {
    let path = format!("/admin/v1/clients/{id}");
    let shown = server.called("GET", &path).await;
    let mut members = shown.body["metadata"].clone();
    members["disabled"] = is_disabled.into();
    let request = server.administrate("PUT", &path).await;
    Answer::of(request.json(&members)).await.expect_status(200);
}

#[tokio::test]
async fn a_client_that_nobody_approved_is_deleted_and_what_an_administrator_disabled_stays() {
    let server = TestServer::configured(|configuration| {
        let options = json!({
            "registrationApproval": "required", "registrationApprovalUri": PAGE,
            "registrationApprovalSilent": true,
        });
        registering(configuration, options);
        configuration.settings.store.clock_jump_hold_seconds = 0;
    })
    .await;
    let forgotten = server.register(&machine()).await;
    let enabled = server.register(&machine()).await;
    let abusive = server.register(&machine()).await;
    set_disabled(&server, &enabled.id, false).await;
    set_disabled(&server, &abusive.id, false).await;
    set_disabled(&server, &abusive.id, true).await;
    let (code, _) = defer(&server, &waiting()).await;
    server.clock.advance(30 * 86_400);
    server.inside().sweep().await;
    assert!(list(&server, "").await.is_empty());
    server.read(&forgotten).await.expect_status(401);
    for client in [&enabled, &abusive] {
        let path = format!("/admin/v1/clients/{}", client.id);
        server.called("GET", &path).await.expect_status(200);
    }
    poll(&server, &code)
        .await
        .expect_error(400, &["invalid_registration"]);
    let audit = server.called("GET", "/admin/v1/audit?limit=500").await;
    let count = audit.text.matches("registration_expired").count();
    assert_eq!(count, 4, "{}", audit.text);
}
