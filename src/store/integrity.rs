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
            integrity.count_on(database)?;
        }
        match integrity.damage {
            Some(damage) => Err(StoreError::Damaged(damage)),
            None => Ok(integrity),
        }
    }

    /// Looks again, when the database was opened again. One that lost something is damaged for good.
    pub(super) fn reopened(&mut self, database: &Database) -> Result<(), StoreError> {
        let tally = stored(database).and_then(|tally| {
            let tally = tally.unwrap_or_default();
            judge(tally, Some(self.tally.batches)).map(|()| tally)
        });
        if let Err(StoreError::Damaged(damage)) = &tally {
            self.is_damaged(damage.clone());
        }
        self.tally = tally?;
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
    ///
    /// # Errors
    /// When the database can not be read at present: what is not counted yet still is to be.
    pub(super) fn count_on(&mut self, database: &Database) -> Result<(), StoreError> {
        let Some(mut count) = self.count.take() else { return Ok(()) };
        let range = count.from.clone()..tally::KEY.to_vec();
        let pairs = database.with(|db| db.range(range).take(CHUNK).collect::<sled::Result<Vec<_>>>());
        let pairs = match pairs {
            Ok(pairs) => pairs,
            Err(StoreError::Damaged(damage)) => {
                self.is_damaged(damage);
                return Ok(());
            }
            Err(error) => {
                self.count = Some(count);
                return Err(error);
            }
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
        Ok(())
    }

    fn is_damaged(&mut self, damage: String) {
        tracing::error!(error = %StoreError::Damaged(damage.clone()), "the store takes no more changes");
        self.damage = Some(damage);
    }
}

/// The tally that is stored.
pub(super) fn stored(database: &Database) -> Result<Option<Tally>, StoreError> {
    let Some(bytes) = database.with(|db| db.get(tally::KEY))? else { return Ok(None) };
    if let Some(error) = Tally::other_version(&bytes) {
        return Err(error);
    }
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
mod tests;
