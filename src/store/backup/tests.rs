//! Backups of a store that changes, and backups that were damaged.

use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use tempfile::TempDir;

use super::*;
use crate::base::{SealingKey, SegmentKey, Timestamp};
use crate::config::StoreSettings;
use crate::store::backend::memory::Memory;
use crate::store::sealing::key_proof;
use crate::store::{Backend, Change, Pair, Store};

const KEY: [u8; 32] = [7; 32];

fn store() -> (Arc<dyn Backend>, Store) {
    let backend: Arc<dyn Backend> = Arc::new(Memory::default());
    let store = Store::on(Arc::clone(&backend), SealingKey::from_bytes(KEY).into());
    (backend, store)
}

fn name(number: usize) -> Vec<u8> {
    format!("c/{number:05}").into_bytes()
}

async fn apply(backend: &dyn Backend, put: Vec<Pair>, delete: Vec<Vec<u8>>) {
    let change = Change {
        delete,
        put,
        ..Change::default()
    };
    backend.apply(change).await.unwrap();
}

/// Returns a store with `count` records and the proof of its key.
async fn filled(count: usize) -> (Arc<dyn Backend>, Store) {
    let (backend, store) = store();
    let put = (0..count).map(|number| (name(number), vec![1; 300]));
    apply(&*backend, put.collect(), Vec::new()).await;
    let key = SealingKey::from_bytes(KEY).into();
    key_proof::check(&*backend, &key, Path::new("key"))
        .await
        .unwrap();
    (backend, store)
}

fn envelope() -> Envelope {
    Envelope {
        key: SegmentKey::from_bytes(&KEY).unwrap(),
        encrypted: "a.b.c.d.e".to_owned(),
    }
}

fn manifest() -> Manifest {
    Manifest::new("https://a.example", Timestamp::from_unix(1))
}

/// Returns a backup of everything in `store`.
async fn made(store: &Store, envelope: Option<Envelope>) -> Vec<u8> {
    let recording = store.begin_backup().unwrap();
    let stream = store.backup(recording, envelope, manifest()).unwrap();
    let pieces: Vec<Vec<u8>> = stream.try_collect().await.unwrap();
    pieces.concat()
}

fn read(bytes: &[u8], key: Option<[u8; 32]>) -> Result<Backup<&[u8]>, BackupFault> {
    let key = key.and_then(|key| SegmentKey::from_bytes(&key));
    Backup::read(OpenedBackup::new(bytes)?, key)
}

fn check(bytes: &[u8], key: Option<[u8; 32]>) -> Result<Contents, BackupFault> {
    read(bytes, key)?.check(true)
}

/// Returns everything in the store to which `bytes` were restored.
async fn restored(bytes: &[u8], key: Option<[u8; 32]>) -> Vec<Pair> {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let settings = StoreSettings::default();
    let backup = read(bytes, key).unwrap();
    let restored = restore(&settings, &data, backup, None).await.unwrap();
    assert_eq!(restored.has_key, key.is_some());
    let backend = crate::store::open_in(&data, &settings).unwrap();
    backend
        .scan(Vec::new()..vec![u8::MAX], usize::MAX)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_restored_store_is_the_store_at_the_end_of_the_backup() {
    let (backend, store) = filled(3_000).await;
    let recording = store.begin_backup().unwrap();
    let stream = store.backup(recording, None, manifest()).unwrap();
    let mut stream = std::pin::pin!(stream);
    let (mut bytes, mut state, mut turn) = (Vec::new(), Vec::new(), 0);
    while let Some(piece) = stream.next().await {
        bytes.extend(piece.unwrap());
        // Nothing was written since the last piece was made.
        state = store.everything().await.unwrap();
        turn += 1;
        // Keys that were read and keys that were not, changed, removed, added, and removed again.
        let put = vec![
            (name(turn), vec![2; turn]),
            (name(2_900 + turn), vec![3; turn]),
            (name(5_000 + turn), vec![4; turn]),
            (name(9_999), vec![5; turn]),
        ];
        let delete = vec![name(1_000 + turn), name(2_800 + turn), name(4_999 + turn)];
        apply(&*backend, put, delete).await;
        if turn == 5 {
            apply(&*backend, Vec::new(), vec![name(turn), name(9_999)]).await;
        }
    }
    assert!(turn > 5, "{turn}");
    assert_eq!(restored(&bytes, None).await, state);
}

#[tokio::test]
async fn one_backup_is_made_at_a_time() {
    let (_, store) = filled(10).await;
    let recording = store.begin_backup().unwrap();
    assert_eq!(store.begin_backup().err(), Some(BackupRefusal::Running));
    let stream = store.backup(recording, None, manifest()).unwrap();
    assert_eq!(store.begin_backup().err(), Some(BackupRefusal::Running));
    drop(stream);
    made(&store, None).await;
    assert!(store.begin_backup().is_ok());
}

#[tokio::test]
async fn an_encrypted_backup_opens_only_with_its_key_and_has_the_key_of_the_store() {
    let (_, store) = filled(1_000).await;
    let bytes = made(&store, Some(envelope())).await;
    assert!(!bytes.windows(7).any(|part| part == b"c/00042"));
    assert!(matches!(check(&bytes, None), Err(BackupFault::Encrypted)));
    assert!(matches!(
        check(&bytes, Some([8; 32])),
        Err(BackupFault::Undecryptable)
    ));
    OpenedBackup::new(&bytes[..]).unwrap().check_form().unwrap();
    assert!(read(&bytes, Some(KEY)).unwrap().manifest().has_key());
    assert_eq!(
        restored(&bytes, Some(KEY)).await,
        store.everything().await.unwrap()
    );
    let plain = made(&store, None).await;
    assert!(!read(&plain, None).unwrap().manifest().has_key());
}

/// Puts the proof of another key in the place of that in the store, as the rotation does.
async fn replace_key(backend: &dyn Backend, key: [u8; 32]) {
    let proof = key_proof::of(&SealingKey::from_bytes(key)).unwrap();
    apply(backend, vec![(b"k".to_vec(), proof)], Vec::new()).await;
}

#[tokio::test]
async fn a_backup_fails_if_its_key_is_replaced_meanwhile_and_no_backup_with_another_key_is_fine() {
    let (backend, store) = filled(3_000).await;
    let recording = store.begin_backup().unwrap();
    let stream = store
        .backup(recording, Some(envelope()), manifest())
        .unwrap();
    let mut stream = std::pin::pin!(stream);
    stream.next().await.unwrap().unwrap();
    replace_key(&*backend, [9; 32]).await;
    let ended: Result<Vec<Vec<u8>>, BackupError> = stream.try_collect().await;
    assert!(matches!(ended, Err(BackupError::KeyReplaced)));

    // An earlier version wrote such a backup.
    let text = Manifest::with_key(manifest(), &SealingKey::from_bytes(KEY).into());
    let mut text = entries::BackupText::new(Some(envelope()), &text).unwrap();
    for (key, value) in store.everything().await.unwrap() {
        text.entry(&key, Some(&value)).unwrap();
    }
    let bytes = text.finish().unwrap();
    assert!(matches!(
        check(&bytes, Some(KEY)),
        Err(BackupFault::OtherKey)
    ));
    // It can be restored with a copy of the other key.
    read(&bytes, Some(KEY)).unwrap().check(false).unwrap();
    replace_key(&*backend, KEY).await;
    check(&made(&store, Some(envelope())).await, Some(KEY)).unwrap();
}

#[tokio::test]
async fn every_changed_byte_and_every_missing_end_is_noticed() {
    let (_, store) = filled(400).await;
    // The proof of the key and the last change of the backup too; that of the first one is read by the second.
    for (key, bytes, stored) in [
        (None, made(&store, None).await, 402),
        (Some(KEY), made(&store, Some(envelope())).await, 403),
    ] {
        let contents = check(&bytes, key).unwrap();
        assert_eq!((contents.stored, contents.removed), (stored, 0));
        // All bytes at the beginning and at the end, and some between.
        let places = (0..300)
            .chain((300..bytes.len() - 300).step_by(997))
            .chain(bytes.len() - 300..bytes.len());
        for at in places {
            for bit in [1, 32, 128] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                assert!(check(&changed, key).is_err(), "byte {at}, {bit}");
            }
            assert!(check(&bytes[..at], key).is_err(), "cut at {at}");
            assert!(
                OpenedBackup::new(&bytes[..at])
                    .and_then(OpenedBackup::check_form)
                    .is_err()
            );
        }
        let longer = [&bytes[..], b"\n"].concat();
        assert!(matches!(check(&longer, key), Err(BackupFault::Altered(_))));
    }
}

/// Damages bytes in many ways, the same at each run.
struct Damage(u64);

impl Damage {
    /// Returns a number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// Returns the place and the length of a part of `bytes`: a few bytes, or many.
    fn part(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len());
        let most = if self.below(2) == 0 { 8 } else { bytes.len() };
        let length = 1 + self.below(most);
        start..bytes.len().min(start + length)
    }

    /// Returns `bytes` with damage.
    fn of(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        let (part, other) = (self.part(bytes), self.part(bytes));
        match self.below(7) {
            0 => damaged.truncate(part.start),
            1 => damaged[part.start] ^= 1 << self.below(8),
            2 => {
                for byte in &mut damaged[part] {
                    *byte = u8::try_from(self.below(256)).unwrap();
                }
            }
            3 => drop(damaged.drain(part)),
            4 => drop(damaged.splice(other.start..other.start, bytes[part].to_vec())),
            5 => drop(damaged.splice(other, bytes[part].to_vec())),
            _ => damaged[part].fill(0),
        }
        damaged
    }
}

#[tokio::test]
async fn damage_at_random_is_noticed_even_if_the_digest_is_right() {
    let (_, store) = filled(100).await;
    let mut damage = Damage(22);
    for (key, bytes) in [
        (None, made(&store, None).await),
        (Some(KEY), made(&store, Some(envelope())).await),
    ] {
        let whole = check(&bytes, key).unwrap();
        let text = &bytes[..bytes.len() - 32];
        for turn in 0..500 {
            let damaged = damage.of(&bytes);
            if damaged != bytes {
                assert!(check(&damaged, key).is_err(), "turn {turn}");
            }
            // Whoever knows the format computes the digest anew.
            let mut renewed = damage.of(text);
            if renewed == text {
                continue;
            }
            renewed.extend(crate::base::sha256(&renewed));
            match (check(&renewed, key), key) {
                (Err(_), _) => {}
                (Ok(contents), None) => assert_eq!(contents, whole, "no entry is missing"),
                (Ok(_), Some(_)) => panic!("turn {turn}: the cipher does not notice it"),
            }
        }
    }
}

#[test]
fn other_files_and_versions_are_named() {
    let said = |text: &str| check(text.as_bytes(), None).unwrap_err().to_string();
    assert!(said("").starts_with("is not a backup"));
    assert!(said("{\"clients\":0}\n").starts_with("is not a backup"));
    assert!(said("{\"registrarBackup\":2,\"more\":1}\n").starts_with("has version 2"));
    assert!(said("{\"registrarBackup\":1}").starts_with("was altered"));
    assert!(said("{\"registrarBackup\":1}\n").starts_with("is truncated"));
}

#[tokio::test]
async fn a_restore_needs_an_empty_folder_and_the_right_key_and_leaves_nothing_of_a_failure() {
    let (_, store) = filled(10).await;
    let bytes = made(&store, None).await;
    let folder = TempDir::new().unwrap();
    let settings = StoreSettings::default();
    let (data, key) = (folder.path().join("data"), folder.path().join("a.key"));
    let put = crate::store::sealing::key_file::put_back;
    put(&key, &SealingKey::from_bytes([9; 32]).into()).unwrap();
    let attempt = async || {
        let backup = read(&bytes, None).unwrap();
        restore(&settings, &data, backup, Some(&key)).await
    };
    let said = attempt().await.unwrap_err().to_string();
    assert!(said.contains("not the key of this store"), "{said}");
    assert!(!data.exists(), "it did not exist before");

    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("something"), "else").unwrap();
    let said = attempt().await.unwrap_err().to_string();
    assert!(said.contains("is not empty"), "{said}");
    std::fs::remove_file(data.join("something")).unwrap();

    // As an interrupted restore leaves it.
    std::fs::write(data.join("registrar.restoring"), "").unwrap();
    let said = attempt().await.unwrap_err().to_string();
    assert!(said.contains("was not finished"), "{said}");
    assert!(refuse_unfinished(&data).is_err());
    // The mark is seldom the first name of a folder with many, whose order is the file system's own.
    for number in 0..50 {
        std::fs::write(data.join(number.to_string()), "").unwrap();
    }
    let said = attempt().await.unwrap_err().to_string();
    assert!(said.contains("was not finished"), "{said}");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();

    std::fs::remove_file(&key).unwrap();
    put(&key, &SealingKey::from_bytes(KEY).into()).unwrap();
    assert!(attempt().await.unwrap().has_key);
    refuse_unfinished(&data).unwrap();
    assert_eq!(
        std::fs::read(data.join("registrar.key")).unwrap(),
        std::fs::read(&key).unwrap()
    );
}
