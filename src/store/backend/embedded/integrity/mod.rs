//! Checks whether all acknowledged data is still there: sled 0.34 and fjall 3.1 continue without a part of their
//! logs that they cannot read, and do not report it.
//!
//! The [mark](super::mark) verifies the end of the log, the [tally](super::tally) everything. Counting a small
//! store takes no time, so a start waits for it. Of a large store, the writer counts a part between
//! two batches until all of it is counted. From then on, a store that does not match rejects changes.

use std::path::Path;
use std::time::{Duration, Instant};

use super::tally::Digest;
use super::{Content, Database, Engine, Mark, Tally, tally};
use crate::store::{StoreError, Values, keys};

/// Pairs that are counted at a time.
const CHUNK: usize = 500;
/// How long a start waits for the count.
const PATIENCE: Duration = Duration::from_millis(250);

/// The state of one store.
pub(in crate::store) struct Integrity {
    tally: Tally,
    mark: Mark,
    count: Option<Count>,
    damage: Option<String>,
}

/// A count in progress.
struct Count {
    /// The first key that was not counted.
    from: Vec<u8>,
    seen: CountedPairs,
}

/// What was counted.
#[derive(Clone, Copy)]
struct CountedPairs {
    /// Hashed as the stored tally is.
    content: Content,
    /// Hashed as tallies are today. `Some` if the stored tally is older: it is replaced after the count.
    renewed: Option<Content>,
}

impl CountedPairs {
    fn nothing(tally: Tally) -> Self {
        let (digest, today) = (tally.content().digest(), Digest::default());
        Self {
            content: Content::empty(digest),
            renewed: (digest != today).then(|| Content::empty(today)),
        }
    }

    fn changed(self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> Self {
        Self {
            content: self.content.changed(key, old, new),
            renewed: self.renewed.map(|renewed| renewed.changed(key, old, new)),
        }
    }
}

/// Whether there is more to count.
enum CountState {
    Unfinished,
    Finished,
}

impl Count {
    /// A count of a store with this `tally` that has not begun.
    fn of(tally: Tally) -> Self {
        Self {
            from: Vec::new(),
            seen: CountedPairs::nothing(tally),
        }
    }

    /// Counts the next pairs of `database`.
    fn advance<E: Engine>(&mut self, database: &Database<E>) -> Result<CountState, StoreError> {
        let range = self.from.clone()..tally::KEY.to_vec();
        let (mut seen, mut count, mut last) = (self.seen, 0, Vec::new());
        database.visit(range, CHUNK, |key, value| {
            seen = seen.changed(key, None, Some(value));
            count += 1;
            if count == CHUNK {
                last = keys::behind(key);
            }
        })?;
        self.seen = seen;
        if count < CHUNK {
            return Ok(CountState::Finished);
        }
        self.from = last;
        Ok(CountState::Unfinished)
    }
}

/// The numbers after a batch, once it is written.
pub(in crate::store) struct Next {
    tally: Tally,
    /// `None` if everything was counted before.
    seen: Option<CountedPairs>,
}

impl Next {
    /// Adds the tally to the values of its batch.
    pub(in crate::store) fn join(&self, values: &mut Values) {
        values.insert(tally::KEY.to_vec(), Some(self.tally.encode()));
    }
}

impl Integrity {
    /// Checks whether `database`, which is in `folder`, has all acknowledged data.
    pub(in crate::store) fn open<E: Engine>(
        database: &Database<E>,
        folder: &Path,
    ) -> Result<Self, StoreError> {
        Self::open_within(database, folder, PATIENCE)
    }

    fn open_within<E: Engine>(
        database: &Database<E>,
        folder: &Path,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let marked = Mark::read(folder)?;
        let tally = match stored(database)? {
            Some(tally) => tally,
            None => adopted(database, marked)?,
        };
        judge(tally, marked)?;
        if marked.is_none() && tally.batches > 0 {
            tracing::warn!("the store's mark file (registrar.mark) is missing; creating a new one");
        }
        let mark = Mark::open(folder, tally.batches)?;
        let mut integrity = Self {
            tally,
            mark,
            count: Some(Count::of(tally)),
            damage: None,
        };
        let begun = Instant::now();
        while integrity.is_counting() && begun.elapsed() < patience {
            integrity.count_on(database)?;
        }
        match integrity.damage {
            Some(damage) => Err(StoreError::Damaged(damage)),
            None => Ok(integrity),
        }
    }

    /// Checks again after the database was reopened. A database that lost data stays damaged.
    pub(in crate::store) fn reopened<E: Engine>(
        &mut self,
        database: &Database<E>,
    ) -> Result<(), StoreError> {
        let tally = self.read_again(database);
        if let Err(StoreError::Damaged(damage)) = &tally {
            self.is_damaged(damage.clone());
        }
        self.tally = tally?;
        self.count = Some(Count::of(self.tally));
        Ok(())
    }

    fn read_again<E: Engine>(&self, database: &Database<E>) -> Result<Tally, StoreError> {
        let tally = stored(database)?.unwrap_or_default();
        judge(tally, Some(self.tally.batches))?;
        Ok(tally)
    }

    /// Returns why the store rejects changes; `None` if it does not.
    pub(in crate::store) fn damage(&self) -> Option<StoreError> {
        self.damage.clone().map(StoreError::Damaged)
    }

    /// Whether there is more to count.
    pub(in crate::store) const fn is_counting(&self) -> bool {
        self.count.is_some()
    }

    /// Returns the numbers after `values` are written. `read` returns the stored value of a key.
    pub(in crate::store) fn next(
        &self,
        read: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
        values: &Values,
    ) -> Result<Next, StoreError> {
        let mut content = self.tally.content();
        // Keys before `uncounted` were counted.
        let (mut seen, uncounted) = match &self.count {
            Some(count) => (Some(count.seen), count.from.as_slice()),
            None => (None, &[][..]),
        };
        for (key, value) in values {
            let old = read(key)?;
            if old == *value {
                continue;
            }
            content = content.changed(key, old.as_deref(), value.as_deref());
            if key.as_slice() < uncounted {
                seen = seen.map(|seen| seen.changed(key, old.as_deref(), value.as_deref()));
            }
        }
        Ok(Next {
            tally: self.tally.then(content),
            seen,
        })
    }

    /// Applies the numbers of a batch that is now on disk.
    pub(in crate::store) fn written(&mut self, next: &Next) {
        self.tally = next.tally;
        if let (Some(count), Some(seen)) = (&mut self.count, next.seen) {
            count.seen = seen;
        }
        if let Err(error) = self.mark.set(self.tally.batches) {
            tracing::warn!(%error, "cannot write the store's mark file (registrar.mark)");
        }
    }

    /// Counts some more pairs. Logs an error when the store does not match its tally.
    ///
    /// # Errors
    /// When the database cannot currently be read. The remaining pairs are still to be counted.
    pub(in crate::store) fn count_on<E: Engine>(
        &mut self,
        database: &Database<E>,
    ) -> Result<(), StoreError> {
        let Some(count) = &mut self.count else {
            return Ok(());
        };
        let damage = match count.advance(database) {
            Ok(CountState::Unfinished) => return Ok(()),
            Ok(CountState::Finished) => count.seen.content.differs(self.tally.content()),
            Err(StoreError::Damaged(damage)) => Some(damage),
            Err(error) => return Err(error),
        };
        let renewed = count.seen.renewed;
        self.count = None;
        match (damage, renewed) {
            (Some(damage), _) => self.is_damaged(damage),
            // The next batch writes it.
            (None, Some(renewed)) => self.tally = Tally::of(self.tally.batches, renewed),
            (None, None) => {}
        }
        Ok(())
    }

    fn is_damaged(&mut self, damage: String) {
        tracing::error!(error = %StoreError::Damaged(damage.clone()), "store damaged; rejecting changes");
        self.damage = Some(damage);
    }
}

/// Returns the stored tally.
pub(in crate::store) fn stored<E: Engine>(
    database: &Database<E>,
) -> Result<Option<Tally>, StoreError> {
    let Some(bytes) = database.get(tally::KEY)? else {
        return Ok(None);
    };
    if let Some(error) = Tally::other_version(&bytes) {
        return Err(error);
    }
    let Some(tally) = Tally::decode(&bytes) else {
        let damage = "the tally of the stored records cannot be read";
        return Err(StoreError::Damaged(damage.to_owned()));
    };
    Ok(Some(tally))
}

/// Checks that `content`, which is everything that was read from the store in `folder`, is all of its
/// acknowledged data.
pub(in crate::store) fn check_whole(
    tally: Option<Tally>,
    content: Content,
    folder: &Path,
) -> Result<(), StoreError> {
    judge(tally.unwrap_or_default(), Mark::read(folder)?)?;
    // A store that an older registrar without a tally created has none yet.
    let Some(tally) = tally else { return Ok(()) };
    match content.differs(tally.content()) {
        Some(damage) => Err(StoreError::Damaged(damage)),
        None => Ok(()),
    }
}

/// Checks that no acknowledged batch is missing.
pub(in crate::store) fn judge(tally: Tally, marked: Option<u64>) -> Result<(), StoreError> {
    match marked.unwrap_or_default().checked_sub(tally.batches) {
        None | Some(0) => Ok(()),
        Some(lost) => {
            let damage = format!("the last {lost} acknowledged batches are missing");
            Err(StoreError::Damaged(damage))
        }
    }
}

/// The tally of a store that has none: it is new, or an older registrar without a tally created it.
fn adopted<E: Engine>(database: &Database<E>, marked: Option<u64>) -> Result<Tally, StoreError> {
    judge(Tally::default(), marked)?;
    let mut content = Content::default();
    let all = Vec::new()..tally::KEY.to_vec();
    database.visit(all, usize::MAX, |key, value| {
        content = content.with(key, value);
    })?;
    if content == Content::default() {
        return Ok(Tally::default());
    }
    let tally = Tally::of(1, content);
    database.write(&Values::from([(tally::KEY.to_vec(), Some(tally.encode()))]))?;
    Ok(tally)
}

#[cfg(test)]
mod tests;
