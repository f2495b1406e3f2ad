//! What fjall does with damaged files, and what is noticed of it.

mod torn;

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::store::backend::{Backend, Change};

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
