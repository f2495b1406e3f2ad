//! What a writer does after a failed batch.

use tempfile::TempDir;

use super::*;
use crate::store::backend::sled::Db;
use crate::store::{Expectation, backend::embedded::tally};

type Database = super::Database<Db>;

struct TestStore {
    _folder: TempDir,
    database: Arc<Database>,
    writer: Writer<Db>,
}

impl TestStore {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let database = Arc::new(Database::open(folder.path(), 1 << 20).unwrap());
        let integrity = Integrity::open(&database, folder.path()).unwrap();
        let writer = Writer::new(Arc::clone(&database), integrity, Journal::default());
        Self {
            _folder: folder,
            database,
            writer,
        }
    }

    /// Returns the outcome of a change that stores `value` under `key`.
    fn put(&mut self, key: &str, value: &str) -> Result<crate::store::Applied, StoreError> {
        self.put_while(key, value, Vec::new())
    }

    /// Does so as long as `expect` is met.
    fn put_while(
        &mut self,
        key: &str,
        value: &str,
        expect: Vec<Expectation>,
    ) -> Result<crate::store::Applied, StoreError> {
        let (answer, mut outcome) = oneshot::channel();
        let put = vec![(key.into(), value.into())];
        self.writer.commit(vec![(
            Change {
                expect,
                put,
                ..Change::default()
            },
            answer,
        )]);
        outcome.try_recv().unwrap()
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.database
            .with(|db| Ok(db.get(key)?.map(|value| value.to_vec())))
            .unwrap()
    }

    /// The state after a batch that failed this long ago.
    fn broke(&mut self, ago: Duration) {
        self.writer.broken = Instant::now().checked_sub(ago);
        assert!(self.writer.broken.is_some());
    }
}

#[test]
fn no_write_happens_before_a_failed_database_is_reopened() {
    let mut place = TestStore::new();
    place.put("c/a", "first").unwrap();
    // A part of a failed batch, which the tally does not include.
    place
        .database
        .with(|db| db.insert("c/a", "part").map(drop))
        .unwrap();
    place.broke(Duration::ZERO);
    assert!(matches!(
        place.put("c/a", "second"),
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(place.get(b"c/a"), Some(b"part".to_vec()));
    place
        .database
        .with(|db| db.insert("c/a", "first").map(drop))
        .unwrap();
    place.broke(2 * MENDING);
    place.put("c/a", "second").unwrap();
    while place.writer.counts() {
        place.writer.count();
    }
    assert!(place.writer.integrity.damage().is_none());
}

#[test]
fn what_many_changes_expect_is_read_once_and_known_after_it_changes() {
    let mut place = TestStore::new();
    let expect = |value: &str| vec![Expectation::Value(b"k".to_vec(), value.into())];
    place.put("k", "first").unwrap();
    place.put_while("c/a", "1", expect("first")).unwrap();
    place.put("k", "second").unwrap();
    let late = place.put_while("c/a", "2", expect("first"));
    assert!(matches!(late, Err(StoreError::Conflict)));
    place.put_while("c/a", "3", expect("second")).unwrap();
    // Nobody else writes. If somebody did, the writer would not notice, since it does not read it again.
    let database = Arc::clone(&place.database);
    database
        .with(|db| db.insert("k", "other").map(drop))
        .unwrap();
    place.put_while("c/a", "4", expect("second")).unwrap();
    // After a failed write, the writer reads everything anew.
    place.broke(2 * MENDING);
    database
        .with(|db| db.insert("k", "second").map(drop))
        .unwrap();
    place.put_while("c/a", "5", expect("second")).unwrap();
    assert!(place.writer.integrity.damage().is_none());
}

#[test]
fn writes_are_confirmed_only_after_the_flush() {
    let mut place = TestStore::new();
    // It is visible, but its flush failed.
    place
        .database
        .with(|db| db.insert("c/a", "seen").map(drop))
        .unwrap();
    let (answer, mut outcome) = oneshot::channel();
    place.broke(Duration::ZERO);
    let expect = vec![Expectation::Value(b"c/a".to_vec(), b"seen".to_vec())];
    place.writer.commit(vec![(
        Change {
            expect,
            ..Change::default()
        },
        answer,
    )]);
    assert!(matches!(
        outcome.try_recv().unwrap(),
        Err(StoreError::Unavailable(_))
    ));
}

#[test]
fn a_reopened_database_that_lost_records_accepts_no_writes() {
    let mut place = TestStore::new();
    place.put("c/a", "first").unwrap();
    let before = place.get(tally::KEY).unwrap();
    place.put("c/b", "second").unwrap();
    place
        .database
        .with(|db| db.remove("c/b").and_then(|_| db.insert(tally::KEY, before)))
        .unwrap();
    for _ in 0..2 {
        place.broke(2 * MENDING);
        let refused = place.put("c/c", "third").unwrap_err();
        assert!(
            matches!(&refused, StoreError::Damaged(why) if why.contains("last 1 acknowledged batches")),
            "{refused}"
        );
        assert_eq!(place.get(b"c/c"), None);
    }
}
