//! Which clients a sweep removes, and what is told about documents outside the store.

use serde_json::{Value, json};

use super::{PATH, World, client_path};
use crate::support::{Answer, Reply, TestServer};

/// Starts a server that keeps `most` clients of strangers.
async fn keeping(most: usize) -> World {
    World::with(&[], json!({}), |configuration| {
        configuration.settings.limits.documents = most;
    })
    .await
}

#[tokio::test]
async fn clients_that_strangers_cause_have_a_limit_and_approved_ones_stay() {
    let world = keeping(1).await;
    let approved = world.publish("/approved", json!({}));
    let client = world.client(&approved).await;
    world
        .approve(&approved, &client["document"]["digest"])
        .await;
    let pinned = world.origin.url("/pinned");
    let pin = json!({"client_id": pinned, "document": world.document("/pinned", json!({}))});
    world.order("pin", pin).await.expect_status(200);
    let (old, new) = (
        world.publish("/old", json!({})),
        world.publish("/new", json!({})),
    );
    world.client(&old).await;
    world.server.clock.advance(10);
    world.client(&new).await;
    world.server.inside().sweep().await;
    let mut left = vec![approved, new, pinned];
    left.sort();
    assert_eq!(world.clients().await, left);
    // A client that was swept is not denied.
    world.client(&old).await;
}

#[tokio::test]
async fn the_clients_that_were_not_used_for_longest_are_removed_first() {
    let world = keeping(2).await;
    let paths = ["/1", "/2", "/3", "/4", "/5"];
    let urls = paths.map(|path| world.publish(path, json!({})));
    for url in &urls {
        world.client(url).await;
        world.server.clock.advance(10);
    }
    let use_it = async |url: &String| {
        // Uses are noted to the hour.
        world.server.clock.advance(7_200);
        let used = world
            .ask("POST", &format!("{}/used", client_path(url)))
            .await;
        used.expect_status(204);
    };
    for url in [&urls[1], &urls[3], &urls[0]] {
        use_it(url).await;
    }
    // The two that were never used, and of the others the one that was used first.
    world.server.inside().sweep().await;
    assert_eq!(world.clients().await, [urls[0].clone(), urls[3].clone()]);
    // A use later than that of the others saves a client.
    use_it(&urls[3]).await;
    world.client(&urls[4]).await;
    use_it(&urls[4]).await;
    world.server.inside().sweep().await;
    assert_eq!(world.clients().await, urls[3..]);
}

#[tokio::test]
async fn an_unused_client_is_swept_unless_its_document_is_approved() {
    let world = World::new(json!({"unusedClientLifetime": 1_000})).await;
    let approved = world.publish("/approved", json!({}));
    let client = world.client(&approved).await;
    world
        .approve(&approved, &client["document"]["digest"])
        .await;
    let other = world.publish("/other", json!({}));
    world.client(&other).await;
    world.server.clock.advance(2_000);
    world.server.inside().sweep().await;
    assert_eq!(world.clients().await, [approved]);
}

/// Returns a document whose values all contain `canary`.
fn telling(world: &World, canary: &str) -> Value {
    let host = format!("https://{canary}.example.org");
    world.document(
        PATH,
        json!({
            "client_name": format!("Name {canary}"), "contacts": [format!("{canary}@example.org")],
            "redirect_uris": [format!("{host}/cb")], "logo_uri": format!("{host}/logo"),
            "client_uri": host, "tos_uri": format!("{host}/tos"), "software_id": canary,
            "scope": format!("openid {canary}"), "unknown": canary, "x-octets": format!("only-{canary}"),
        }),
    )
}

#[tokio::test]
async fn no_log_and_no_metric_has_octets_or_values_of_a_document() {
    const CANARY: &str = "canary7f3a91c2";
    let script = r#"fn updateClient(context) { context.client.software_version != "no" }"#;
    let settings = json!({"clientDocumentHold": "keep", "clientDocumentApproval": "first"});
    let world = World::with(&[("10-no.rhai", script)], settings, |_| {}).await;
    let with = |more: Value| crate::support::with(telling(&world, CANARY), more);
    let bad =
        json!({"redirect_uris": [format!("javascript:{CANARY}")], "logo_uri": CANARY, CANARY: 1});
    let url = world.origin.at(PATH, Reply::json(with(json!({}))));
    // A new document, an approval, a held change, an approval of it, and every kind of refusal.
    world.expect_pending(&url).await;
    world
        .approve(&url, &world.candidate(&url).await["digest"])
        .await;
    world.client(&url).await;
    let name = json!({"client_name": format!("Other {CANARY}")});
    for (reply, status) in [
        (Reply::json(with(name.clone())), 200),
        (
            Reply::json(with(
                json!({"tos_uri": format!("https://{CANARY}.example.org/2")}),
            )),
            200,
        ),
        (Reply::json(with(json!({"client_secret": CANARY}))), 200),
        (Reply::json(with(bad)), 200),
        (Reply::text("text/html", CANARY), 200),
        (
            Reply::text("application/json", format!("{{\"{CANARY}\": ")),
            200,
        ),
        (Reply::json(with(json!({"software_version": "no"}))), 403),
    ] {
        world.origin.set(PATH, reply);
        world.server.clock.advance(600);
        assert_eq!(world.resolve(&url).await.status, status);
        world.origin.set(PATH, Reply::json(with(json!({}))));
        world.server.clock.advance(600);
        world.client(&url).await;
    }
    world.origin.set(PATH, Reply::json(with(name)));
    world.server.clock.advance(600);
    world.client(&url).await;
    world
        .approve(&url, &world.candidate(&url).await["digest"])
        .await;
    let pin = json!({"client_id": url, "document": with(json!({"software_version": "1"}))});
    world.order("pin", pin).await.expect_status(200);
    let mut checked = with(json!({}));
    checked["redirect_uris"] = json!([CANARY]);
    let check = json!({"client_id": url, "document": checked});
    world.order("check", check).await.expect_status(200);
    let denial = json!({"client_id": url});
    world.order("deny", denial).await.expect_status(204);

    let audit = world.ask("GET", "/admin/v1/audit?limit=500").await;
    assert!(audit.text.contains(&url), "{}", audit.text);
    for action in ["held", "changed", "approved", "refused", "pinned", "denied"] {
        assert!(
            audit.text.contains(&format!("document_{action}")),
            "{action}"
        );
    }
    // It has the values of members that changed, where they cannot be secret, and nothing else of a document.
    let mut events = audit.body["events"].clone();
    for event in events.as_array_mut().expect("events") {
        if let Some(details) = event["details"].as_object_mut() {
            details.retain(|name, _| name != "before" && name != "after");
        }
    }
    let events = events.to_string();
    assert!(!events.contains(CANARY), "{events}");
    TestServer::expect_untold(CANARY);
    let metrics = Answer::of(world.server.ask("GET", "/metrics")).await;
    assert!(!metrics.text.contains(PATH), "{}", metrics.text);
    let outcome = "registrar_document_resolutions_total{outcome=\"held\"}";
    assert!(metrics.text.contains(outcome), "{}", metrics.text);
}
