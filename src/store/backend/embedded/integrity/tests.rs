//! Counting while writing, and stores that do not match their tally.

use tempfile::TempDir;

use super::*;
use crate::store::backend::sled::Db;

type Database = super::Database<Db>;

struct TestStore {
    folder: TempDir,
    database: Database,
    integrity: Integrity,
}

impl TestStore {
    /// A store with this many pairs, of which none has been counted again yet.
    fn with(pairs: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let database = Database::open(folder.path(), 1 << 20).unwrap();
        let integrity = Integrity::open(&database, folder.path()).unwrap();
        let mut place = Self {
            folder,
            database,
            integrity,
        };
        let values = (0..pairs).map(|number| (key(number), Some(b"first".to_vec())));
        place.write(values.collect());
        place.integrity =
            Integrity::open_within(&place.database, place.folder.path(), Duration::ZERO).unwrap();
        place
    }

    fn write(&mut self, values: Values) {
        let read = |key: &[u8]| {
            self.database
                .with(|db| Ok(db.get(key)?.map(|value| value.to_vec())))
        };
        let next = self.integrity.next(read, &values).unwrap();
        let mut values = values;
        next.join(&mut values);
        for (key, value) in values {
            let write = |db: &Db| match value {
                Some(value) => db.insert(key, value),
                None => db.remove(key),
            };
            self.database.with(write).unwrap();
        }
        self.integrity.written(&next);
    }

    fn count(&mut self) {
        while self.integrity.is_counting() {
            self.integrity.count_on(&self.database).unwrap();
        }
    }
}

fn key(number: usize) -> Vec<u8> {
    format!("c/{number:06}").into_bytes()
}

#[test]
fn writes_during_the_count_are_counted_once() {
    let mut place = TestStore::with(3 * CHUNK);
    for turn in 0..3 {
        place.integrity.count_on(&place.database).unwrap();
        // After the counted part and before it: new, changed and removed pairs.
        for base in [0, 2 * CHUNK] {
            let changed = (key(base + turn), Some(b"second".to_vec()));
            let removed = (key(base + 10 + turn), None);
            let mut new = key(base + 20 + turn);
            new.push(b'n');
            place.write(Values::from([changed, removed, (new, Some(Vec::new()))]));
        }
    }
    place.count();
    assert!(place.integrity.damage().is_none());
    Integrity::open_within(&place.database, place.folder.path(), Duration::MAX).unwrap();
}

#[test]
fn missing_records_are_detected() {
    for at in [0, CHUNK, 3 * CHUNK - 1] {
        let mut place = TestStore::with(3 * CHUNK);
        place.database.with(|db| db.remove(key(at))).unwrap();
        place.count();
        let damage = place.integrity.damage().unwrap().to_string();
        assert!(
            damage.contains("expected 1500 records, found 1499"),
            "{damage}"
        );
        assert!(Integrity::open(&place.database, place.folder.path()).is_err());
    }
}

#[test]
fn unreadable_records_do_not_count() {
    let mut place = TestStore::with(3 * CHUNK);
    place.database.with(|db| db.remove(key(2 * CHUNK))).unwrap();
    place.integrity.count_on(&place.database).unwrap();
    place.database.close();
    assert!(matches!(
        place.integrity.count_on(&place.database),
        Err(StoreError::Unavailable(_))
    ));
    assert!(place.integrity.is_counting() && place.integrity.damage().is_none());
    place.database.reopen().unwrap();
    place.count();
    assert!(place.integrity.damage().is_some());
}

#[test]
fn an_old_value_is_detected() {
    let mut place = TestStore::with(10);
    place
        .database
        .with(|db| db.insert(key(3), "older"))
        .unwrap();
    place.count();
    assert!(
        place
            .integrity
            .damage()
            .unwrap()
            .to_string()
            .contains("differ from what was last stored")
    );
}

#[test]
fn a_store_without_a_tally_is_counted_once_and_a_mark_alone_is_damage() {
    let place = TestStore::with(10);
    place.database.with(|db| db.remove(tally::KEY)).unwrap();
    let outcome = Integrity::open(&place.database, place.folder.path());
    assert!(
        outcome
            .err()
            .unwrap()
            .to_string()
            .contains("last 1 acknowledged batches")
    );
    std::fs::remove_file(
        place
            .folder
            .path()
            .join(crate::store::backend::embedded::mark::NAME),
    )
    .unwrap();
    Integrity::open(&place.database, place.folder.path()).unwrap();
    Integrity::open(&place.database, place.folder.path()).unwrap();
}

impl TestStore {
    /// Gives the store the tally of a version that hashed its pairs with SHA-256, and opens it again.
    fn with_old_tally(&mut self) {
        let pairs: Vec<_> = self
            .database
            .with(|db| db.range(..tally::KEY.to_vec()).collect())
            .unwrap();
        let mut content = Content::empty(Digest::Sha256);
        for (key, value) in &pairs {
            content = content.with(key, value);
        }
        let old = Tally::of(self.integrity.tally.batches, content);
        self.database
            .with(|db| db.insert(tally::KEY, old.encode()))
            .unwrap();
        self.integrity =
            Integrity::open_within(&self.database, self.folder.path(), Duration::ZERO).unwrap();
    }

    fn stored_digest(&self) -> Digest {
        stored(&self.database).unwrap().unwrap().content().digest()
    }
}

#[test]
fn an_older_tally_is_renewed_once_everything_was_counted() {
    let mut place = TestStore::with(3 * CHUNK);
    place.with_old_tally();
    place.integrity.count_on(&place.database).unwrap();
    // During the count, the tally stays as old as it is.
    place.write(Values::from([
        (key(1), Some(b"second".to_vec())),
        (key(2 * CHUNK), None),
    ]));
    assert_eq!(place.stored_digest(), Digest::Sha256);
    place.count();
    assert!(place.integrity.damage().is_none());
    place.write(Values::from([(key(2), Some(b"third".to_vec()))]));
    assert_eq!(place.stored_digest(), Digest::Xxh3);
    Integrity::open_within(&place.database, place.folder.path(), Duration::MAX).unwrap();
}

#[test]
fn what_an_older_tally_misses_is_detected_and_not_renewed() {
    let mut place = TestStore::with(3 * CHUNK);
    place.with_old_tally();
    place.database.with(|db| db.remove(key(7))).unwrap();
    place.count();
    assert!(place.integrity.damage().is_some());
    assert_eq!(place.stored_digest(), Digest::Sha256);
}
