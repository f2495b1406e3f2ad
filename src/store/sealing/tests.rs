//! The replacement of the key, step by step, with several servers on one store.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::advance;

use super::key_file::{KeysInUse, begin_rotation, end_rotation, load_or_make};
use super::key_proof;
use crate::base::{SealingKey, Secret, Timestamp};
use crate::client::Client;
use crate::store::backend::memory::Memory;
use crate::store::contract::client;
use crate::store::{
    Applied, Backend, BackendFacts, Change, ObservedRotation, Pair, Pass, RotationStage,
    RotationStep, Store, StoreError,
};

const NOW: Timestamp = Timestamp::from_unix(1);

/// A backend that several servers use.
struct Shared(Memory);

impl Backend for Shared {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.0.get(key)
    }

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        self.0.scan(range, limit)
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Applied, StoreError>> {
        self.0.apply(change)
    }

    fn facts(&self) -> BackendFacts {
        self.0.facts()
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// A server with its key file.
struct Server {
    store: Store,
    observed: ObservedRotation,
    file: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// Starts on `backend` with a copy of the key file of `other`, or with a new one.
    async fn start(backend: &Arc<dyn Backend>, other: Option<&Self>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("registrar.key");
        if let Some(other) = other {
            std::fs::copy(&other.file, &file).unwrap();
        }
        let found = load_or_make(&file, other.is_some()).unwrap();
        let proven = key_proof::check(&**backend, &found, &file).await.unwrap();
        let mut store = Store::on(Arc::clone(backend), found.proven_by(&proven));
        store.key_rotations.follow_file(Some(file.clone()));
        let name = folder.path().display().to_string();
        Self {
            store,
            observed: ObservedRotation::by(name),
            file,
            _folder: folder,
        }
    }

    /// Takes over the key file of `other`.
    fn copy(&self, other: &Self) {
        std::fs::copy(&other.file, &self.file).unwrap();
    }

    /// Takes a new key away again.
    fn undo(&self) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let previous = text.lines().nth(1).unwrap();
        std::fs::write(&self.file, previous).unwrap();
    }

    async fn step(&mut self) -> RotationStep {
        let steps = &self.store.key_rotations;
        steps.step(&mut self.observed, NOW).await.unwrap()
    }

    /// Seals everything anew.
    async fn seal_anew(&self) {
        let rotations = &self.store.key_rotations;
        loop {
            let mut pass = Pass::default();
            while !pass.is_over() {
                rotations.seal_page(&mut pass).await.unwrap();
            }
            rotations.sealed(&pass, NOW).await.unwrap();
            if pass.found_nothing() {
                break;
            }
        }
        let last = rotations.last().await.unwrap().unwrap();
        assert_eq!(last.stage, RotationStage::Complete);
    }

    /// Returns a client whose secret was sealed just now, as a request does long before it writes the client.
    fn issued(&self, id: &str) -> Client {
        let secret = Secret::new("s3cret".to_owned());
        let sealed = self.store.sealing_keys.seal(&secret, id).unwrap();
        client(id, json!({ "secret": { "sealed": sealed } }))
    }

    async fn insert(&self, client: &Client) -> Result<(), StoreError> {
        self.store.clients.insert(client, Change::default()).await
    }

    /// The first key in its file.
    fn first(&self) -> SealingKey {
        load_or_make(&self.file, true).unwrap().first
    }

    /// Asserts that the secret of the client `id` opens with `key` alone.
    async fn opens(&self, id: &str, key: &SealingKey) {
        let found = self.store.clients.find(&id.parse_id()).await.unwrap();
        let client = found.unwrap().into_client();
        let opened = key.open(&client.secret.unwrap().sealed, id).unwrap();
        assert_eq!(opened.expose(), "s3cret");
    }
}

trait ParseId {
    fn parse_id(&self) -> crate::base::ClientId;
}

impl ParseId for str {
    fn parse_id(&self) -> crate::base::ClientId {
        crate::base::ClientId::parse(self).unwrap()
    }
}

/// Returns how often the audit log has `action`.
async fn audited(server: &Server, action: &str) -> usize {
    let all = server.store.everything().await.unwrap();
    let texts = all.iter().map(|(_, value)| String::from_utf8_lossy(value));
    texts.filter(|text| text.contains(action)).count()
}

/// Lets time pass while all of `servers` look, and returns what each of them did last.
async fn looks<const N: usize>(servers: [&mut Server; N], seconds: u64) -> [RotationStep; N] {
    let mut steps = std::array::from_fn(|_| RotationStep::Again);
    let mut servers = servers;
    for _ in 0..seconds / 2 {
        advance(Duration::from_secs(2)).await;
        for (server, step) in servers.iter_mut().zip(&mut steps) {
            *step = server.step().await;
        }
    }
    steps
}

fn shared() -> Arc<dyn Backend> {
    Arc::new(Shared(Memory::default()))
}

#[tokio::test]
async fn what_was_sealed_before_the_rotation_and_is_written_after_it_has_the_new_key() {
    let backend: Arc<dyn Backend> = Arc::new(Memory::default());
    let mut server = Server::start(&backend, None).await;
    let clients = ["one", "two", "three"].map(|id| server.issued(id));
    server.insert(&clients[0]).await.unwrap();
    let (new, _) = begin_rotation(&server.file).unwrap();
    assert_eq!(server.step().await, RotationStep::Announced(new.clone()));
    assert_eq!(server.step().await, RotationStep::InForce(new.clone()));
    server.seal_anew().await;
    server.insert(&clients[1]).await.unwrap();
    let in_use = KeysInUse {
        current: new,
        ..KeysInUse::default()
    };
    end_rotation(&server.file, &in_use).unwrap();
    assert!(matches!(server.step().await, RotationStep::Finished(_)));
    assert!(server.store.sealing_keys.previous_ids().is_empty());
    server.insert(&clients[2]).await.unwrap();
    for id in ["one", "two", "three"] {
        server.opens(id, &server.first()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_not_noticed_the_new_key_seals_with_it_nevertheless() {
    let backend = shared();
    let mut one = Server::start(&backend, None).await;
    let mut two = Server::start(&backend, Some(&one)).await;
    let three = Server::start(&backend, Some(&one)).await;
    let (sealed, lost) = (two.issued("two"), three.issued("three"));
    let (new, previous) = begin_rotation(&one.file).unwrap();
    two.copy(&one);
    assert_eq!(one.step().await, RotationStep::Announced(new.clone()));
    for server in [&mut one, &mut two] {
        assert_eq!(server.step().await, RotationStep::None);
    }
    advance(Duration::from_secs(11)).await;
    assert_eq!(one.step().await, RotationStep::InForce(new.clone()));
    one.seal_anew().await;
    assert_eq!(two.store.sealing_keys.current_id(), previous);
    two.insert(&sealed).await.unwrap();
    assert_eq!(two.store.sealing_keys.current_id(), new);
    one.opens("two", &one.first()).await;
    // A server that was suspended for so long that it lacks the key writes nothing that nobody can open.
    let refused = three.insert(&lost).await.unwrap_err().to_string();
    assert!(refused.contains("copy the key file"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn of_two_new_keys_only_the_first_one_is_announced_until_nobody_has_it() {
    let backend = shared();
    let mut one = Server::start(&backend, None).await;
    let mut two = Server::start(&backend, Some(&one)).await;
    let (first, _) = begin_rotation(&one.file).unwrap();
    let (second, _) = begin_rotation(&two.file).unwrap();
    assert_eq!(one.step().await, RotationStep::Announced(first.clone()));
    let rival = RotationStep::Rival(first.clone(), second.clone());
    assert_eq!(
        looks([&mut one, &mut two], 200).await,
        [RotationStep::None, rival]
    );
    assert_eq!(audited(&one, "key_announced").await, 1);
    // Each server says every fifteen seconds what it lacks or has.
    let last = one.store.key_rotations.last().await.unwrap().unwrap();
    let times: Vec<u64> = last.missing_on.values().copied().collect();
    assert!(times.len() == 1 && times[0] < 15, "{times:?}");
    // The operator gives up the first key, so the second one is announced.
    one.undo();
    assert_eq!(
        looks([&mut one, &mut two], 80).await,
        [RotationStep::Missing(second.clone()), RotationStep::None]
    );
    assert_eq!(audited(&one, "key_announced").await, 2);
    one.copy(&two);
    looks([&mut one, &mut two], 20).await;
    for server in [&one, &two] {
        assert_eq!(server.store.sealing_keys.current_id(), second);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_withdrawn_when_no_server_has_its_key_any_more() {
    let backend = shared();
    let mut one = Server::start(&backend, None).await;
    let mut two = Server::start(&backend, Some(&one)).await;
    let (new, previous) = begin_rotation(&one.file).unwrap();
    assert_eq!(one.step().await, RotationStep::Announced(new.clone()));
    // Servers that lack the key are restarted, and only those that run are counted.
    for _ in 0..5 {
        two = Server::start(&backend, Some(&two)).await;
        assert_eq!(two.step().await, RotationStep::Missing(new.clone()));
    }
    assert_eq!(
        looks([&mut one, &mut two], 90).await,
        [RotationStep::None, RotationStep::Missing(new.clone())]
    );
    let last = one.store.key_rotations.last().await.unwrap().unwrap();
    assert_eq!(last.missing_on.len(), 1);
    one.undo();
    assert_eq!(one.step().await, RotationStep::Missing(new));
    assert_eq!(
        looks([&mut one, &mut two], 80).await,
        [RotationStep::None, RotationStep::None]
    );
    assert!(one.store.key_rotations.last().await.unwrap().is_none());
    assert_eq!(one.store.sealing_keys.current_id(), previous);
    assert_eq!(audited(&one, "key_withdrawn").await, 1);
}

#[tokio::test]
async fn the_record_of_an_earlier_version_is_read() {
    let backend: Arc<dyn Backend> = Arc::new(Memory::default());
    let mut server = Server::start(&backend, None).await;
    let record = json!({
        "key": "a", "previous": "b", "stage": "announced", "announced_at": 1, "sealed_anew": 0, "missing_on": { "c": 7 },
    });
    let record = crate::store::record::encode(b"r", &record).unwrap();
    let put = vec![(crate::store::keys::ROTATION.to_vec(), record)];
    let change = Change {
        put,
        ..Change::default()
    };
    backend.apply(change).await.unwrap();
    let withdrawn = RotationStep::Withdrawn("a".to_owned());
    assert_eq!(server.step().await, withdrawn);
}
