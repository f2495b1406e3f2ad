//! Where a store is read from: the database if it reads everything, otherwise around the damage.

use std::fs::File;
use std::path::Path;

use super::super::{Content, Tally, Work, integrity, tally};
use super::{Inspect, Inspection, Met, Salvage, copy::Copy, trial, trial::TrialResult};
use crate::store::backend::embedded::database::{self, Database};
use crate::store::{StoreError, backup, keys};

/// Pairs that are read at a time.
const CHUNK: usize = 500;

/// What reads the store.
enum StoreReader<E: Inspect> {
    Whole(Database<E>),
    Partial(E::Salvaged),
}

/// A store that cannot be opened elsewhere in the meantime, and whose files stay unchanged.
pub(super) struct StoreSource<E: Inspect> {
    // In the order in which they must be dropped.
    reader: StoreReader<E>,
    _copy: Option<Copy>,
    _lock: File,
}

impl<E: Inspect> StoreSource<E> {
    /// Opens the store in `folder` and adds what its database cannot read to `found`.
    pub(super) fn open(
        folder: &Path,
        work: &Work,
        found: &mut Inspection,
    ) -> Result<Self, StoreError> {
        backup::refuse_unfinished(folder)?;
        let lock = database::lock::<E>(folder)?;
        let copy = match Copy::make::<E>(folder, work) {
            Err(StoreError::Ended) => return Err(StoreError::Ended),
            other => other,
        };
        let trial = match &copy {
            Ok(copy) => trial::read(copy, work),
            Err(error) => Err(error.clone()),
        };
        let copied = copy.as_ref().ok().map(Copy::folder);
        let reader = reader(StorePlace { folder, copied }, trial, work, found)?;
        Ok(Self {
            reader,
            _copy: copy.ok(),
            _lock: lock,
        })
    }

    /// Returns whether the database cannot read the whole store.
    pub(super) const fn is_partial(&self) -> bool {
        matches!(self.reader, StoreReader::Partial(_))
    }

    /// Returns whether `key` is known to have no value.
    pub(super) fn is_missing(&self, key: &[u8]) -> bool {
        matches!(self.get(key), Ok(None))
    }

    /// Returns the value of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.reader {
            StoreReader::Whole(database) => database.get(key),
            StoreReader::Partial(rest) => Ok(rest.get(key)),
        }
    }

    /// Returns the stored tally.
    pub(super) fn tally(&self) -> Result<Option<Tally>, StoreError> {
        match &self.reader {
            StoreReader::Whole(database) => integrity::stored(database),
            StoreReader::Partial(rest) => Ok(salvaged_tally(rest)),
        }
    }

    /// Returns the content of an empty store whose pairs are hashed as those of the stored tally.
    pub(super) fn empty_content(&self) -> Content {
        Content::like(self.tally().ok().flatten())
    }

    /// Visits everything that can be read, in the order of the keys.
    pub(super) fn all(&self, work: &Work, meet: impl FnMut(Met<'_>)) -> Result<(), StoreError> {
        match &self.reader {
            StoreReader::Partial(rest) => rest.all(tally::KEY, work, meet),
            StoreReader::Whole(database) => all_of(database, work, meet),
        }
    }
}

/// Visits everything in a database that can read it all.
pub(super) fn all_of<E: Inspect>(
    database: &Database<E>,
    work: &Work,
    mut meet: impl FnMut(Met<'_>),
) -> Result<(), StoreError> {
    let mut from = Vec::new();
    loop {
        let pairs = database.scan(from..tally::KEY.to_vec(), CHUNK)?;
        work.step(pairs.len() as u64)?;
        for (key, value) in &pairs {
            meet(Met::Pair(key, value));
        }
        match pairs.last() {
            Some((last, _)) if pairs.len() == CHUNK => from = keys::behind(last),
            _ => return Ok(()),
        }
    }
}

/// Returns the salvaged tally, if there is a valid one.
fn salvaged_tally(rest: &impl Salvage) -> Option<Tally> {
    Tally::decode(&rest.get(tally::KEY)?)
}

/// Where the files of a store are.
#[derive(Clone, Copy)]
struct StorePlace<'a> {
    folder: &'a Path,
    /// `None` if they could not be copied.
    copied: Option<&'a Path>,
}

/// Chooses what reads a store: its database, unless its `trial` failed or more can be read around it.
fn reader<E: Inspect>(
    place: StorePlace<'_>,
    trial: Result<TrialResult<E>, StoreError>,
    work: &Work,
    found: &mut Inspection,
) -> Result<StoreReader<E>, StoreError> {
    let read = match trial {
        Ok(read) => read,
        Err(StoreError::Ended) => return Err(StoreError::Ended),
        Err(error) => return rest_instead::<E>(place, error, work, found),
    };
    for fault in read.remade {
        found.fault(fault);
    }
    let (tally, content) = (read.tally, read.content);
    if integrity::check_whole(tally, content, place.folder).is_ok() || !E::Salvaged::FINDS_MORE {
        return Ok(StoreReader::Whole(read.database));
    }
    let rest = E::salvage(place.folder, place.copied, work)?;
    if has_more(&rest, tally, content, work)? {
        found.fault(said::<E>(None));
        return Ok(StoreReader::Partial(rest));
    }
    Ok(StoreReader::Whole(read.database))
}

/// Reads around the damage of a store that its database cannot read because of `error`.
fn rest_instead<E: Inspect>(
    place: StorePlace<'_>,
    error: StoreError,
    work: &Work,
    found: &mut Inspection,
) -> Result<StoreReader<E>, StoreError> {
    let rest = E::salvage(place.folder, place.copied, work)?;
    if rest.is_empty() {
        return Err(nothing(error));
    }
    found.fault(said::<E>(Some(error)));
    Ok(StoreReader::Partial(rest))
}

/// Returns whether `rest` has more than the database read: later batches, or more of the same batch.
fn has_more(
    rest: &impl Salvage,
    tally: Option<Tally>,
    content: Content,
    work: &Work,
) -> Result<bool, StoreError> {
    let mut all = Content::default();
    rest.all(tally::KEY, work, |met| {
        if let Met::Pair(key, value) = met {
            all = all.with(key, value);
        }
    })?;
    let salvaged = salvaged_tally(rest).unwrap_or_default().batches;
    let read = tally.unwrap_or_default().batches;
    Ok((salvaged, all.pairs()) > (read, content.pairs()))
}

fn nothing(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(what) => StoreError::Damaged(format!("no records can be read: {what}")),
        other => other,
    }
}

/// Describes why the database cannot read a store as a whole.
fn said<E: Inspect>(reason: Option<StoreError>) -> String {
    let reason = match reason {
        Some(StoreError::Damaged(what)) => what,
        Some(other) => other.to_string(),
        None => "it skips a part of them".to_owned(),
    };
    format!(
        "{} cannot read all of its files ({reason}); {}, without the lost parts",
        E::NAME,
        E::Salvaged::MANNER
    )
}
