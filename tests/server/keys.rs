//! Documents of other servers as they are kept: K139 and the lifetimes of F24.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use registrar::clock::{ManualClock, Timestamp};
use registrar::config::FetchSettings;
use registrar::fetch::{FetchError, Fetcher, JWK_SET, Refusal};
use registrar::keys::RemoteDocuments;
use serde_json::{Value, json};

use crate::support::{Origin, Reply, START, development};

/// The identifiers of keys, which stand for the keys.
type Kids = Vec<String>;

struct Setup {
    origin: Origin,
    clock: Arc<ManualClock>,
    documents: RemoteDocuments<Kids>,
}

impl Setup {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut FetchSettings)) -> Self {
        let mut settings = development();
        change(&mut settings);
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix(START)));
        let fetcher = Arc::new(Fetcher::new(&settings).unwrap());
        let documents = RemoteDocuments::new(fetcher, clock.clone(), &settings, JWK_SET, kids);
        Self { origin: Origin::new().await, clock, documents }
    }

    /// The key set that is fetched or kept, as text.
    async fn get(&self, path: &str) -> Result<String, FetchError> {
        self.documents.get(&self.origin.url(path)).await.map(|kids| kids.join(" "))
    }
}

fn kids(document: &Value) -> Result<Kids, String> {
    let keys = document.get("keys").and_then(Value::as_array).ok_or("must be a JWK Set")?;
    Ok(keys.iter().filter_map(|key| key["kid"].as_str()).map(str::to_owned).collect())
}

fn keys(kids: &[&str]) -> Reply {
    let keys: Vec<Value> = kids.iter().map(|kid| json!({"kid": kid})).collect();
    Reply::text("application/jwk-set+json", json!({"keys": keys}).to_string())
}

#[tokio::test]
async fn many_who_wait_are_served_by_one_fetch() {
    let setup = Setup::new().await;
    setup.origin.set("/jwks", keys(&["a"]));
    let all = join_all((0..200).map(|_| setup.get("/jwks"))).await;
    assert!(all.iter().all(|one| one.as_deref() == Ok("a")));
    assert_eq!(setup.origin.hits("/jwks"), 1);
    assert_eq!(setup.origin.asked("/jwks", "accept").as_deref(), Some(JWK_SET));
}

#[tokio::test]
async fn who_gives_up_does_not_take_the_others_along() {
    let setup = Setup::new().await;
    setup.origin.set("/jwks", keys(&["a"]));
    let mut patient = Box::pin(setup.get("/jwks"));
    // Each is asked once and dropped: the one who began, and others who joined in.
    assert!(setup.get("/jwks").now_or_never().is_none());
    assert!(patient.as_mut().now_or_never().is_none());
    assert!(setup.get("/jwks").now_or_never().is_none());
    assert_eq!(patient.await.as_deref(), Ok("a"));
    assert_eq!(setup.origin.hits("/jwks"), 1);
}

#[tokio::test]
async fn a_document_is_kept_as_long_as_its_server_says_within_bounds() {
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
        setup.origin.set(&path, keys(&["a"]).header("cache-control", cache_control));
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
async fn an_unknown_key_costs_one_fetch_in_a_while() {
    let setup = Setup::new().await;
    let url = setup.origin.at("/jwks", keys(&["a"]).header("cache-control", "max-age=80000"));
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
    // Who has seen only the old one gets the new one, whatever the time is.
    assert!(setup.documents.refetched(&url, &seen).await.unwrap().is_some());
    assert_eq!(setup.origin.hits("/jwks"), 3);
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_right_after_the_first_fetch() {
    let setup = Setup::new().await;
    let url = setup.origin.at("/jwks", keys(&["a"]));
    let seen = setup.documents.get(&url).await.unwrap();
    setup.origin.set("/jwks", keys(&["b"]));
    assert_eq!(*setup.documents.refetched(&url, &seen).await.unwrap().unwrap(), ["b"]);
}

#[tokio::test]
async fn a_failed_refetch_leaves_what_is_kept_and_is_not_repeated() {
    let setup = Setup::new().await;
    let url = setup.origin.at("/jwks", keys(&["a"]));
    let seen = setup.documents.get(&url).await.unwrap();
    setup.origin.set("/jwks", Reply::status(500));
    assert_eq!(setup.documents.refetched(&url, &seen).await, Err(FetchError::Status(500)));
    assert_eq!(setup.documents.refetched(&url, &seen).await, Ok(None));
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
    assert_eq!(setup.origin.hits("/jwks"), 2);
}

#[tokio::test]
async fn what_was_kept_serves_while_its_server_is_down() {
    let setup = Setup::with(|settings| settings.keys_stale_seconds = 1_000).await;
    setup.origin.set("/jwks", keys(&["a"]).header("cache-control", "max-age=100"));
    setup.get("/jwks").await.unwrap();
    setup.origin.set("/jwks", Reply::status(503));
    setup.clock.advance(100);
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
    assert_eq!(setup.origin.hits("/jwks"), 2);
    setup.get("/jwks").await.unwrap();
    assert_eq!(setup.origin.hits("/jwks"), 2, "it was tried just now");
    setup.clock.advance(999);
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
    setup.clock.advance(1);
    assert_eq!(setup.get("/jwks").await, Err(FetchError::Status(503)));
    setup.clock.advance(10);
    setup.origin.set("/jwks", keys(&["b"]));
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("b"));
}

#[tokio::test]
async fn keys_that_were_taken_away_are_gone() {
    let setup = Setup::new().await;
    let gone = [Reply::status(404), Reply::json(json!([])), Reply::text("text/html", "<html>")];
    for (number, reply) in gone.into_iter().enumerate() {
        let path = format!("/{number}");
        setup.origin.set(&path, keys(&["a"]).header("cache-control", "max-age=100"));
        setup.get(&path).await.unwrap();
        setup.origin.set(&path, reply);
        setup.clock.advance(100);
        setup.get(&path).await.unwrap_err();
    }
}

#[tokio::test]
async fn what_failed_is_not_tried_again_at_once() {
    let setup = Setup::new().await;
    setup.origin.set("/jwks", Reply::json(json!({"no": "keys"})));
    let error = FetchError::Unusable("must be a JWK Set".to_owned());
    assert_eq!(error.to_string(), "the answer must be a JWK Set");
    for _ in 0..100 {
        assert_eq!(setup.get("/jwks").await, Err(error.clone()));
    }
    assert_eq!(setup.origin.hits("/jwks"), 1);
    setup.clock.advance(10);
    setup.origin.set("/jwks", keys(&["a"]));
    assert_eq!(setup.get("/jwks").await.as_deref(), Ok("a"));
}

#[tokio::test]
async fn a_document_that_is_the_same_is_not_read_again() {
    let setup = Setup::new().await;
    let url = setup.origin.at("/jwks", keys(&["a"]).header("cache-control", "max-age=60"));
    let first = setup.documents.get(&url).await.unwrap();
    setup.clock.advance(60);
    let second = setup.documents.get(&url).await.unwrap();
    assert_eq!(setup.origin.hits("/jwks"), 2);
    assert!(Arc::ptr_eq(&first, &second));
}

#[tokio::test]
async fn only_so_many_are_kept_and_those_that_are_used_stay() {
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
async fn what_may_not_be_fetched_takes_no_place() {
    let setup = Setup::with(|settings| settings.keys_cached = 1).await;
    setup.origin.set("/jwks", keys(&["a"]));
    setup.get("/jwks").await.unwrap();
    let outcome = setup.documents.get("ftp://a.example/").await;
    assert_eq!(outcome, Err(FetchError::Refused(Refusal::Scheme)));
    setup.get("/jwks").await.unwrap();
    assert_eq!(setup.origin.hits("/jwks"), 1);
}

#[tokio::test]
async fn a_metadata_document_says_where_the_keys_are() {
    let server = crate::support::TestServer::configured(crate::support::fetches_locally).await;
    let origin = Origin::new().await;
    let metadata = json!({"issuer": "https://as.example.org", "jwks_uri": "https://as.example.org/jwks"});
    let url = origin.at("/.well-known/openid-configuration", Reply::json(metadata));
    let documents = &server.server().service().documents;
    assert_eq!(documents.member(&url, "jwks_uri").await.as_deref(), Ok("https://as.example.org/jwks"));
    let missing = documents.member(&url, "nothing").await.unwrap_err();
    assert_eq!(missing.to_string(), "the answer must be an object with a string 'nothing'");
    assert_eq!(origin.hits("/.well-known/openid-configuration"), 1);
}
