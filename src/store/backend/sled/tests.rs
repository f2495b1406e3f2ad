//! Who may read the files of a store, and reopening it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::store::StoreError;

type Database = crate::store::backend::embedded::database::Database<Db>;

#[cfg(unix)]
#[test]
fn a_store_is_readable_by_its_owner_only_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::TempDir::new().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let give = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let open = |folder: &Path| drop(Database::open(folder, 1 << 20).unwrap());
    let (new, empty, foreign) = (
        parent.path().join("a/new"),
        parent.path().join("b"),
        parent.path().join("c"),
    );
    for folder in [&empty, &foreign] {
        fs::create_dir(folder).unwrap();
        give(folder, 0o755);
    }
    fs::write(foreign.join("something"), "else").unwrap();
    for _ in 0..2 {
        for folder in [&new, &empty, &foreign] {
            open(folder);
            assert_eq!(mode(&folder.join(LOG)), 0o600, "{}", folder.display());
            assert_eq!(
                mode(&folder.join(LONG_VALUES)),
                0o700,
                "{}",
                folder.display()
            );
        }
        // A folder with other files in it does not belong to the store.
        assert_eq!(
            (mode(&new), mode(&empty), mode(&foreign)),
            (0o700, 0o700, 0o755)
        );
        // As an older registrar left it.
        give(&new, 0o755);
        give(&new.join(LOG), 0o644);
    }
}

#[test]
fn a_database_can_be_reopened_while_it_is_read() {
    let folder = tempfile::TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("data"), 1 << 20).unwrap();
    let done = AtomicBool::new(false);
    let read = || {
        let (mut found, mut closed) = (0, 0);
        // A reader may be scheduled only after all reopening: it can always find one value.
        while !done.load(Ordering::SeqCst) || found == 0 {
            match database.with(|db| db.get("k")) {
                Ok(value) => found += usize::from(value.unwrap() == "v"),
                Err(StoreError::Unavailable(_)) => closed += 1,
                Err(error) => panic!("{error}"),
            }
        }
        (found, closed)
    };
    let store = |key: &str| {
        database
            .with(|db| db.insert(key, "v").and_then(|_| db.flush()))
            .unwrap()
    };
    store("k");
    thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        for turn in 0..5 {
            database.reopen().unwrap();
            store(&turn.to_string());
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            let (found, _) = reader.join().unwrap();
            assert!(found > 0);
        }
    });
    assert_eq!(database.with(|db| Ok(db.len())).unwrap(), 6);
    assert!(!folder.path().join("data/room.try").exists());
}
