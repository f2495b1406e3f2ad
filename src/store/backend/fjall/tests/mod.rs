//! What fjall does with damaged files, and what is noticed of it.

mod torn;

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::store::Pair;
use crate::store::backend::embedded::{Work, database, inspect};
use crate::store::backend::{Backend, Change};

type FjallDatabase = database::Database<Fjall>;

/// A store with some records.
async fn made() -> TempDir {
    let folder = TempDir::new().unwrap();
    let store = FjallStore::open(folder.path(), 1 << 20).unwrap();
    for number in 0..20_u8 {
        let put = vec![(vec![b'c', b'/', number], vec![number; 100])];
        let change = Change {
            put,
            ..Change::default()
        };
        store.apply(change).await.unwrap();
    }
    drop(store);
    folder
}

fn open(folder: &TempDir) -> Result<(), StoreError> {
    FjallStore::open(folder.path(), 1 << 20).map(drop)
}

#[tokio::test]
async fn a_store_without_one_of_its_files_is_damaged() {
    for name in [
        "version",
        "keyspaces/0/current",
        "keyspaces/1/current",
        "0.jnl",
    ] {
        let folder = made().await;
        open(&folder).unwrap();
        fs::remove_file(folder.path().join(HOME).join(name)).unwrap();
        for _ in 0..2 {
            let error = open(&folder).unwrap_err();
            assert!(
                matches!(&error, StoreError::Damaged(what) if what.contains(name)),
                "{name}: {error}"
            );
        }
    }
    let folder = made().await;
    fs::remove_dir_all(folder.path().join(HOME)).unwrap();
    let error = open(&folder).unwrap_err().to_string();
    assert!(error.contains("last 20 acknowledged batches"), "{error}");
}

#[tokio::test]
async fn a_lost_lock_file_is_no_damage() {
    let folder = made().await;
    fs::remove_file(folder.path().join(HOME).join("lock")).unwrap();
    open(&folder).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_is_readable_by_its_owner_only_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let folder = made().await;
    let home = folder.path().join(HOME);
    let mode = || fs::metadata(&home).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o700);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    open(&folder).unwrap();
    assert_eq!(mode(), 0o700);
}

#[tokio::test]
async fn a_database_can_be_reopened_while_it_is_read() {
    let folder = made().await;
    let database = FjallDatabase::open(folder.path(), 1 << 20).unwrap();
    let key = [b'c', b'/', 7];
    for _ in 0..5 {
        database.reopen().unwrap();
        assert_eq!(database.get(&key).unwrap(), Some(vec![7; 100]));
    }
    database.close();
    assert!(matches!(
        database.get(&key),
        Err(StoreError::Unavailable(_))
    ));
    database.reopen().unwrap();
    assert_eq!(
        database
            .scan(b"c/".to_vec()..b"d".to_vec(), 3)
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_store_is_open_once_also_for_the_check_of_its_tables() {
    let folder = made().await;
    let first = FjallStore::open(folder.path(), 1 << 20).unwrap();
    assert!(matches!(open(&folder), Err(StoreError::Locked(_))));
    drop(first);
    open(&folder).unwrap();
}

/// A store with these many records in one table, of which a block in the middle is damaged.
fn damaged(records: u32) -> TempDir {
    let folder = TempDir::new().unwrap();
    let database = FjallDatabase::open(folder.path(), 1 << 20).unwrap();
    let pairs = (0..records).map(record);
    let values = pairs.map(|(key, value)| (key, Some(value))).collect();
    database.write(&values).unwrap();
    database
        .with(|db| db.keyspace.rotate_memtable_and_wait())
        .unwrap();
    drop(database);
    let tables = folder.path().join(HOME).join("keyspaces/1/tables");
    let table = fs::read_dir(tables)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(table, bytes).unwrap();
    folder
}

fn record(number: u32) -> Pair {
    // A long index entry.
    let key = format!("z/{number:06}{}", "x".repeat(200));
    (key.into_bytes(), Vec::new())
}

#[tokio::test]
async fn the_records_around_damage_are_read_and_a_store_of_them_can_be_accepted() {
    const RECORDS: u32 = 2_000;
    let folder = damaged(RECORDS);
    let work = Work::default();
    let found = inspect::check::<Fjall>(folder.path(), None, &work).unwrap();
    let has = |text: &str| found.faults.iter().any(|fault| fault.contains(text));
    assert!(
        has("reading the records before and after the damage"),
        "{found:?}"
    );
    assert!(has("are lost"), "{found:?}");
    assert!(
        found.records < u64::from(RECORDS) && found.records > u64::from(RECORDS) - 100,
        "{found:?}"
    );
    assert!(open(&folder).is_err());
    let accepted = inspect::accept::<Fjall>(folder.path(), None, &work).unwrap();
    assert!(accepted.lost.iter().any(|lost| lost.contains("are lost")));
    assert!(accepted.aside.unwrap().join(HOME).join("version").exists());
    let store = FjallStore::open(folder.path(), 1 << 20).unwrap();
    let all = Vec::new()..vec![u8::MAX];
    let left = store.scan(all, usize::MAX).await.unwrap();
    assert_eq!(left.len() as u64, found.records);
    assert!(left.first() == Some(&record(0)) && left.last() == Some(&record(RECORDS - 1)));
}

#[tokio::test]
async fn the_changes_before_damage_in_the_journal_are_read_and_can_be_accepted() {
    let folder = TempDir::new().unwrap();
    let store = FjallStore::open(folder.path(), 1 << 20).unwrap();
    for number in 0..100 {
        let put = vec![record(number)];
        let change = Change {
            put,
            ..Change::default()
        };
        store.apply(change).await.unwrap();
    }
    drop(store);
    let journal = folder.path().join(HOME).join("0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // A byte of a key.
    let near = bytes[..used / 2]
        .windows(4)
        .rposition(|part| part == b"xxxx");
    bytes[near.unwrap()] ^= 1;
    fs::write(&journal, bytes).unwrap();

    let work = Work::default();
    let found = inspect::check::<Fjall>(folder.path(), None, &work).unwrap();
    let has = |text: &str| found.faults.iter().any(|fault| fault.contains(text));
    assert!(has("the journal 0.jnl is damaged"), "{found:?}");
    assert!(has("acknowledged batches are missing"), "{found:?}");
    assert!((40..60).contains(&found.records), "{found:?}");
    let accepted = inspect::accept::<Fjall>(folder.path(), None, &work).unwrap();
    assert!(accepted.aside.is_some());
    let store = FjallStore::open(folder.path(), 1 << 20).unwrap();
    let all = Vec::new()..vec![u8::MAX];
    let left = store.scan(all, usize::MAX).await.unwrap();
    assert_eq!(left.len() as u64, found.records);
}
