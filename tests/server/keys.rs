//! The cache of documents of other servers: refetches for unknown keys, and lifetimes.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use registrar::clock::{ManualClock, Timestamp};
use registrar::config::FetchSettings;
use registrar::testing::CachedKeys;
use serde_json::{Value, json};

use crate::support::{Origin, Reply, START, development};

/// Key identifiers, which stand in for keys.
type Kids = Vec<String>;

struct Setup {
    origin: Origin,
    clock: Arc<ManualClock>,
    documents: CachedKeys<Kids>,
}

impl Setup {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut FetchSettings)) -> Self {
        let mut settings = development();
        change(&mut settings);
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix(START)));
        let documents = CachedKeys::new(&settings, clock.clone(), kids).unwrap();
        Self {
            origin: Origin::new().await,
            clock,
            documents,
        }
    }

    /// Returns the fetched or cached key set as text.
    async fn get(&self, path: &str) -> Result<String, String> {
        self.documents
            .get(&self.origin.url(path))
            .await
            .map(|kids| kids.join(" "))
    }
}

fn kids(document: &Value) -> Result<Kids, String> {
    let keys = document
        .get("keys")
        .and_then(Value::as_array)
        .ok_or("must be a JWK Set")?;
    Ok(keys
        .iter()
        .filter_map(|key| key["kid"].as_str())
        .map(str::to_owned)
        .collect())
}

fn keys(kids: &[&str]) -> Reply {
    let keys: Vec<Value> = kids.iter().map(|kid| json!({"kid": kid})).collect();
    Reply::text(
        "application/jwk-set+json",
        json!({"keys": keys}).to_string(),
    )
}

#[tokio::test]
async fn many_waiting_requests_are_served_by_one_fetch() {
    let setup = Setup::new().await;
    setup.origin.set("/jwks", keys(&["a"]));
    let all = join_all((0..200).map(|_| setup.get("/jwks"))).await;
    assert!(all.iter().all(|one| one.as_deref() == Ok("a")));
    assert_eq!(setup.origin.hits("/jwks"), 1);
    assert_eq!(
        setup.origin.asked("/jwks", "accept").as_deref(),
        Some("application/jwk-set+json, application/json")
    );
}

#[tokio::test]
async fn a_request_that_gives_up_does_not_cancel_the_fetch_of_others() {
    let setup = Setup::new().await;
    setup.origin.set("/jwks", keys(&["a"]));
    let mut patient = Box::pin(setup.get("/jwks"));
    // Each is polled once and dropped: the request that began the fetch and others that joined it.
    assert!(setup.get("/jwks").now_or_never().is_none());
    assert!(patient.as_mut().now_or_never().is_none());
    assert!(setup.get("/jwks").now_or_never().is_none());
    assert_eq!(patient.await.as_deref(), Ok("a"));
    assert_eq!(setup.origin.hits("/jwks"), 1);
}

#[tokio::test]
async fn a_document_is_cached_as_long_as_its_server_says_within_limits() {
    let setup = Setup::with(|settings| settings.keys_maximum_seconds = 1_000).await;
    for (number, (cache_control, seconds)) in [
        ("max-age=600", 600),
        ("max-age=5", 60),
        ("no-store", 60),
        ("no-cache, max-age=600", 60),
        ("max-age=99999999999", 1_000),
        ("public", 300),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        setup
            .origin
            .set(&path, keys(&["a"]).header("cache-control", cache_control));
        setup.get(&path).await.unwrap();
        setup.clock.advance(seconds - 1);
        setup.get(&path).await.unwrap();
        assert_eq!(setup.origin.hits(&path), 1, "{cache_control}");
        setup.clock.advance(1);
        setup.get(&path).await.unwrap();
        assert_eq!(setup.origin.hits(&path), 2, "{cache_control}");
    }
}

#[tokio::test]
async fn an_unknown_key_causes_one_fetch_per_interval() {
    let setup = Setup::new().await;
    let url = setup.origin.at(
        "/jwks",
        keys(&["a"]).header("cache-control", "max-age=80000"),
    );
    let seen = setup.documents.get(&url).await.unwrap();
    for _ in 0..10_000 {
        assert_eq!(setup.documents.refetched(&url, &seen).await, Ok(None));
    }
    assert_eq!(setup.origin.hits("/jwks"), 2);
    setup.origin.set("/jwks", keys(&["a", "b"]));
    assert_eq!(setup.documents.refetched(&url, &seen).await, Ok(None));
    setup.clock.advance(30);
    let all = join_all((0..100).map(|_| setup.documents.refetched(&url, &seen))).await;
    for one in all {
        assert_eq!(*one.unwrap().unwrap(), ["a", "b"]);
    }
    assert_eq!(setup.origin.hits("/jwks"), 3);
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a b"));
    // A caller that has seen only the old document gets the new one at any time.
    assert!(
        setup
            .documents
            .refetched(&url, &seen)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(setup.origin.hits("/jwks"), 3);
}

#[tokio::test]
async fn an_unknown_key_causes_a_refetch_right_after_the_first_fetch() {
    let setup = Setup::new().await;
    let url = setup.origin.at("/jwks", keys(&["a"]));
    let seen = setup.documents.get(&url).await.unwrap();
    setup.origin.set("/jwks", keys(&["b"]));
    assert_eq!(
        *setup
            .documents
            .refetched(&url, &seen)
            .await
            .unwrap()
            .unwrap(),
        ["b"]
    );
}

#[tokio::test]
async fn a_failed_refetch_keeps_the_cached_document_and_is_not_repeated() {
    let setup = Setup::new().await;
    let url = setup.origin.at("/jwks", keys(&["a"]));
    let seen = setup.documents.get(&url).await.unwrap();
    setup.origin.set("/jwks", Reply::status(500));
    assert_eq!(
        setup.documents.refetched(&url, &seen).await,
        Err("Status(500)".to_owned())
    );
    assert_eq!(setup.documents.refetched(&url, &seen).await, Ok(None));
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
    assert_eq!(setup.origin.hits("/jwks"), 2);
}

#[tokio::test]
async fn a_cached_document_is_used_while_its_server_is_down() {
    let setup = Setup::with(|settings| settings.keys_stale_seconds = 1_000).await;
    setup
        .origin
        .set("/jwks", keys(&["a"]).header("cache-control", "max-age=100"));
    setup.get("/jwks").await.unwrap();
    setup.origin.set("/jwks", Reply::status(503));
    setup.clock.advance(100);
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
    assert_eq!(setup.origin.hits("/jwks"), 2);
    setup.get("/jwks").await.unwrap();
    assert_eq!(
        setup.origin.hits("/jwks"),
        2,
        "the fetch was tried just now"
    );
    setup.clock.advance(999);
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
    setup.clock.advance(1);
    assert_eq!(setup.get("/jwks").await, Err("Status(503)".to_owned()));
    setup.clock.advance(10);
    setup.origin.set("/jwks", keys(&["b"]));
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("b"));
}

#[tokio::test]
async fn removed_keys_are_no_longer_accepted() {
    let setup = Setup::new().await;
    let gone = [
        Reply::status(404),
        Reply::json(json!([])),
        Reply::text("text/html", "<html>"),
    ];
    for (number, reply) in gone.into_iter().enumerate() {
        let path = format!("/{number}");
        setup
            .origin
            .set(&path, keys(&["a"]).header("cache-control", "max-age=100"));
        setup.get(&path).await.unwrap();
        setup.origin.set(&path, reply);
        setup.clock.advance(100);
        setup.get(&path).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_failed_fetch_is_not_retried_at_once() {
    let setup = Setup::new().await;
    setup
        .origin
        .set("/jwks", Reply::json(json!({"no": "keys"})));
    for _ in 0..100 {
        let error = setup.get("/jwks").await.unwrap_err();
        assert_eq!(error, "Unusable(\"must be a JWK Set\")");
    }
    assert_eq!(setup.origin.hits("/jwks"), 1);
    setup.clock.advance(10);
    setup.origin.set("/jwks", keys(&["a"]));
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
}

#[tokio::test]
async fn an_unchanged_document_is_not_parsed_again() {
    let setup = Setup::new().await;
    let url = setup
        .origin
        .at("/jwks", keys(&["a"]).header("cache-control", "max-age=60"));
    let first = setup.documents.get(&url).await.unwrap();
    setup.clock.advance(60);
    let second = setup.documents.get(&url).await.unwrap();
    assert_eq!(setup.origin.hits("/jwks"), 2);
    assert!(Arc::ptr_eq(&first, &second));
}

#[tokio::test]
async fn the_cache_is_limited_and_keeps_documents_in_use() {
    let setup = Setup::with(|settings| settings.keys_cached = 10).await;
    setup.origin.set("/used", keys(&["u"]));
    for number in 0..50 {
        setup.get("/used").await.unwrap();
        let path = format!("/{number}");
        setup.origin.set(&path, keys(&[]));
        setup.get(&path).await.unwrap();
    }
    assert_eq!(setup.origin.hits("/used"), 1);
    setup.get("/49").await.unwrap();
    assert_eq!(setup.origin.hits("/49"), 1);
    setup.get("/0").await.unwrap();
    assert_eq!(setup.origin.hits("/0"), 2);
}

#[tokio::test]
async fn a_forbidden_url_takes_no_slot_in_the_cache() {
    let setup = Setup::with(|settings| settings.keys_cached = 1).await;
    setup.origin.set("/jwks", keys(&["a"]));
    setup.get("/jwks").await.unwrap();
    let outcome = setup.documents.get("ftp://a.example/").await;
    assert_eq!(outcome, Err("Refused(Scheme)".to_owned()));
    setup.get("/jwks").await.unwrap();
    assert_eq!(setup.origin.hits("/jwks"), 1);
}

#[tokio::test]
async fn a_metadata_document_names_the_url_of_the_keys() {
    let server = crate::support::TestServer::configured(crate::support::fetches_locally).await;
    let origin = Origin::new().await;
    let metadata =
        json!({"issuer": "https://as.example.org", "jwks_uri": "https://as.example.org/jwks"});
    let url = origin.at("/.well-known/openid-configuration", Reply::json(metadata));
    let inside = server.inside();
    assert_eq!(
        inside.document_member(&url, "jwks_uri").await.as_deref(),
        Ok("https://as.example.org/jwks")
    );
    let missing = inside.document_member(&url, "nothing").await.unwrap_err();
    assert_eq!(
        missing,
        "the answer must be an object with a string 'nothing'"
    );
    assert_eq!(origin.hits("/.well-known/openid-configuration"), 1);
}
