//! What the resolver answers.

use serde_json::json;

use super::{PATH, World, client_path, encoded};
use crate::statements;
use crate::support::{Reply, Signer};
use registrar::testing::Algorithm;

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
    let path = format!("/admin/v1/clients/resolve?client_id={}", encoded(&url));
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
    let one = client_path(&url);
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
    world.expect_denied(&url).await;
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
    world.expect_denied("https://evil.example/c").await;
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
async fn a_software_statement_in_a_document_is_verified() {
    let issuer = statements::issuer();
    let world = World::new(statements::builtin(&issuer, json!({}))).await;
    let resolve = async |path: &str, statement: &str| {
        let url = world.publish(path, json!({"software_statement": statement}));
        world.resolve(&url).await
    };
    let claims = json!({"jti": "one", "client_name": "Vouched", "software_id": "4NRB1"});
    let answer = resolve("/good", &issuer.token(claims.clone())).await;
    answer.expect_status(200);
    assert_eq!(answer.body["metadata"]["client_name"], "Vouched");
    assert_eq!(answer.body["provenance"]["trust_level"], "statement");
    let answer = resolve("/bad", "no.statement.here").await;
    answer.expect_error(422, statements::REFUSED);
    let stranger = Signer::new("https://elsewhere.example", Algorithm::Es256);
    let answer = resolve("/unknown", &stranger.token(claims)).await;
    answer.expect_error(422, statements::UNAPPROVED);
    let listed = world
        .ask("GET", "/admin/v1/clients?trust_level=statement")
        .await;
    assert_eq!(listed.body["clients"].as_array().unwrap().len(), 1);
    assert!(world.clients().await.is_empty());
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
async fn a_closed_port_reads_like_a_host_that_does_not_answer() {
    let world = World::with(&[], json!({}), |configuration| {
        configuration.settings.fetch.timeout_ms = 300;
    })
    .await;
    let port = crate::support::Canary::new().port();
    let closed = world.resolve(&format!("https://127.0.0.1:{port}/c")).await;
    let silent = world.origin.at(PATH, Reply::never());
    let silent = world.resolve(&silent).await;
    silent.expect_error(503, &["document_unavailable"]);
    assert_eq!((closed.status, &closed.text), (silent.status, &silent.text));
    assert_eq!(closed.header("retry-after"), silent.header("retry-after"));
}

#[tokio::test]
async fn the_keys_can_be_in_the_answer() {
    let world = World::new(json!({})).await;
    let signer = Signer::new("k", Algorithm::Es256);
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
