//! What the resolver answers.

use serde_json::json;

use super::{PATH, World};
use crate::support::Reply;

#[tokio::test]
async fn a_document_becomes_a_client_with_the_url_as_its_identifier() {
    let world = World::new(json!({})).await;
    let reply = Reply::json(world.document(PATH, json!({"unknown": 1})));
    let url = world
        .origin
        .at(PATH, reply.header("cache-control", "max-age=600"));
    let answer = world.resolve(&url).await;
    answer.expect_status(200);
    assert_eq!(answer.header("cache-control"), "private, max-age=60");
    let (client, tag) = (&answer.body, answer.header("etag"));
    let digest = client["document"]["digest"].as_str().unwrap();
    assert_eq!(tag, format!("\"{}-{digest}\"", client["revision"]));
    assert_eq!(client["client_id"], json!(url));
    assert_eq!(client["has_secret"], json!(false));
    assert_eq!(client["provenance"]["trust_level"], "document");
    assert_eq!(client["provenance"]["address"], json!(null));
    assert_eq!(client["metadata"]["token_endpoint_auth_method"], "none");
    assert_eq!(client["metadata"]["application_type"], "native");
    assert_eq!(client["expires_at"], json!(null));
    let (document, now) = (&client["document"], world.server.now());
    assert_eq!(document["host"], "127.0.0.1");
    assert_eq!(document["digest"].as_str().unwrap().len(), 43);
    for (name, seconds) in [
        ("first_seen_at", 0),
        ("fetched_at", 0),
        ("fresh_until", 600),
    ] {
        assert_eq!(document[name], json!(now + seconds), "{name}");
    }
    for name in ["stale", "pinned", "loopback_only"] {
        assert_eq!(document[name], json!(false), "{name}");
    }
    assert_eq!(
        document["cross_host_redirects"],
        json!(["https://editor.example.org/cb"])
    );
    let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let path = format!("/admin/v1/clients/resolve?client_id={encoded}");
    let request = world.server.ask("GET", &path).header("if-none-match", tag);
    world.send(request).await.expect_status(304);
    assert_eq!(world.origin.hits(PATH), 1);
    assert_eq!(world.actions().await, ["document_admitted"]);
    let listed = world
        .ask("GET", "/admin/v1/clients?trust_level=document")
        .await;
    assert_eq!(listed.body["clients"][0]["client_id"], json!(url));
}

#[tokio::test]
async fn the_call_for_any_client_resolves_a_url_too() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let one = format!("/admin/v1/clients/{encoded}");
    let answer = world.ask("GET", &one).await;
    answer.expect_status(200);
    assert_eq!(answer.body["client_id"], json!(url));
    let used = world.ask("POST", &format!("{one}/used")).await;
    used.expect_status(204);
    // A deleted client stays deleted: its URL is denied.
    world.ask("DELETE", &one).await.expect_status(204);
    world
        .ask("GET", &one)
        .await
        .expect_error(403, &["document_denied"]);
    world
        .resolve(&url)
        .await
        .expect_error(403, &["document_denied"]);
    assert_eq!(world.origin.hits(PATH), 1);
}

#[tokio::test]
async fn every_text_that_is_not_the_url_of_a_document_is_rejected_without_a_fetch() {
    let world = World::new(json!({"clientDocumentDenyList": ["https://evil.example/*"]})).await;
    for bad in [
        "",
        "x",
        "http://a.example/c",
        "https://a.example/",
        "https://a.example/c#d",
    ] {
        world
            .resolve(bad)
            .await
            .expect_error(400, &["invalid_client_id"]);
    }
    let denied = world.resolve("https://evil.example/c").await;
    denied.expect_error(403, &["document_denied"]);
    world
        .ask("GET", "/admin/v1/clients/resolve")
        .await
        .expect_error(400, &["invalid_request"]);
    let off = World::new(json!({"clientDocuments": "off"})).await;
    let url = off.publish(PATH, json!({}));
    off.resolve(&url).await.expect_error(404, &["not_found"]);
    assert_eq!(off.origin.hits(PATH), 0);
    let listed =
        json!({"clientDocuments": "listed", "clientDocumentAllowList": ["https://a.example/*"]});
    let listed = World::new(listed).await;
    let url = listed.publish(PATH, json!({}));
    listed
        .resolve(&url)
        .await
        .expect_error(403, &["document_denied"]);
    assert_eq!(listed.origin.hits(PATH), 0);
}

#[tokio::test]
async fn an_invalid_document_is_answered_with_all_its_faults() {
    let world = World::new(json!({})).await;
    let more = json!({"client_secret": "s", "redirect_uris": ["javascript:alert(1)"]});
    let url = world.publish(PATH, more);
    let answer = world.resolve(&url).await;
    answer.expect_error(422, &["invalid_client_metadata"]);
    let description = answer.member("error_description").as_str().unwrap();
    assert!(description.contains("client_secret"), "{description}");
    let url = world.publish("/uris", json!({"redirect_uris": ["javascript:alert(1)"]}));
    world
        .resolve(&url)
        .await
        .expect_error(422, &["invalid_redirect_uri"]);
}

#[tokio::test]
async fn a_host_without_documents_is_told_from_one_that_is_out_of_reach() {
    let world = World::new(json!({})).await;
    let url = world
        .origin
        .at("/html", Reply::text("text/html; charset=utf-8", "<p>"));
    let answer = world.resolve(&url).await;
    answer.expect_error(502, &["document_unusable"]);
    let fetch =
        json!({"status": 200, "content_type": "text/html; charset=utf-8", "challenged": false});
    assert_eq!(answer.member("fetch"), &fetch);
    let challenge = Reply::text("text/html", "x".repeat(20_000));
    let challenge = challenge
        .with_status(403)
        .header("cf-mitigated", "challenge");
    let url = world.origin.at("/wall", challenge);
    let answer = world.resolve(&url).await;
    answer.expect_error(503, &["document_unavailable"]);
    assert_eq!(answer.header("retry-after"), "10");
    assert_eq!(answer.member("fetch")["challenged"], json!(true));
    let port = crate::support::Canary::new().port();
    let closed = format!("https://127.0.0.1:{port}/c");
    let closed = world.resolve(&closed).await;
    closed.expect_error(503, &["document_unavailable"]);
    assert_eq!(closed.member("fetch"), &json!(null));
}

#[tokio::test]
async fn the_token_leg_reads_the_version_before_without_a_fetch() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.client(&url).await["revision"].as_u64().unwrap();
    world.publish(PATH, json!({"client_name": "Other"}));
    world.server.clock.advance(400);
    let changed = world.client(&url).await;
    assert_eq!(
        (&changed["revision"], &changed["metadata"]["client_name"]),
        (&json!(first + 1), &json!("Other"))
    );
    world.origin.set(PATH, Reply::never());
    world.server.clock.advance(100_000);
    for (revision, name) in [(first, "Editor"), (first + 1, "Other")] {
        let revision = revision.to_string();
        let answer = world.resolve_with(&url, &[("revision", &revision)]).await;
        answer.expect_status(200);
        assert_eq!(answer.body["metadata"]["client_name"], json!(name));
    }
    let gone = world.resolve_with(&url, &[("revision", "7")]).await;
    gone.expect_error(404, &["not_found"]);
    assert_eq!(world.origin.hits(PATH), 2);
}

#[tokio::test]
async fn a_url_that_is_admitted_again_does_not_repeat_a_revision() {
    let world = World::new(json!({})).await;
    let url = world.publish(PATH, json!({}));
    let first = world.resolve(&url).await;
    let order = json!({"client_id": url, "until": world.server.now() + 100});
    world.order("deny", order).await.expect_status(204);
    world.publish(PATH, json!({"client_name": "Squatter"}));
    world.server.clock.advance(100);
    let second = world.resolve(&url).await;
    second.expect_status(200);
    assert_ne!(first.header("etag"), second.header("etag"));
    let revision = first.body["revision"].to_string();
    let old = world.resolve_with(&url, &[("revision", &revision)]).await;
    old.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn a_pinned_document_has_revisions_too() {
    let world = World::new(json!({})).await;
    let url = world.origin.url(PATH);
    let pin = json!({"client_id": url, "document": world.document(PATH, json!({}))});
    let pinned = world.order("pin", pin).await;
    pinned.expect_status(200);
    let revision = pinned.body["revision"].to_string();
    let present = world.resolve_with(&url, &[("revision", &revision)]).await;
    present.expect_status(200);
    let other = world.resolve_with(&url, &[("revision", "7")]).await;
    other.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn the_keys_can_be_in_the_answer() {
    let world = World::new(json!({})).await;
    let signer = crate::support::Signer::new("k", registrar::testing::Algorithm::Es256);
    let keys = signer.jwks();
    let uri = world.origin.at("/jwks", Reply::json(keys.clone()));
    let members = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri});
    let url = world.publish(PATH, members);
    let plain = world.client(&url).await;
    assert_eq!(plain["metadata"]["jwks_uri"], json!(uri));
    let inline = world.resolve_with(&url, &[("jwks", "inline")]).await;
    inline.expect_status(200);
    assert_eq!(inline.body["metadata"]["jwks"], keys);
    assert_eq!(inline.body["metadata"]["jwks_uri"], json!(null));
}

#[tokio::test]
async fn the_url_of_an_own_document_is_resolved_without_a_request() {
    let members = json!({"hostedClientDocuments": "any"});
    let world = World::with(&[], members, |configuration| {
        configuration.settings.server.issuer = Some("https://register.example.org".to_owned());
        configuration.settings.documents.base = Some("https://clients.example.org".to_owned());
    })
    .await;
    let body = json!({
        "redirect_uris": ["https://app.example.org/cb"], "client_name": "Own", "client_document": true,
        "token_endpoint_auth_method": "none",
    });
    let registered = world.server.post(&body).await;
    registered.expect_status(201);
    let url = registered
        .member("client_document_uri")
        .as_str()
        .unwrap()
        .to_owned();
    let client = world.client(&url).await;
    assert_eq!(client["client_id"], json!(url));
    assert_eq!(client["metadata"]["client_name"], "Own");
    assert_eq!(client["provenance"]["trust_level"], "open");
    assert_eq!(client["document"]["host"], "clients.example.org");
    assert_eq!(client.get("client_document_uri"), None);
    let other = world.resolve("https://clients.example.org/unknown").await;
    other.expect_error(404, &["not_found"]);
}
