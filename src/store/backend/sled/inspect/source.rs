//! Where a store is read from: sled if it reads everything, otherwise the log itself.

use std::fs::File;
use std::path::Path;

use super::{Inspection, copy::Copy, trial, trial::TrialResult};
use crate::store::{
    StoreError, backend::sled::Content, backend::sled::Database, backend::sled::Met,
    backend::sled::SledLog, backend::sled::Tally, backend::sled::Work, backend::sled::database,
    backend::sled::integrity, backend::sled::tally, keys,
};

/// Pairs that are read at a time.
const CHUNK: usize = 500;

/// What reads the store.
enum StoreReader {
    Sled(Database),
    Log(SledLog),
}

/// A store that cannot be opened elsewhere in the meantime, and whose files stay unchanged.
pub(super) struct StoreSource {
    // In the order in which they must be dropped.
    reader: StoreReader,
    _copy: Option<Copy>,
    _lock: File,
}

impl StoreSource {
    /// Opens the store in `folder` and adds what sled cannot read to `found`.
    pub(super) fn open(
        folder: &Path,
        work: &Work,
        found: &mut Inspection,
    ) -> Result<Self, StoreError> {
        let lock = database::lock(folder)?;
        let copy = match Copy::make(folder, work) {
            Err(StoreError::Ended) => return Err(StoreError::Ended),
            other => other,
        };
        let trial = match &copy {
            Ok(copy) => trial::read(copy.folder(), work),
            Err(error) => Err(error.clone()),
        };
        let reader = reader(folder, trial, work, found)?;
        Ok(Self {
            reader,
            _copy: copy.ok(),
            _lock: lock,
        })
    }

    /// Returns whether sled cannot read the whole store.
    pub(super) const fn is_log(&self) -> bool {
        matches!(self.reader, StoreReader::Log(_))
    }

    /// Returns whether `key` is known to have no value.
    pub(super) fn is_missing(&self, key: &[u8]) -> bool {
        matches!(self.get(key), Ok(None))
    }

    /// Returns the value of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.reader {
            StoreReader::Sled(database) => database.get(key),
            StoreReader::Log(log) => Ok(log.get(key)),
        }
    }

    /// Returns the stored tally.
    pub(super) fn tally(&self) -> Result<Option<Tally>, StoreError> {
        match &self.reader {
            StoreReader::Sled(database) => integrity::stored(database),
            StoreReader::Log(log) => Ok(logged_tally(log)),
        }
    }

    /// Returns the content of an empty store whose pairs are hashed as those of the stored tally.
    pub(super) fn empty_content(&self) -> Content {
        Content::like(self.tally().ok().flatten())
    }

    /// Visits everything that can be read, in the order of the keys.
    pub(super) fn all(&self, work: &Work, meet: impl FnMut(Met<'_>)) -> Result<(), StoreError> {
        match &self.reader {
            StoreReader::Log(log) => log.all(tally::KEY, work, meet),
            StoreReader::Sled(database) => all_of_sled(database, work, meet),
        }
    }
}

fn all_of_sled(
    database: &Database,
    work: &Work,
    mut meet: impl FnMut(Met<'_>),
) -> Result<(), StoreError> {
    let mut from = Vec::new();
    loop {
        let range = from..tally::KEY.to_vec();
        let pairs: Vec<_> = database.with(|db| db.range(range).take(CHUNK).collect())?;
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

/// Returns the tally in a log, if it has a valid one.
fn logged_tally(log: &SledLog) -> Option<Tally> {
    Tally::decode(&log.get(tally::KEY)?)
}

/// Chooses what reads the store in `folder`: sled, unless its `trial` failed or the log has more than sled read.
fn reader(
    folder: &Path,
    trial: Result<TrialResult, StoreError>,
    work: &Work,
    found: &mut Inspection,
) -> Result<StoreReader, StoreError> {
    let read = match trial {
        Ok(read) => read,
        Err(StoreError::Ended) => return Err(StoreError::Ended),
        Err(error) => return log_instead(folder, error, work, found),
    };
    for fault in read.remade {
        found.fault(fault);
    }
    let (tally, content) = (read.tally, read.content);
    if integrity::check_whole(tally, content, folder).is_ok() {
        return Ok(StoreReader::Sled(read.database));
    }
    let log = SledLog::read(folder, work)?;
    if has_more(&log, tally, content, work)? {
        found.fault(said(None));
        return Ok(StoreReader::Log(log));
    }
    Ok(StoreReader::Sled(read.database))
}

/// Reads the log of a store that sled cannot read because of `error`.
fn log_instead(
    folder: &Path,
    error: StoreError,
    work: &Work,
    found: &mut Inspection,
) -> Result<StoreReader, StoreError> {
    let log = SledLog::read(folder, work)?;
    if log.is_empty() {
        return Err(nothing(error));
    }
    found.fault(said(Some(error)));
    Ok(StoreReader::Log(log))
}

/// Returns whether the log has more than sled read: later batches, or more of the same batch.
fn has_more(
    log: &SledLog,
    tally: Option<Tally>,
    content: Content,
    work: &Work,
) -> Result<bool, StoreError> {
    let mut all = Content::default();
    log.all(tally::KEY, work, |met| {
        if let Met::Pair(key, value) = met {
            all = all.with(key, value);
        }
    })?;
    let logged = logged_tally(log).unwrap_or_default().batches;
    let read = tally.unwrap_or_default().batches;
    Ok((logged, all.pairs()) > (read, content.pairs()))
}

fn nothing(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(what) => StoreError::Damaged(format!("no records can be read: {what}")),
        other => other,
    }
}

/// Describes why sled cannot read a store as a whole.
fn said(reason: Option<StoreError>) -> String {
    let reason = match reason {
        Some(StoreError::Damaged(what)) => what,
        Some(other) => other.to_string(),
        None => "it skips a part of them".to_owned(),
    };
    format!(
        "sled cannot read all of its files ({reason}); reading the records from its log instead, without \
         the lost parts"
    )
}
