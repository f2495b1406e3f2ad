//! What administrators decide about documents.

use serde_json::{Value, json};

use super::{PATH, World};
use crate::support::{Reply, with};

const METHOD: &str = "token_endpoint_auth_method";

/// Returns the only document in this state.
async fn only(world: &World, state: &str) -> Value {
    let url = format!("/admin/v1/client-documents?state={state}");
    let answer = world.ask("GET", &url).await;
    answer.expect_status(200);
    let documents = answer.body["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents[0].clone()
}

#[tokio::test]
async fn a_new_url_waits_until_its_octets_are_approved() {
    let world = World::new(json!({"clientDocumentApproval": "first"})).await;
    let url = world.publish(PATH, json!({}));
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_pending"]);
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_pending"]);
    let waiting = only(&world, "waiting").await;
    assert_eq!(
        (&waiting["asked"], &waiting["last_asked_by"]),
        (&json!(1), &json!("administrator"))
    );
    let shown = world.resolve_candidate(&url).await;
    assert_eq!(shown["digest"], waiting["digest"]);
    assert_eq!(shown["metadata"]["client_name"], "Editor");
    let octets = world.document(PATH, json!({})).to_string();
    assert_eq!(shown["document"], json!(octets));
    let other = json!({"client_id": url, "digest": "x"});
    world
        .order("approve", other)
        .await
        .expect_error(409, &["conflict"]);
    let approval = json!({"client_id": url, "digest": waiting["digest"], "note": "ok"});
    world.order("approve", approval).await.expect_status(200);
    let client = world.client(&url).await;
    let approved = &client["document"]["approved"];
    assert_eq!(
        (&approved["by"], &approved["note"]),
        (&json!("administrator"), &json!("ok"))
    );
    assert_eq!(approved["digest"], client["document"]["digest"]);
    assert_eq!(world.origin.hits(PATH), 1);
    assert_eq!(
        world.actions().await,
        ["document_held", "document_approved"]
    );
    // A change of no sensitive member moves the approval along.
    world.publish(PATH, json!({"tos_uri": "https://editor.example.org/tos"}));
    world.server.clock.advance(400);
    let client = world.client(&url).await;
    assert_eq!(client["document"]["approved"]["by"], "unchanged members");
    assert_eq!(
        client["document"]["approved"]["digest"],
        client["document"]["digest"]
    );
}

impl World {
    /// Changes these members of a client, whose record is `client`, as an administrator.
    pub(super) async fn change_client(&self, client: &Value, more: Value) {
        let id = client["client_id"].as_str().unwrap();
        let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let path = format!("/admin/v1/clients/{encoded}");
        let metadata = with(client["metadata"].clone(), more);
        let request = self.server.ask("PUT", &path).json(&metadata);
        self.send(request).await.expect_status(200);
    }

    /// Returns the identifiers of the clients that documents made.
    pub(super) async fn clients(&self) -> Vec<String> {
        let path = "/admin/v1/clients?trust_level=document";
        let listed = self.ask("GET", path).await;
        let clients = listed.body["clients"].as_array().unwrap().clone();
        let ids = clients
            .iter()
            .map(|client| client["client_id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    }

    pub(crate) async fn resolve_candidate(&self, url: &str) -> Value {
        let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let path = format!("/admin/v1/client-documents/candidate?client_id={encoded}");
        let answer = self.ask("GET", &path).await;
        answer.expect_status(200);
        answer.body
    }
}

#[tokio::test]
async fn a_sensitive_change_is_held_and_a_withdrawn_redirect_uri_is_gone_at_once() {
    let world = World::new(json!({"clientDocumentHold": "keep"})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    let next = json!({"client_name": "Evil", "redirect_uris": ["https://editor.example.org/cb", "https://evil.example/cb"]});
    world.publish(PATH, next);
    world.server.clock.advance(400);
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Editor");
    assert_eq!(
        client["metadata"]["redirect_uris"],
        json!(["https://editor.example.org/cb"])
    );
    assert_eq!(
        client["document"]["held_change"],
        json!(["client_name", "redirect_uris", "application_type"])
    );
    let held = only(&world, "held").await;
    let shown = world.resolve_candidate(&url).await;
    assert_eq!(shown["change"]["after"]["client_name"], "Evil");
    // A kept version is rejected in the end.
    world.server.clock.advance(604_800);
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_pending"]);
    let approval = json!({"client_id": url, "digest": held["digest"]});
    world.order("approve", approval).await.expect_status(200);
    let client = world.client(&url).await;
    assert_eq!(client["metadata"]["client_name"], "Evil");
    assert_eq!(client["document"]["held_change"], json!(null));
}

#[tokio::test]
async fn a_held_change_that_is_taken_back_is_no_longer_held() {
    let world = World::new(json!({"clientDocumentHold": "stop"})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.publish(PATH, json!({"client_name": "Other"}));
    world.server.clock.advance(400);
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_pending"]);
    world.publish(PATH, json!({}));
    world.server.clock.advance(400);
    let client = world.client(&url).await;
    assert_eq!(client["document"]["held_change"], json!(null));
    let left = world.ask("GET", "/admin/v1/client-documents").await;
    assert_eq!(left.body["documents"], json!([]));
}

#[tokio::test]
async fn a_downgrade_is_held_whatever_the_settings() {
    for settings in [
        json!({}),
        json!({"clientDocumentSensitive": []}),
        json!({"clientDocumentApproval": "first", "clientDocumentApproved": ["https://127.0.0.1/*"]}),
    ] {
        let world = World::new(settings).await;
        let signer = crate::support::Signer::new("k", registrar::testing::Algorithm::Es256);
        let jwks = json!({METHOD: "private_key_jwt", "jwks": signer.jwks()});
        let url = world.publish(PATH, jwks);
        if world.resolve(&url).await.status == 403 {
            let waiting = only(&world, "waiting").await;
            let approval = json!({"client_id": url, "digest": waiting["digest"]});
            world.order("approve", approval).await.expect_status(200);
        }
        world.publish(PATH, json!({METHOD: "none"}));
        world.server.clock.advance(400);
        let client = world.client(&url).await;
        assert_eq!(client["metadata"][METHOD], "private_key_jwt");
        let shown = world.resolve_candidate(&url).await;
        assert_eq!(shown["change"]["downgrades"], json!([METHOD]));
    }
}

#[tokio::test]
async fn a_denial_removes_the_client_and_outlives_it() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    let until = world.server.now() + 1_000;
    let denial = json!({"client_id": url, "note": "spam", "until": until});
    world.order("deny", denial).await.expect_status(204);
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_denied"]);
    let denied = only(&world, "denied").await;
    assert_eq!(
        (&denied["note"], &denied["until"]),
        (&json!("spam"), &json!(until))
    );
    let clients = world
        .ask("GET", "/admin/v1/clients?trust_level=document")
        .await;
    assert_eq!(clients.body["clients"], json!([]));
    assert_eq!(world.origin.hits(PATH), 1);
    world.server.clock.advance(1_000);
    world.client(&url).await;
}

#[tokio::test]
async fn a_disabled_client_is_not_revived_by_a_fetch() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let client = world.client(&url).await;
    let members = json!({"disabled": true});
    world.change_client(&client, members).await;
    world.publish(PATH, json!({"client_name": "Other"}));
    world.server.clock.advance(100_000);
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_denied"]);
    assert_eq!(world.origin.hits(PATH), 1);
}

#[tokio::test]
async fn an_administrator_brings_a_document_that_is_never_fetched() {
    let world = World::new(json!({"clientDocumentApproval": "always"})).await;
    let url = world.origin.at(PATH, Reply::status(403));
    let bad = json!({"client_id": url, "document": {"client_id": url}});
    world
        .order("pin", bad)
        .await
        .expect_error(422, &["invalid_client_metadata"]);
    let pin = json!({"client_id": url, "document": world.document(PATH, json!({}))});
    let pinned = world.order("pin", pin).await;
    pinned.expect_status(200);
    assert_eq!(pinned.body["document"]["pinned"], json!(true));
    world.server.clock.advance(1_000_000);
    assert_eq!(world.client(&url).await["document"]["stale"], json!(false));
    assert_eq!(world.origin.hits(PATH), 0);
    world
        .order("unpin", json!({"client_id": url}))
        .await
        .expect_status(204);
    world
        .resolve(&url)
        .await
        .expect_error(503, &["document_unavailable"]);
    assert_eq!(world.origin.hits(PATH), 1);
    let again = world.order("unpin", json!({"client_id": url})).await;
    again.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn a_forced_fetch_ignores_the_validators() {
    let world = World::new(json!({})).await;
    let reply = Reply::json(world.document(PATH, json!({}))).header("etag", "\"a\"");
    let url = world.origin.at(PATH, reply.clone());
    world.client(&url).await;
    let changed = Reply::json(world.document(PATH, json!({"client_name": "Other"})));
    world.origin.set(PATH, changed);
    let order = json!({"client_id": url});
    let refreshed = world.order("refresh", order.clone()).await;
    refreshed.expect_status(200);
    assert_eq!(refreshed.body["metadata"]["client_name"], "Other");
    assert_eq!(world.origin.asked(PATH, "if-none-match"), None);
    world
        .order("refresh", order.clone())
        .await
        .expect_error(429, &["too_many_requests"]);
    world.server.clock.advance(30);
    world.order("refresh", order).await.expect_status(200);
    assert_eq!(world.origin.hits(PATH), 3);
}

#[tokio::test]
async fn clients_that_strangers_cause_have_a_limit_and_approved_ones_stay() {
    let world = World::with(&[], json!({}), |configuration| {
        configuration.settings.limits.documents = 1;
    })
    .await;
    let approved = world.publish("/approved", json!({}));
    let client = world.client(&approved).await;
    let approval = json!({"client_id": approved, "digest": client["document"]["digest"]});
    world.order("approve", approval).await.expect_status(200);
    let (old, new) = (
        world.publish("/old", json!({})),
        world.publish("/new", json!({})),
    );
    world.client(&old).await;
    world.server.clock.advance(10);
    world.client(&new).await;
    world.server.inside().sweep().await;
    let listed = world
        .ask("GET", "/admin/v1/clients?trust_level=document")
        .await;
    let clients = listed.body["clients"].as_array().unwrap();
    let left: Vec<&Value> = clients.iter().map(|client| &client["client_id"]).collect();
    assert_eq!(left, [&json!(approved), &json!(new)]);
    // A client that was swept is not denied.
    world.client(&old).await;
}

#[tokio::test]
async fn an_unused_client_is_swept_unless_its_document_is_approved() {
    let world = World::new(json!({"unusedClientLifetime": 1_000})).await;
    let approved = world.publish("/approved", json!({}));
    let client = world.client(&approved).await;
    let approval = json!({"client_id": approved, "digest": client["document"]["digest"]});
    world.order("approve", approval).await.expect_status(200);
    let other = world.publish("/other", json!({}));
    world.client(&other).await;
    world.server.clock.advance(2_000);
    world.server.inside().sweep().await;
    let listed = world
        .ask("GET", "/admin/v1/clients?trust_level=document")
        .await;
    assert_eq!(listed.body["clients"].as_array().unwrap().len(), 1);
    assert_eq!(listed.body["clients"][0]["client_id"], json!(approved));
}

#[tokio::test]
async fn neither_the_audit_log_nor_the_metrics_have_octets_or_values() {
    let world = World::new(json!({"clientDocumentHold": "keep"})).await;
    let url = world.publish(PATH, json!({"client_name": "value-7f3a"}));
    world.client(&url).await;
    world.publish(PATH, json!({"client_name": "value-7f3a-2"}));
    world.server.clock.advance(400);
    world.client(&url).await;
    let held = only(&world, "held").await;
    let approval = json!({"client_id": url, "digest": held["digest"]});
    world.order("approve", approval).await.expect_status(200);
    world.publish(PATH, json!({"client_secret": "value-7f3a"}));
    world.server.clock.advance(400);
    world.client(&url).await;
    let audit = world.ask("GET", "/admin/v1/audit?limit=500").await;
    assert!(!audit.text.contains("value-7f3a"), "{}", audit.text);
    assert!(audit.text.contains(&url));
    let metrics = crate::support::Answer::of(world.server.ask("GET", "/metrics")).await;
    assert!(!metrics.text.contains("value-7f3a") && !metrics.text.contains(PATH));
    let kept = "registrar_document_resolutions_total{outcome=\"held\"}";
    assert!(metrics.text.contains(kept), "{}", metrics.text);
}
