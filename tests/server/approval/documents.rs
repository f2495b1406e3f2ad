//! Client documents among what waits: the same calls and events, with scopes of their own.

use serde_json::{Value, json};

use super::{PAGE, waiting};
use crate::documents::{PATH, World};
use crate::support::{Answer, with};

/// A world where registrations and new URLs wait.
async fn world(more: Value) -> World {
    let options = json!({
        "registrationApproval": "offered", "registrationApprovalUri": PAGE, "clientDocumentApproval": "first",
        "clientDocumentHold": "keep",
    });
    World::new(with(options, more)).await
}

async fn pending(world: &World, query: &str) -> Vec<Value> {
    let answer = world.ask("GET", &format!("/admin/v1/pending{query}")).await;
    answer.expect_status(200);
    answer.body["pending"].as_array().unwrap().clone()
}

/// Lets the document at `path` wait, and returns its URL and what is listed of it.
async fn wait(world: &World, path: &str) -> (String, Value) {
    let url = world.publish(path, json!({}));
    let answer = world.resolve(&url).await;
    answer.expect_error(403, &["document_pending"]);
    let listed = pending(world, "?type=document").await;
    let found = listed.into_iter().find(|item| item["client_id"] == url);
    (url, found.expect("it waits"))
}

async fn decide(world: &World, item: &Value, verb: &str, body: Value) -> Answer {
    let path = format!("/admin/v1/pending/{}/{verb}", item["id"].as_str().unwrap());
    world
        .send(world.server.ask("POST", &path).json(&body))
        .await
}

async fn events(world: &World) -> Vec<(String, Value, Value)> {
    let events = world.ask("GET", "/admin/v1/events").await;
    let events = events.body["events"].as_array().unwrap();
    let shown = |event: &Value| {
        (
            event["type"].as_str().unwrap().to_owned(),
            event["pending"].clone(),
            event["pending_type"].clone(),
        )
    };
    events.iter().map(shown).collect()
}

#[tokio::test]
async fn a_new_url_is_listed_shown_and_approved_with_its_digest() {
    let world = world(json!({})).await;
    world.server.post(&waiting()).await.expect_status(202);
    let (url, item) = wait(&world, PATH).await;
    assert_eq!(item["type"], "document");
    assert_eq!(item["state"], "waiting");
    assert_eq!(item["client_name"], "Editor");
    assert_eq!(item["asked_by"], "administrator");
    assert_eq!(pending(&world, "").await.len(), 2);
    assert_eq!(pending(&world, "?type=registration").await.len(), 1);
    let path = format!("/admin/v1/pending/{}", item["id"].as_str().unwrap());
    let shown = world.ask("GET", &path).await;
    shown.expect_status(200);
    let candidate = world.candidate(&url).await;
    for member in ["digest", "document", "metadata", "trust_level"] {
        assert_eq!(shown.body[member], candidate[member], "{member}");
    }

    let unseen = decide(&world, &item, "approve", json!({})).await;
    unseen.expect_error(400, &["invalid_request", "digest"]);
    let other = json!({"digest": "other"});
    decide(&world, &item, "approve", other.clone())
        .await
        .expect_error(409, &["conflict"]);
    decide(&world, &item, "deny", other)
        .await
        .expect_error(409, &["conflict"]);
    let seen = json!({"digest": shown.body["digest"], "note": "known vendor"});
    decide(&world, &item, "approve", seen.clone())
        .await
        .expect_status(204);
    let client = world.client(&url).await;
    assert_eq!(client["document"]["approved"]["note"], "known vendor");
    decide(&world, &item, "approve", seen)
        .await
        .expect_status(404);
    assert_eq!(pending(&world, "").await.len(), 1);
    let events = events(&world).await;
    let ours = events.iter().filter(|(_, id, _)| *id == item["id"]);
    let ours: Vec<(&str, &Value)> = ours.map(|(name, _, kind)| (name.as_str(), kind)).collect();
    let document = json!("document");
    assert_eq!(
        ours,
        [
            ("client.pending", &document),
            ("client.approved", &document)
        ]
    );
    assert!(events.iter().any(|(_, _, kind)| kind == "registration"));
}

#[tokio::test]
async fn a_held_change_is_listed_with_what_differs_and_can_be_denied() {
    let world = world(json!({"clientDocumentApproval": "never"})).await;
    let url = world.publish(PATH, json!({}));
    world.client(&url).await;
    world.publish(PATH, json!({"client_name": "Other"}));
    world.server.clock.advance(400);
    world.client(&url).await;
    let held = pending(&world, "?type=document").await.remove(0);
    assert_eq!(held["changed"], json!(["client_name"]));
    let path = format!("/admin/v1/pending/{}", held["id"].as_str().unwrap());
    let shown = world.ask("GET", &path).await;
    assert_eq!(
        (
            &shown.body["change"]["before"],
            &shown.body["change"]["after"]
        ),
        (
            &json!({"client_name": "Editor"}),
            &json!({"client_name": "Other"})
        )
    );
    let end = world.server.now() + 3_600;
    decide(&world, &held, "deny", json!({"until": end}))
        .await
        .expect_status(204);
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_denied"]);
    let names: Vec<String> = events(&world).await.into_iter().map(|it| it.0).collect();
    assert_eq!(
        names,
        [
            "client.created",
            "client.pending",
            "client.deleted",
            "client.denied"
        ]
    );
    // The same octets wait once, and other octets anew.
    world.server.clock.advance(3_600);
    let registration = world.server.post(&waiting()).await;
    registration.expect_status(202);
    let request = pending(&world, "?type=registration").await.remove(0);
    decide(&world, &request, "deny", json!({"until": end}))
        .await
        .expect_error(400, &["invalid_request", "until"]);
    decide(&world, &request, "deny", json!({"digest": "other"}))
        .await
        .expect_error(409, &["conflict"]);
    decide(&world, &request, "deny", json!({}))
        .await
        .expect_status(204);
}

#[tokio::test]
async fn documents_need_scopes_of_their_own() {
    let world = world(json!({})).await;
    let (url, item) = wait(&world, PATH).await;
    world.server.post(&waiting()).await.expect_status(202);
    let id = item["id"].as_str().unwrap();
    let ask = async |scope: &str, method: &str, path: &str| {
        let token = world.server.administrator_token_for(scope).await;
        let request = world.server.ask(method, path).bearer_auth(token);
        Answer::of(request.json(&json!({"digest": "x"}))).await
    };
    let (both, one) = ("pending.read documents.read", "pending.read");
    let list = "/admin/v1/pending";
    let of_documents = "/admin/v1/pending?type=document";
    let listed = ask(both, "GET", list).await;
    assert_eq!(listed.body["pending"].as_array().unwrap().len(), 2);
    // Without the scope for documents, they are not listed, and not shown.
    let listed = ask(one, "GET", list).await;
    listed.expect_status(200);
    assert!(!listed.text.contains(&url), "{}", listed.text);
    assert_eq!(listed.body["pending"].as_array().unwrap().len(), 1);
    let shown = format!("/admin/v1/pending/{id}");
    for path in [of_documents, &shown] {
        let refused = ask(one, "GET", path).await;
        refused.expect_error(403, &["insufficient_scope", "documents.read"]);
        ask(both, "GET", path).await.expect_status(200);
        // The scope for documents alone opens the calls for documents.
        ask("documents.read", "GET", path).await.expect_status(403);
    }
    for verb in ["approve", "deny"] {
        let path = format!("/admin/v1/pending/{id}/{verb}");
        for scope in [
            "pending.write",
            "documents.write",
            "pending.write documents.read",
        ] {
            let refused = ask(scope, "POST", &path).await;
            refused.expect_error(403, &["insufficient_scope"]);
        }
        let admitted = ask("pending.write documents.write", "POST", &path).await;
        admitted.expect_error(409, &["conflict"]);
    }
}

#[tokio::test]
async fn pages_go_through_everything_that_waits_once() {
    let world = world(json!({})).await;
    let mut expected = Vec::new();
    for number in 0..4 {
        let (_, item) = wait(&world, &format!("/oauth/{number}.json")).await;
        expected.push(item["id"].clone());
        world.server.post(&waiting()).await.expect_status(202);
    }
    for item in pending(&world, "?type=registration").await {
        expected.push(item["id"].clone());
    }
    assert_eq!(expected.len(), 8);
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/admin/v1/pending?limit=3{after}");
        let page = world.ask("GET", &path).await;
        let items = page.body["pending"].as_array().unwrap();
        assert!(items.len() <= 3);
        found.extend(items.iter().map(|item| item["id"].clone()));
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    expected.sort_by_key(ToString::to_string);
    assert_eq!(found, expected);
}
