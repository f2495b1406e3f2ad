//! Where a store is read from: sled if it reads everything, otherwise the log itself.

use std::fs::File;
use std::path::Path;

use super::Inspection;
use super::copy::Copy;
use super::trial::{self, TrialResult};
use crate::store::backend::sled::database::{self, Database};
use crate::store::backend::sled::integrity;
use crate::store::backend::sled::log::{Met, SledLog};
use crate::store::backend::sled::mark::Mark;
use crate::store::backend::sled::tally::{self, Content, Tally};
use crate::store::backend::sled::work::Work;
use crate::store::{StoreError, keys};

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

    /// Returns the value of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.reader {
            StoreReader::Sled(database) => {
                database.with(|db| Ok(db.get(key)?.map(|value| value.to_vec())))
            }
            StoreReader::Log(log) => Ok(log.get(key)),
        }
    }

    /// Returns the stored tally.
    pub(super) fn tally(&self) -> Result<Option<Tally>, StoreError> {
        match &self.reader {
            StoreReader::Sled(database) => integrity::stored(database),
            StoreReader::Log(log) => {
                Ok(log.get(tally::KEY).and_then(|bytes| Tally::decode(&bytes)))
            }
        }
    }

    /// Visits everything that can be read, in the order of the keys.
    pub(super) fn all(&self, work: &Work, mut meet: impl FnMut(Met<'_>)) -> Result<(), StoreError> {
        match &self.reader {
            StoreReader::Log(log) => log.all(tally::KEY, work, meet),
            StoreReader::Sled(database) => {
                let mut from = Some(Vec::new());
                while let Some(start) = from {
                    let pairs: Vec<_> = database.with(|db| {
                        db.range(start..tally::KEY.to_vec())
                            .take(CHUNK)
                            .collect::<sled::Result<_>>()
                    })?;
                    work.step(pairs.len() as u64)?;
                    for (key, value) in &pairs {
                        meet(Met::Pair(key, value));
                    }
                    let last = pairs.last().filter(|_| pairs.len() == CHUNK);
                    from = last.map(|(key, _)| keys::behind(key));
                }
                Ok(())
            }
        }
    }
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
        Err(error) => {
            let log = SledLog::read(folder, work)?;
            if log.is_empty() {
                return Err(nothing(error));
            }
            found.fault(said(Some(error)));
            return Ok(StoreReader::Log(log));
        }
    };
    for fault in read.remade {
        found.fault(fault);
    }
    let (tally, content) = (read.tally, read.content);
    if whole(tally, content, folder).is_ok() {
        return Ok(StoreReader::Sled(read.database));
    }
    let log = SledLog::read(folder, work)?;
    if has_more(&log, tally, content, work)? {
        found.fault(said(None));
        return Ok(StoreReader::Log(log));
    }
    Ok(StoreReader::Sled(read.database))
}

/// Checks that all acknowledged data is there.
fn whole(tally: Option<Tally>, content: Content, folder: &Path) -> Result<(), StoreError> {
    integrity::judge(tally.unwrap_or_default(), Mark::read(folder)?)?;
    // A store that an older registrar without a tally created has none yet.
    let differs = tally.and_then(|tally| content.differs(tally.content()));
    differs.map_or(Ok(()), |damage| Err(StoreError::Damaged(damage)))
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
    let batches = |tally: Option<Tally>| tally.map_or(0, |tally| tally.batches);
    let logged = batches(log.get(tally::KEY).and_then(|bytes| Tally::decode(&bytes)));
    Ok((logged, all.pairs()) > (batches(tally), content.pairs()))
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
