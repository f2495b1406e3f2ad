//! Scripts hold registrations and updates.

use serde_json::{Value, json};

use super::{PAGE, decide, defer, list, poll};
use crate::support::{TestServer, minimal, registering, with};

const HOLDS: &str = r#"
    fn createClient(context) {
        if context.client.client_name == "New" { context.holdForApproval("a new vendor"); }
        true
    }
    fn updateClient(context) {
        if context.client.client_name == "Renamed" { context.holdForApproval("another name"); }
        true
    }
"#;

/// Starts a server whose script holds some clients.
async fn holding(approval: &str, more: Value) -> TestServer {
    let options = json!({"registrationApproval": approval, "registrationApprovalUri": PAGE});
    let options = with(options, more);
    TestServer::scripted(&[("10-hold.rhai", HOLDS)], |configuration| {
        registering(configuration, options);
    })
    .await
}

#[tokio::test]
async fn a_script_holds_a_registration_and_states_why() {
    let server = holding("offered", json!({})).await;
    let modes = json!({"registration_mode": ["immediate", "approval"]});
    let named = |name: &str| with(with(minimal(), modes.clone()), json!({"client_name": name}));
    server.post(&named("Known")).await.expect_status(201);
    let (code, id) = defer(&server, &named("New")).await;
    assert_eq!(list(&server, "").await[0]["reason"], "a new vendor");
    decide(&server, &id, "approve", "").await.expect_status(204);
    poll(&server, &code).await.expect_status(201);
    // A client that cannot wait is rejected.
    let unable = with(minimal(), json!({"client_name": "New"}));
    let answer = server.post(&unable).await;
    answer.expect_bad_metadata("registration_mode: must contain approval");

    let off = holding("off", json!({})).await;
    let answer = off.post(&unable).await;
    answer.expect_error(403, &["access_denied"]);
    off.post(&minimal()).await.expect_status(201);
}

#[tokio::test]
async fn an_update_waits_and_the_client_stays_as_it_was() {
    let server = holding("offered", json!({})).await;
    let client = server.register(&minimal()).await;
    let modes = json!({"registration_mode": ["immediate", "approval"]});
    let body = client.update(with(modes.clone(), json!({"client_name": "Renamed"})));
    let put = async |body: &Value| {
        let answer = server.update(&client, body).await;
        answer.expect_status(202);
        answer.body["registration_code"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let code = put(&body).await;
    let second = server.update(&client, &body).await;
    second.expect_error(409, &["conflict"]);
    let read = server.read(&client).await;
    assert_eq!(read.body["client_name"], client.body["client_name"]);
    let id = list(&server, "").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let detail = server
        .called("GET", &format!("/admin/v1/pending/{id}"))
        .await;
    assert_eq!(detail.body["type"], "update");
    assert_eq!(detail.body["changed"], json!(["client_name"]));
    assert_eq!(
        detail.body["change"]["after"],
        json!({"client_name": "Renamed"})
    );
    decide(&server, &id, "approve", "").await.expect_status(204);
    let updated = poll(&server, &code).await;
    updated.expect_status(200);
    assert_eq!(updated.body["client_name"], "Renamed");
    let read = server.read(&client).await;
    read.expect_status(200);
    assert_eq!(read.body["client_name"], "Renamed");

    // An update that no script holds takes effect, whatever the client can do.
    let wish = json!({"registration_mode": ["approval"], "client_name": "Own"});
    let own = server.update(&client, &client.update(wish)).await;
    own.expect_status(200);

    // Another change came first.
    let code = put(&body).await;
    let id = list(&server, "").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = client.update(json!({"client_name": "Other"}));
    server.update(&client, &other).await.expect_status(200);
    decide(&server, &id, "approve", "").await.expect_status(204);
    let late = poll(&server, &code).await;
    late.expect_error(400, &["invalid_registration"]);
    assert_eq!(server.read(&client).await.body["client_name"], "Other");
}
