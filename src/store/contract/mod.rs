//! What every backend, and everything built on it, must do, tested with each backend.

mod audit;
mod backend;
mod client_documents;
mod clients;
mod events;
mod initial_access_tokens;
mod key_values;
mod levels;
mod listing;
mod nonces;
mod overlay;
mod patches;
mod pending;
mod postgres;
mod restart;
mod script_versions;
mod sessions;
mod single_use;
mod sweep;
mod tokens;
mod uses;

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::base::{ClientId, SealingKey, Timestamp};
use crate::client::Client;
use crate::store::{
    Backend, Pair, Store, backend::fjall::FjallStore, backend::memory::Memory,
    backend::overlay::Overlay, backend::sled::Sled,
};

/// Runs each of these functions as a test with every backend.
macro_rules! on_every_backend {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(crate::store::contract::TestPlace::memory()).await;
            })+
        }
        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(crate::store::contract::TestPlace::sled()).await;
            })+
        }
        mod fjall {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(crate::store::contract::TestPlace::fjall()).await;
            })+
        }
        mod overlay {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(crate::store::contract::TestPlace::overlay()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                if let Some(place) = crate::store::contract::TestPlace::postgres().await {
                    super::$name(place).await;
                }
            })+
        }
        mod two_servers {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                if let Some(place) = crate::store::contract::TestPlace::two_servers().await {
                    super::$name(place).await;
                }
            })+
        }
    };
}
use on_every_backend;

/// A store and its location.
struct TestPlace {
    store: Store,
    backend: Arc<dyn Backend>,
    /// Removed when the test ends.
    _folder: Option<TempDir>,
}

impl TestPlace {
    fn memory() -> Self {
        Self::on(Arc::new(Memory::default()), None)
    }

    /// A store that is only an overlay, above a store without contents.
    fn overlay() -> Self {
        let below = Arc::new(Memory::default());
        Self::on(Arc::new(Overlay::on(below, Vec::new())), None)
    }

    fn sled() -> Self {
        let folder = TempDir::new().unwrap();
        let backend = Sled::open(&folder.path().join("data"), 1 << 20).unwrap();
        Self::on(Arc::new(backend), Some(folder))
    }

    fn fjall() -> Self {
        let folder = TempDir::new().unwrap();
        let backend = FjallStore::open(&folder.path().join("data"), 1 << 20).unwrap();
        Self::on(Arc::new(backend), Some(folder))
    }

    fn on(backend: Arc<dyn Backend>, folder: Option<TempDir>) -> Self {
        Self {
            store: store(Arc::clone(&backend)),
            backend,
            _folder: folder,
        }
    }

    /// Returns everything that is stored.
    async fn everything(&self) -> Vec<Pair> {
        self.backend
            .scan(Vec::new()..vec![u8::MAX], 100_000)
            .await
            .unwrap()
    }

    /// Asserts that nothing is stored any more except the audit log, the event log, and what belongs to its events.
    async fn expect_empty(&self) {
        let stored = self.everything().await.into_iter().map(|(key, _)| key);
        let left: Vec<_> = stored
            .filter(|key| {
                ![b"a/", b"b/", b"v/", b"g/"]
                    .iter()
                    .any(|log| key.starts_with(*log))
            })
            .map(|key| key.escape_ascii().to_string())
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// Asserts that `text` does not occur anywhere in the store.
    async fn expect_nowhere(&self, text: &str) {
        let found = self.everything().await.into_iter().find(|(key, value)| {
            [key, value].iter().any(|bytes| {
                bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            })
        });
        assert_eq!(found, None, "'{text}' can be read");
    }
}

fn store(backend: Arc<dyn Backend>) -> Store {
    Store::on(backend, SealingKey::from_bytes([7; 32]).into())
}

/// Runs many attempts at the same time, on all threads, and returns their outcomes.
async fn race<A>(many: usize, attempt: impl Fn(usize) -> A) -> Vec<A::Output>
where
    A: Future<Output: Send + 'static> + Send + 'static,
{
    (0..many)
        .map(attempt)
        .collect::<JoinSet<_>>()
        .join_all()
        .await
}

/// The moment this many seconds after the epoch.
const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

/// A client with these members in addition to the required ones.
pub(super) fn client(id: &str, members: Value) -> Client {
    let mut record = json!({
        "id": id, "metadata": {"redirect_uris": ["https://client.example.org/cb"]}, "issued_at": 1,
        "revision": 1, "tokens": {"current": ""}, "provenance": {"trust_level": "open", "configuration": "c"},
    });
    merge(&mut record, members);
    serde_json::from_value(record).unwrap()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
