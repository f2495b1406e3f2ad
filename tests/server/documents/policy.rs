//! Scripts judge documents as they judge registrations.

use serde_json::json;

use super::{PATH, World};

#[tokio::test]
async fn a_script_decides_whether_a_document_is_fetched() {
    let script = r#"
        fn mayFetchDocument(context) {
            if context.document.host != "127.0.0.1" { throw "host"; }
            if context.document.url.ends_with("/no") { return false; }
            if context.document.url.ends_with("/own") {
                context.createWebApplicationException(403, #{ error: "not_here", error_description: "not here" });
            }
        }
    "#;
    let world = World::with(&[("10-fetch.rhai", script)], json!({}), |_| {}).await;
    let (yes, no) = (
        world.publish("/yes", json!({})),
        world.publish("/no", json!({})),
    );
    let own = world.publish("/own", json!({}));
    world.client(&yes).await;
    world.expect_denied(&no).await;
    world.resolve(&own).await.expect_error(403, &["not_here"]);
    assert_eq!(world.origin.hits("/no") + world.origin.hits("/own"), 0);
}

#[tokio::test]
async fn scripts_see_the_document_and_may_reject_or_change_it() {
    let script = r#"
        fn createClient(context) {
            let document = context.document;
            if context.trustLevel != "document" || document.change != () { throw "context"; }
            if document.digest.len != 43 || document.pinned { throw "document"; }
            if context.httpRequest.ipAddress != "192.0.2.7" { throw "address"; }
            if document.url.ends_with("/no") { return false; }
            if document.url.ends_with("/fault") { throw "fault"; }
            context.client.contacts = ["a@example.org"];
            true
        }
        fn updateClient(context) {
            let change = context.document.change;
            change.members.len == 1 && change.members[0] == "client_name" && change.before.client_name == "Editor"
                && change.after.client_name == "Other" && change.downgrades.is_empty()
                && context.stored.client_name == "Editor"
        }
    "#;
    let world = World::with(&[("10-judge.rhai", script)], json!({}), |_| {}).await;
    let user = [("address", "192.0.2.7")];
    let url = world.publish(PATH, json!({}));
    let answer = world.resolve_with(&url, &user).await;
    answer.expect_status(200);
    assert_eq!(
        answer.body["metadata"]["contacts"],
        json!(["a@example.org"])
    );
    let no = world.publish("/no", json!({}));
    world
        .resolve_with(&no, &user)
        .await
        .expect_error(403, &["document_denied"]);
    let fault = world.publish("/fault", json!({}));
    world
        .resolve_with(&fault, &user)
        .await
        .expect_error(500, &["server_error"]);
    world.change(PATH, json!({"client_name": "Other"}));
    let revision = answer.body["revision"].as_u64().unwrap();
    assert_eq!(world.client(&url).await["revision"], json!(revision + 1));
    world.change(PATH, json!({"client_name": "Third"}));
    world.expect_denied(&url).await;
}

#[tokio::test]
async fn a_script_may_hold_a_change_and_its_fault_keeps_the_version_in_force() {
    let script = r#"
        fn updateClient(context) {
            if context.client.client_name == "Fault" { throw "a fault"; }
            if context.client.client_name == "Held" { context.holdForApproval("a new name"); }
            true
        }
    "#;
    let world = World::with(&[("10-hold.rhai", script)], json!({}), |_| {}).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.change(PATH, json!({"client_name": "Fault"}));
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    assert_eq!(client["document"]["stale"], json!(true));
    let listed = world.ask("GET", "/admin/v1/client-documents").await;
    assert_eq!(listed.body["documents"], json!([]));
    // The settings hold nothing, but the script does.
    world.change(PATH, json!({"client_name": "Held"}));
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    assert_eq!(client["document"]["held_change"], json!(["client_name"]));
    let held = world.candidate(&url).await;
    assert_eq!(held["reason"], "a new name");
    world.approve(&url, &held["digest"]).await;
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Held");
    // After a fault for longer than a version may be kept, there is no client.
    world.publish(PATH, json!({"client_name": "Fault"}));
    world.server.clock.advance(4_000);
    let answer = world.resolve(&url).await;
    answer.expect_error(500, &["server_error"]);
    assert!(!answer.text.contains("a fault"), "{}", answer.text);
}

#[tokio::test]
async fn a_script_may_hold_a_document() {
    let script = r#"
        fn createClient(context) { context.holdForApproval("new vendor"); true }
    "#;
    let world = World::with(&[("10-hold.rhai", script)], json!({}), |_| {}).await;
    let url = world.publish(PATH, json!({}));
    let answer = world.expect_pending(&url).await;
    assert_eq!(answer.member("waiting_since"), &json!(world.server.now()));
    let listed = world
        .ask("GET", "/admin/v1/client-documents?state=waiting")
        .await;
    listed.expect_status(200);
    let waiting = &listed.body["documents"][0];
    assert_eq!(
        (&waiting["client_id"], &waiting["reason"]),
        (&json!(url), &json!("new vendor"))
    );
    world.approve(&url, &waiting["digest"]).await;
    world.client(&url).await;
    assert_eq!(world.origin.hits(PATH), 1);
}
