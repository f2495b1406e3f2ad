//! Whether all that was acknowledged is still there: sled 0.34 goes on without a part of its log
//! that it can not read, and does not say so.
//!
//! The end of the log is held by the [mark](super::mark), everything by the
//! [tally](super::tally). Counting a small store again takes no time, so a start waits for it; of
//! a large one the writer counts some between two batches, until all of it is known. A store that
//! does not fit takes no change from then on.

use std::path::Path;
use std::time::{Duration, Instant};

use super::StoreError;
use super::backend::Pair;
use super::keys;
use super::mark::Mark;
use super::pending::Values;
use super::sled_database::Database;
use super::tally::{self, Content, Tally};

/// Pairs that are counted at a time.
const CHUNK: usize = 500;
/// How long a start waits for the count.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is known of one store.
pub(super) struct Integrity {
    tally: Tally,
    mark: Mark,
    count: Option<Count>,
    damage: Option<String>,
}

/// A count that is not over.
#[derive(Default)]
struct Count {
    /// The first key that was not counted.
    from: Vec<u8>,
    seen: Content,
}

/// What a batch makes of the numbers, once it is written.
pub(super) struct Next {
    tally: Tally,
    seen: Content,
}

impl Next {
    /// The tally, as it is written with the batch.
    pub(super) fn pair(&self) -> Pair {
        (tally::KEY.to_vec(), self.tally.encode())
    }
}

impl Integrity {
    /// Looks whether `database`, which is in `folder`, has what was acknowledged.
    pub(super) fn open(database: &Database, folder: &Path) -> Result<Self, StoreError> {
        Self::open_within(database, folder, PATIENCE)
    }

    fn open_within(database: &Database, folder: &Path, patience: Duration) -> Result<Self, StoreError> {
        let marked = Mark::read(folder)?;
        let tally = match stored(database)? {
            Some(tally) => tally,
            None => adopted(database, marked)?,
        };
        judge(tally, marked)?;
        if marked.is_none() && tally.batches > 0 {
            tracing::warn!("the store has no mark of what was acknowledged last; it gets a new one");
        }
        let mark = Mark::open(folder, tally.batches)?;
        let mut integrity = Self { tally, mark, count: Some(Count::default()), damage: None };
        let begun = Instant::now();
        while integrity.is_counting() && begun.elapsed() < patience {
            integrity.count_on(database);
        }
        match integrity.damage {
            Some(damage) => Err(StoreError::Damaged(damage)),
            None => Ok(integrity),
        }
    }

    /// Looks again, when the database was opened again.
    pub(super) fn reopened(&mut self, database: &Database) -> Result<(), StoreError> {
        let tally = stored(database)?.unwrap_or_default();
        judge(tally, Some(self.tally.batches))?;
        self.tally = tally;
        self.count = Some(Count::default());
        Ok(())
    }

    /// Why the store takes no change.
    pub(super) fn damage(&self) -> Option<StoreError> {
        self.damage.clone().map(StoreError::Damaged)
    }

    /// Whether there is more to count.
    pub(super) const fn is_counting(&self) -> bool {
        self.count.is_some()
    }

    /// What `values` make of the numbers. `read` gives what is stored now.
    pub(super) fn next(
        &self,
        read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
        values: &Values,
    ) -> Result<Next, StoreError> {
        let mut content = self.tally.content();
        let mut seen = self.count.as_ref().map(|count| count.seen).unwrap_or_default();
        for (key, value) in values {
            let is_counted = self.count.as_ref().is_some_and(|count| *key < count.from);
            let old = read(key)?;
            if old == *value {
                continue;
            }
            let change = |content: Content| {
                let without = old.as_ref().map_or(content, |old| content.without(key, old));
                value.as_ref().map_or(without, |value| without.with(key, value))
            };
            content = change(content);
            if is_counted {
                seen = change(seen);
            }
        }
        Ok(Next { tally: self.tally.then(content), seen })
    }

    /// Takes over what a batch made, which is on the disk now.
    pub(super) fn written(&mut self, next: &Next) {
        self.tally = next.tally;
        if let Some(count) = &mut self.count {
            count.seen = next.seen;
        }
        if let Err(error) = self.mark.set(self.tally.batches) {
            tracing::warn!(%error, "the mark of what was acknowledged last can not be written");
        }
    }

    /// Counts some more; says in the log when the store does not fit its tally.
    pub(super) fn count_on(&mut self, database: &Database) {
        let Some(mut count) = self.count.take() else { return };
        let range = count.from.clone()..tally::KEY.to_vec();
        let pairs = database.with(|db| db.range(range).take(CHUNK).collect::<sled::Result<Vec<_>>>());
        let pairs = match pairs {
            Ok(pairs) => pairs,
            Err(StoreError::Damaged(damage)) => return self.is_damaged(damage),
            // It is closed; it is counted from the beginning when it is open again.
            Err(_) => return,
        };
        count.seen = pairs.iter().fold(count.seen, |seen, (key, value)| seen.with(key, value));
        match pairs.last() {
            Some((key, _)) if pairs.len() == CHUNK => {
                count.from = keys::behind(key);
                self.count = Some(count);
            }
            _ => {
                if let Some(damage) = count.seen.differs(self.tally.content()) {
                    self.is_damaged(damage);
                }
            }
        }
    }

    fn is_damaged(&mut self, damage: String) {
        tracing::error!(error = %StoreError::Damaged(damage.clone()), "the store takes no more changes");
        self.damage = Some(damage);
    }
}

/// The tally that is stored.
pub(super) fn stored(database: &Database) -> Result<Option<Tally>, StoreError> {
    let Some(bytes) = database.with(|db| db.get(tally::KEY))? else { return Ok(None) };
    let damaged = || StoreError::Damaged("the tally of what is stored can not be read".to_owned());
    Tally::decode(&bytes).map(Some).ok_or_else(damaged)
}

/// That no batch is missing of those that were acknowledged.
pub(super) fn judge(tally: Tally, marked: Option<u64>) -> Result<(), StoreError> {
    match marked.unwrap_or_default().checked_sub(tally.batches) {
        None | Some(0) => Ok(()),
        Some(lost) => {
            let damage = format!("what was stored last is gone: {lost} batches that were acknowledged");
            Err(StoreError::Damaged(damage))
        }
    }
}

/// The tally of a store that has none: it is new, or was made by a registrar that kept none.
fn adopted(database: &Database, marked: Option<u64>) -> Result<Tally, StoreError> {
    judge(Tally::default(), marked)?;
    let content = database.with(|db| {
        db.range(..tally::KEY.to_vec()).try_fold(Content::default(), |content, pair| {
            let (key, value) = pair?;
            Ok(content.with(&key, &value))
        })
    })?;
    if content == Content::default() {
        return Ok(Tally::default());
    }
    let tally = Tally::of(1, content);
    database.with(|db| {
        db.insert(tally::KEY, tally.encode())?;
        db.flush()
    })?;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Place {
        folder: TempDir,
        database: Database,
        integrity: Integrity,
    }

    impl Place {
        /// A store with so many pairs, of which none is counted again yet.
        fn with(pairs: usize) -> Self {
            let folder = TempDir::new().unwrap();
            let database = Database::open(folder.path(), 1 << 20).unwrap();
            let integrity = Integrity::open(&database, folder.path()).unwrap();
            let mut place = Self { folder, database, integrity };
            let values = (0..pairs).map(|number| (key(number), Some(b"first".to_vec())));
            place.write(values.collect());
            place.integrity =
                Integrity::open_within(&place.database, place.folder.path(), Duration::ZERO).unwrap();
            place
        }

        fn write(&mut self, values: Values) {
            let read = |key: &[u8]| self.database.with(|db| Ok(db.get(key)?.map(|value| value.to_vec())));
            let next = self.integrity.next(read, &values).unwrap();
            let (tally, numbers) = next.pair();
            for (key, value) in values.into_iter().chain([(tally, Some(numbers))]) {
                let write = |db: &sled::Db| match value {
                    Some(value) => db.insert(key, value),
                    None => db.remove(key),
                };
                self.database.with(write).unwrap();
            }
            self.integrity.written(&next);
        }

        fn count(&mut self) {
            while self.integrity.is_counting() {
                self.integrity.count_on(&self.database);
            }
        }
    }

    fn key(number: usize) -> Vec<u8> {
        format!("c/{number:06}").into_bytes()
    }

    #[test]
    fn what_is_written_while_it_counts_is_counted_once() {
        let mut place = Place::with(3 * CHUNK);
        for turn in 0..3 {
            place.integrity.count_on(&place.database);
            // Behind what was counted, and before it: new ones, changed ones, removed ones.
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
    fn what_is_gone_is_missed() {
        for at in [0, CHUNK, 3 * CHUNK - 1] {
            let mut place = Place::with(3 * CHUNK);
            place.database.with(|db| db.remove(key(at))).unwrap();
            place.count();
            let damage = place.integrity.damage().unwrap().to_string();
            assert!(damage.contains("there must be 1500 records, and 1499"), "{damage}");
            assert!(Integrity::open(&place.database, place.folder.path()).is_err());
        }
    }

    #[test]
    fn an_old_value_is_noticed() {
        let mut place = Place::with(10);
        place.database.with(|db| db.insert(key(3), "older")).unwrap();
        place.count();
        assert!(place.integrity.damage().unwrap().to_string().contains("not those that were stored last"));
    }

    #[test]
    fn a_store_without_a_tally_is_counted_once_and_a_mark_alone_is_damage() {
        let place = Place::with(10);
        place.database.with(|db| db.remove(tally::KEY)).unwrap();
        let outcome = Integrity::open(&place.database, place.folder.path());
        assert!(outcome.err().unwrap().to_string().contains("1 batches that were acknowledged"));
        std::fs::remove_file(place.folder.path().join(super::super::mark::NAME)).unwrap();
        Integrity::open(&place.database, place.folder.path()).unwrap();
        Integrity::open(&place.database, place.folder.path()).unwrap();
    }
}
