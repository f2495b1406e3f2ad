//! Stored data survives a restart.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::{at, client, id, store};
use crate::base::Secret;
use crate::client::InitialAccessPolicy;
use crate::store::{
    Action, Author, Backend, Change, Indexed, Store, StoreError, backend::fjall::FjallStore,
    backend::sled::Sled, expiring::initial_access_tokens::InitialAccess,
    expiring::key_values::KeyValueLimits, expiring::single_use::UsedOnce,
    expiring::tokens::AccessToken,
};

const LIMITS: KeyValueLimits = KeyValueLimits {
    entries: 2,
    key_bytes: 10,
    value_bytes: 10,
};

/// Opens a backend in a folder.
type Opening = fn(&Path) -> Result<Arc<dyn Backend>, StoreError>;

/// Runs each of these functions as a test with every embedded database.
macro_rules! on_every_database {
    ($($name:ident),+ $(,)?) => {
        mod sled {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::in_sled).await;
            })+
        }
        mod fjall {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::in_fjall).await;
            })+
        }
    };
}
on_every_database!(
    a_folder_is_open_once,
    clients_and_tokens_survive_a_restart,
    single_uses_survive_a_restart,
    values_patches_and_events_survive_a_restart,
);

fn in_sled(folder: &Path) -> Result<Arc<dyn Backend>, StoreError> {
    Ok(Arc::new(Sled::open(&folder.join("data"), 1 << 20)?))
}

fn in_fjall(folder: &Path) -> Result<Arc<dyn Backend>, StoreError> {
    Ok(Arc::new(FjallStore::open(&folder.join("data"), 1 << 20)?))
}

fn start(open: Opening, folder: &Path) -> Store {
    store(open(folder).unwrap())
}

async fn a_folder_is_open_once(open: Opening) {
    let folder = TempDir::new().unwrap();
    let first = open(folder.path()).unwrap();
    let put = vec![(b"k".to_vec(), b"v".to_vec())];
    first
        .apply(Change {
            put,
            ..Change::default()
        })
        .await
        .unwrap();
    assert!(matches!(
        open(folder.path()).err(),
        Some(StoreError::Locked(_))
    ));
    assert!(first.facts().disk_bytes.unwrap() > 0);
    drop(first);
    assert_eq!(
        open(folder.path()).unwrap().get(b"k").await.unwrap(),
        Some(b"v".to_vec())
    );
}

async fn clients_and_tokens_survive_a_restart(open: Opening) {
    let folder = TempDir::new().unwrap();
    let before = start(open, folder.path());
    let one = client("one", json!({"metadata": {"software_id": "s"}}));
    let policy = InitialAccessPolicy::default();
    let grant = InitialAccess {
        note: None,
        uses: Some(1),
        expires_at: None,
        created_at: at(1),
        policy,
    };
    let initial = &before.initial_access_tokens;
    initial
        .create(&Secret::new("initial".to_owned()), grant, Change::default())
        .await
        .unwrap();
    let found = initial
        .find_by_token("initial", at(1))
        .await
        .unwrap()
        .unwrap();
    before
        .clients
        .insert(&one, initial.one_use(&found))
        .await
        .unwrap();
    let stands_for = AccessToken {
        client_id: id("one"),
        client_issued_at: at(1),
        scope: String::new(),
        issued_at: at(1),
        expires_at: at(100),
        certificate: None,
    };
    before
        .tokens
        .insert(&Secret::new("access".to_owned()), stands_for.clone())
        .await
        .unwrap();
    drop(before);

    let after = start(open, folder.path());
    assert_eq!(
        after
            .clients
            .find(&id("one"))
            .await
            .unwrap()
            .unwrap()
            .client(),
        &one
    );
    assert_eq!(
        after.clients.count(Indexed::SoftwareId("s")).await.unwrap(),
        1
    );
    let (token, _) = after.tokens.find("access", at(99)).await.unwrap().unwrap();
    assert_eq!(token, stands_for);
    let used = after
        .initial_access_tokens
        .find_by_token("initial", at(1))
        .await
        .unwrap();
    assert!(used.is_none(), "its only use is spent");
}

async fn single_uses_survive_a_restart(open: Opening) {
    let folder = TempDir::new().unwrap();
    let before = start(open, folder.path());
    let claim = async |store: &Store| {
        store
            .single_use
            .claim(UsedOnce::Statement, &["i", "j"], at(100), at(1))
            .await
            .unwrap()
    };
    assert!(claim(&before).await);
    let used = before.nonces.issue(at(1), 100, 2).await.unwrap();
    let unused = before.nonces.issue(at(1), 100, 2).await.unwrap();
    assert!(before.nonces.consume(&used, at(2)).await.unwrap());
    drop(before);

    let after = start(open, folder.path());
    assert!(!claim(&after).await);
    assert!(!after.nonces.consume(&used, at(2)).await.unwrap());
    after.nonces.issue(at(2), 100, 2).await.unwrap();
    assert!(
        after.nonces.issue(at(2), 100, 2).await.is_err(),
        "the previous nonces are counted"
    );
    assert!(after.nonces.consume(&unused, at(2)).await.unwrap());
}

async fn values_patches_and_events_survive_a_restart(open: Opening) {
    let folder = TempDir::new().unwrap();
    let before = start(open, folder.path());
    let values = before.key_values.of("a.rhai", LIMITS);
    values
        .set("text", &json!("x"), at(100), at(1))
        .await
        .unwrap();
    values.increment("number", 5, at(100), at(1)).await.unwrap();
    before
        .patches
        .replace(0, &json!([1]), Change::default())
        .await
        .unwrap();
    let author = Author {
        actor: Some("admin".to_owned()),
        ..Author::default()
    };
    let event = author.did(Action::ConfigurationChanged, "1", at(1));
    before.audit.append(&event).await.unwrap();
    drop(before);

    let after = start(open, folder.path());
    let values = after.key_values.of("a.rhai", LIMITS);
    assert_eq!(values.get("text", at(99)).await.unwrap(), Some(json!("x")));
    assert_eq!(
        values
            .increment("number", 1, at(100), at(99))
            .await
            .unwrap(),
        6
    );
    values
        .set("third", &json!(1), at(100), at(99))
        .await
        .unwrap();
    assert_eq!(
        values.get("text", at(99)).await.unwrap(),
        None,
        "the previous values are counted and can be evicted"
    );
    assert_eq!(
        values
            .increment("number", 1, at(100), at(99))
            .await
            .unwrap(),
        7,
        "a counter is not evicted"
    );
    assert_eq!(after.patches.load().await.unwrap().document, json!([1]));
    after.audit.append(&event).await.unwrap();
    let positions: Vec<_> = after
        .audit
        .page(0, 10)
        .await
        .unwrap()
        .iter()
        .map(|logged| logged.position)
        .collect();
    assert_eq!(positions, [1, 2]);
}
