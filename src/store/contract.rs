//! What every backend must do, and what the clients on top of it must do, on each of them.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;

use super::backend::{Backend, Change, Expectation};
use super::memory::Memory;
use super::sled_backend::Sled;
use super::{Clients, StoreError};
use crate::client::Client;
use crate::clock::Timestamp;
use crate::model::ClientId;

fn sled(folder: &TempDir) -> Sled {
    Sled::open(&folder.path().join("data"), 1 << 20).unwrap()
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    backend(Arc::new(Memory::default())).await;
    clients(Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled_keeps_the_contract() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    backend(Arc::new(sled(&folders[0]))).await;
    clients(Arc::new(sled(&folders[1]))).await;
}

#[tokio::test]
async fn sled_keeps_what_it_has_and_is_open_once() {
    let folder = TempDir::new().unwrap();
    let store = sled(&folder);
    store.apply(put("k", "v")).await.unwrap();
    let second = Sled::open(&folder.path().join("data"), 1 << 20);
    assert!(matches!(second.err(), Some(StoreError::Locked(_))));
    drop(store);
    assert_eq!(sled(&folder).get(b"k").await.unwrap(), Some(b"v".to_vec()));
}

fn put(key: &str, value: &str) -> Change {
    Change { put: vec![(key.into(), value.into())], ..Change::default() }
}

async fn backend(store: Arc<dyn Backend>) {
    reads_what_was_written(&*store).await;
    scans_in_order(&*store).await;
    refuses_as_a_whole(&*store).await;
    races_have_one_winner(&store).await;
    store.check().await.unwrap();
}

async fn reads_what_was_written(store: &dyn Backend) {
    assert_eq!(store.get(b"a").await.unwrap(), None);
    store.apply(put("a", "1")).await.unwrap();
    store.apply(put("a", "2")).await.unwrap();
    assert_eq!(store.get(b"a").await.unwrap(), Some(b"2".to_vec()));
    store
        .apply(Change { delete: vec![b"a".to_vec(), b"never".to_vec()], ..Change::default() })
        .await
        .unwrap();
    assert_eq!(store.get(b"a").await.unwrap(), None);
    store.apply(Change::default()).await.unwrap();
}

async fn scans_in_order(store: &dyn Backend) {
    for key in ["s/b", "s/a", "s/\u{0}", "t/a", "s/c"] {
        store.apply(put(key, key)).await.unwrap();
    }
    let keys = |start: &str, end: &str, limit| {
        let range = start.as_bytes().to_vec()..end.as_bytes().to_vec();
        async move {
            let pairs = store.scan(range, limit).await.unwrap();
            pairs.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect::<Vec<_>>()
        }
    };
    assert_eq!(keys("s/", "s0", 10).await, ["s/\u{0}", "s/a", "s/b", "s/c"]);
    assert_eq!(keys("s/a", "s/c", 10).await, ["s/a", "s/b"], "the end does not belong to it");
    assert_eq!(keys("s/", "s0", 2).await, ["s/\u{0}", "s/a"]);
    assert!(keys("s0", "s/", 10).await.is_empty());
    assert!(keys("x", "y", 10).await.is_empty());
}

async fn refuses_as_a_whole(store: &dyn Backend) {
    store.apply(put("r", "1")).await.unwrap();
    let refused = [
        vec![Expectation::Absent("r".into())],
        vec![Expectation::Value("r".into(), "2".into())],
        vec![Expectation::Value("missing".into(), "1".into())],
        vec![Expectation::Value("r".into(), "1".into()), Expectation::Absent("r".into())],
    ];
    for expect in refused {
        let change = Change { expect, put: vec![("new".into(), "x".into())], delete: vec!["r".into()] };
        assert!(matches!(store.apply(change).await, Err(StoreError::Conflict)));
    }
    assert_eq!(store.get(b"new").await.unwrap(), None);
    assert_eq!(store.get(b"r").await.unwrap(), Some(b"1".to_vec()));
    let expect = vec![Expectation::Value("r".into(), "1".into()), Expectation::Absent("new".into())];
    let change = Change { expect, put: vec![("r".into(), "3".into())], delete: vec!["r".into()] };
    store.apply(change).await.unwrap();
    assert_eq!(store.get(b"r").await.unwrap(), Some(b"3".to_vec()), "a put comes after a delete");
}

async fn races_have_one_winner(store: &Arc<dyn Backend>) {
    store.apply(put("n", "0")).await.unwrap();
    for round in 0..20 {
        let (seen, next) = (round.to_string(), (round + 1).to_string());
        let change = || Change {
            expect: vec![Expectation::Value("n".into(), seen.clone().into())],
            put: vec![("n".into(), next.clone().into())],
            delete: Vec::new(),
        };
        let outcomes = join_all((0..50).map(|_| store.apply(change()))).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    }
    let writes = (0..500).map(|number| store.apply(put(&format!("g/{number:03}"), "v")));
    assert!(join_all(writes).await.iter().all(Result::is_ok));
    assert_eq!(store.scan(b"g/".to_vec()..b"g0".to_vec(), 1_000).await.unwrap().len(), 500);
}

fn client(id: &str, expires_at: Option<u64>, software_id: Option<&str>) -> Client {
    let mut metadata = json!({"redirect_uris": ["https://client.example.org/cb"]});
    if let Some(software_id) = software_id {
        metadata["software_id"] = software_id.into();
    }
    let mut record = json!({
        "id": id, "metadata": metadata, "issued_at": 1, "revision": 1, "tokens": {"current": ""},
        "provenance": {"trust_level": "open", "configuration": "c"},
    });
    if let Some(at) = expires_at {
        record["expires_at"] = at.into();
    }
    serde_json::from_value(record).unwrap()
}

async fn clients(backend: Arc<dyn Backend>) {
    let clients = Clients::new(Arc::clone(&backend));
    let id = |text: &str| ClientId::parse(text).unwrap();
    let (one, two) = (client("one", Some(100), Some("s")), client("two", None, None));
    clients.insert(&one).await.unwrap();
    clients.insert(&two).await.unwrap();
    assert!(matches!(clients.insert(&one).await, Err(StoreError::Conflict)));
    let seen = clients.find(&id("one")).await.unwrap().unwrap();
    assert_eq!(seen.client(), &one);
    assert!(clients.find(&id("on")).await.unwrap().is_none());

    let later = Client { revision: 2, ..client("one", Some(200), Some("t")) };
    clients.replace(&seen, &later).await.unwrap();
    assert!(matches!(clients.replace(&seen, &later).await, Err(StoreError::Conflict)));
    assert!(matches!(clients.remove(&seen).await, Err(StoreError::Conflict)));
    assert_eq!(clients.sweep(Timestamp::from_unix(199), 10).await.unwrap(), 0, "it lives longer now");
    assert_eq!(clients.sweep(Timestamp::from_unix(200), 10).await.unwrap(), 1);
    assert!(clients.find(&id("one")).await.unwrap().is_none());

    let two = clients.find(&id("two")).await.unwrap().unwrap();
    clients.remove(&two).await.unwrap();
    let left = backend.scan(vec![0]..vec![255], 10).await.unwrap();
    assert!(left.is_empty(), "a removed client leaves no index behind: {left:?}");
    pages(&clients).await;
}

async fn pages(clients: &Clients) {
    for number in 0..25 {
        clients.insert(&client(&format!("p{number:02}"), Some(number), None)).await.unwrap();
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = clients.page(after.as_ref(), 10).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 10);
        after = Some(last.client().id.clone());
        seen.extend(page.into_iter().map(|stored| stored.into_client().id.to_string()));
    }
    let all: Vec<String> = (0..25).map(|number| format!("p{number:02}")).collect();
    assert_eq!(seen, all);
    assert_eq!(clients.sweep(Timestamp::from_unix(14), 10).await.unwrap(), 10, "no more than asked for");
    assert_eq!(clients.sweep(Timestamp::from_unix(14), 10).await.unwrap(), 5);
    assert_eq!(clients.sweep(Timestamp::from_unix(14), 10).await.unwrap(), 0);
}
