//! URLs of documents that the server itself publishes.

use serde_json::{Map, Value, json};

use super::{World, client_path, encoded};
use crate::support::{Answer, Registered, with};

const BASE: &str = "https://clients.example.org";

/// Starts a server that publishes documents of its clients.
async fn publishing(more: Value) -> World {
    let members = with(json!({"hostedClientDocuments": "any"}), more);
    World::with(&[], members, |configuration| {
        configuration.settings.server.issuer = Some("https://register.example.org".to_owned());
        configuration.settings.documents.base = Some(BASE.to_owned());
    })
    .await
}

/// Registers a client with a document, and returns it with the URL.
async fn register(world: &World, more: Value) -> (Registered, String) {
    let body = json!({
        "redirect_uris": ["https://app.example.org/cb"], "client_name": "Own", "client_document": true,
        "token_endpoint_auth_method": "none",
    });
    let answer = world.server.post(&with(body, more)).await;
    answer.expect_status(201);
    let url = answer.member("client_document_uri").as_str().unwrap();
    let url = url.to_owned();
    (Registered::of(answer.body), url)
}

/// Returns what everyone reads at the URL of the client with this identifier.
async fn published(world: &World, id: &str) -> Answer {
    Answer::of(world.server.ask("GET", &format!("/clients/{id}"))).await
}

/// Returns the members of the document that another server registers.
fn heard(document: &Value) -> Value {
    let mut members: Map<String, Value> = document.as_object().unwrap().clone();
    members.remove("client_id");
    members.remove("token_endpoint_auth_methods_supported");
    members.into()
}

#[tokio::test]
async fn an_own_document_is_resolved_to_what_everyone_reads_there() {
    let settings =
        json!({"hostedClientDocumentLabel": " (development)", "hostedClientDocumentLifetime": 600});
    let world = publishing(settings).await;
    let more = json!({"client_name#de": "Eigen", "lifetime": 300});
    let (registered, url) = register(&world, more).await;
    let own = world.ask("GET", &client_path(&registered.id)).await.body;
    // These are about the client itself, not about whoever shows its URL.
    world
        .change_client(&own, json!({"trusted_client": true, "groups": ["staff"]}))
        .await;
    let document = published(&world, &registered.id).await;
    document.expect_status(200);
    let client = world.client(&url).await;
    assert_eq!(client["metadata"], heard(&document.body));
    assert_eq!(client["metadata"]["client_name"], "Own (development)");
    assert_eq!(client["metadata"]["client_name#de"], "Eigen (development)");
    for name in ["trusted_client", "groups", "lifetime", "software_statement"] {
        assert_eq!(client["metadata"].get(name), None, "{name}");
        assert_eq!(client["origins"].get(name), None, "{name}");
    }
    assert_eq!(client["client_id"], json!(url));
    assert_eq!(client["provenance"]["trust_level"], "open");
    assert_eq!(client["has_secret"], json!(false));
    assert_eq!(client.get("client_document_uri"), None);
    let shown = &client["document"];
    assert_eq!(shown["host"], "clients.example.org");
    assert_eq!(
        shown["cross_host_redirects"],
        json!(["https://app.example.org/cb"])
    );
    assert_eq!(
        (&shown["pinned"], &shown["stale"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(shown.get("fetched_at"), None);
    // The digest is that of the bytes, which change with the client.
    let tag = document.header("etag");
    let revision = client["revision"].to_string();
    assert!(tag.contains(&format!("{revision}-")), "{tag}");
    let by_path = world.ask("GET", &client_path(&url)).await;
    assert_eq!(by_path.body, client);
    let other = world.resolve_with(&url, &[("revision", "77")]).await;
    other.expect_error(404, &["not_found"]);
    let same = world.resolve_with(&url, &[("revision", &revision)]).await;
    assert_eq!(same.body, client);
    assert!(world.clients().await.is_empty());
}

#[tokio::test]
async fn an_own_document_has_the_trust_of_its_client() {
    let world = publishing(json!({"hostedClientDocumentLabel": " (development)"})).await;
    world.server.initial_access("vouched", json!({})).await;
    let body = json!({
        "redirect_uris": ["https://app.example.org/cb"], "client_name": "Own", "client_document": true,
        "token_endpoint_auth_method": "none",
    });
    let answer = world.server.post_with("vouched", &body).await;
    answer.expect_status(201);
    let url = answer.member("client_document_uri").as_str().unwrap();
    let client = world.client(url).await;
    assert_eq!(client["provenance"]["trust_level"], "token");
    assert_eq!(client["metadata"]["client_name"], "Own");
}

#[tokio::test]
async fn a_url_without_an_own_document_is_an_unknown_client() {
    let world = publishing(json!({})).await;
    let expect_unknown = async |url: &str| {
        let answer = world.resolve(url).await;
        answer.expect_error(404, &["not_found"]);
    };
    for path in ["unknown", "a/b", "%2e", ""] {
        let answer = world.resolve(&format!("{BASE}/{path}")).await;
        assert!(
            [400, 404].contains(&answer.status),
            "{path}: {}",
            answer.text
        );
    }
    let (without, _) = register(&world, json!({})).await;
    let plain = json!({
        "redirect_uris": ["https://app.example.org/cb"], "token_endpoint_auth_method": "none",
    });
    let plain = world.server.post(&plain).await;
    let id = plain.member("client_id").as_str().unwrap();
    expect_unknown(&format!("{BASE}/{id}")).await;
    let url = format!("{BASE}/{}", without.id);
    world.client(&url).await;
    let own = world.ask("GET", &client_path(&without.id)).await.body;
    world.change_client(&own, json!({"disabled": true})).await;
    expect_unknown(&url).await;
    let (gone, url) = register(&world, json!({})).await;
    let removed = world.ask("DELETE", &client_path(&gone.id)).await;
    removed.expect_status(204);
    expect_unknown(&url).await;
    let (_, url) = register(&world, json!({"lifetime": 100})).await;
    world.client(&url).await;
    world.server.clock.advance(100);
    expect_unknown(&url).await;
}

#[tokio::test]
async fn no_order_is_about_an_own_document() {
    let world = publishing(json!({})).await;
    let (_, url) = register(&world, json!({})).await;
    let digest = world.client(&url).await["document"]["digest"].clone();
    for (word, more) in [
        ("approve", json!({"digest": digest})),
        ("deny", json!({})),
        ("pin", json!({"document": {"client_id": url}})),
        ("unpin", json!({})),
        ("refresh", json!({})),
    ] {
        let answer = world
            .order(word, with(json!({"client_id": url}), more))
            .await;
        answer.expect_error(409, &["conflict"]);
    }
    world.client(&url).await;
    let checked = world.order("check", json!({"client_id": url})).await;
    checked.expect_status(200);
    assert_eq!(checked.body["valid"], json!(true), "{}", checked.text);
    assert_eq!(checked.body["metadata"]["client_name"], "Own");
    let warnings = checked.body["warnings"].to_string();
    assert!(
        warnings.contains("this server itself publishes"),
        "{warnings}"
    );
    let path = format!(
        "/admin/v1/client-documents/candidate?client_id={}",
        encoded(&url)
    );
    world
        .ask("GET", &path)
        .await
        .expect_error(404, &["not_found"]);
}
