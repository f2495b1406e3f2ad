//! What an inspection needs of fjall. Where fjall finds damage in a table, the records before and after it are
//! read. Where a journal is damaged, it is cut there, as fjall does after a kill.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Fjall, HOME, files};
use crate::store::StoreError;
use crate::store::backend::embedded::database::Database;
use crate::store::backend::embedded::inspect::{CACHE, Inspect, Met, Salvage, aside, sync};
use crate::store::backend::embedded::{Work, mark};

impl Inspect for Fjall {
    type Salvaged = Readable;

    fn open_copy(folder: &Path, _: &mut Vec<String>) -> Result<Database<Self>, StoreError> {
        Database::open(folder, CACHE)
    }

    fn salvage(folder: &Path, copy: Option<&Path>, _: &Work) -> Result<Readable, StoreError> {
        let Some(copy) = copy else {
            let reason = format!(
                "{} cannot be copied, and fjall works only on a copy",
                folder.display()
            );
            return Err(StoreError::Unavailable(reason));
        };
        match Database::open(copy, CACHE) {
            Ok(database) => Ok(Readable {
                database,
                cut: None,
            }),
            Err(error) => cut_journal(folder, copy, error),
        }
    }

    fn install(new: &Path, folder: &Path) -> io::Result<()> {
        fs::rename(new.join(HOME), folder.join(HOME))?;
        sync(folder)
    }

    fn replace(new: &Path, folder: &Path) -> io::Result<PathBuf> {
        let aside = aside(folder)?;
        for name in [mark::NAME, HOME] {
            match fs::rename(folder.join(name), aside.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Self::install(new, folder)?;
        sync(&aside)?;
        Ok(aside)
    }
}

/// A database that cannot read all of its records.
pub(in crate::store) struct Readable {
    database: Database<Fjall>,
    /// What was cut from a journal before the database could be opened.
    cut: Option<String>,
}

/// Opens the `copy` of the store in `folder`, which cannot be opened because of `error`, without the end of the first
/// journal for which that helps.
fn cut_journal(folder: &Path, copy: &Path, error: StoreError) -> Result<Readable, StoreError> {
    for name in files::journals(folder)? {
        let journal = JournalCopy::read(folder, copy, &name)?;
        if journal.open_with(0).is_ok() {
            return journal.open_before_damage(&name);
        }
        journal.restore(journal.bytes.len())?;
    }
    Err(error)
}

/// A journal of a copy.
struct JournalCopy<'a> {
    copy: &'a Path,
    file: PathBuf,
    /// What it was before fjall opened the copy.
    bytes: Vec<u8>,
}

impl<'a> JournalCopy<'a> {
    fn read(folder: &Path, copy: &'a Path, name: &str) -> Result<Self, StoreError> {
        let original = folder.join(HOME).join(name);
        Ok(Self {
            copy,
            file: copy.join(HOME).join(name),
            bytes: fs::read(&original).map_err(|error| unreadable(&original, &error))?,
        })
    }

    /// Writes the first `length` bytes, whatever fjall did to the file.
    fn restore(&self, length: usize) -> Result<(), StoreError> {
        let kept = self.bytes.get(..length).unwrap_or_default();
        fs::write(&self.file, kept).map_err(|error| unreadable(&self.file, &error))
    }

    fn open_with(&self, length: usize) -> Result<Database<Fjall>, StoreError> {
        self.restore(length)?;
        Database::open(self.copy, CACHE)
    }

    /// Opens the copy with as much of the journal as possible.
    fn open_before_damage(&self, name: &str) -> Result<Readable, StoreError> {
        let (mut good, mut bad) = (0, self.bytes.len());
        while bad - good > 1 {
            let middle = usize::midpoint(good, bad);
            if self.open_with(middle).is_ok() {
                good = middle;
            } else {
                bad = middle;
            }
        }
        let cut = format!(
            "the journal {name} is damaged near its byte {good}: the changes after that are lost"
        );
        Ok(Readable {
            database: self.open_with(good)?,
            cut: Some(cut),
        })
    }
}

fn unreadable(file: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", file.display()))
}

impl Salvage for Readable {
    const MANNER: &'static str = "reading the records before and after the damage";
    const FINDS_MORE: bool = false;

    fn is_empty(&self) -> bool {
        false
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.database.get(key).ok().flatten()
    }

    fn all(
        &self,
        end: &[u8],
        work: &Work,
        mut meet: impl FnMut(Met<'_>),
    ) -> Result<(), StoreError> {
        let mut last = Vec::new();
        let mut ended = Ok(());
        let all = Vec::new()..end.to_vec();
        let forwards = self.database.visit(all, usize::MAX, |key, value| {
            last = key.to_vec();
            if ended.is_ok() {
                meet(Met::Pair(key, value));
                ended = work.step(1);
            }
        });
        ended?;
        if forwards.is_err() {
            self.behind(&last, end, &mut meet);
        }
        if let Some(cut) = &self.cut {
            meet(Met::Lost(cut.clone()));
        }
        Ok(())
    }
}

impl Readable {
    /// Visits the pairs after the damage that follows the key `last`, before the key `end`.
    fn behind(&self, last: &[u8], end: &[u8], meet: &mut impl FnMut(Met<'_>)) {
        let tail = self.tail(last.to_vec()..end.to_vec());
        let first = tail.last().map_or(end, |(key, _)| key);
        meet(Met::Lost(format!(
            "the records between {} and {} are lost",
            last.escape_ascii(),
            first.escape_ascii()
        )));
        for (key, value) in tail.iter().rev() {
            meet(Met::Pair(key, value));
        }
    }

    /// Returns the pairs of `range` other than its first key, from the last backwards, as far as they can be read.
    fn tail(&self, range: Range<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut tail = Vec::new();
        let start = range.start.clone();
        // The error was reported already.
        drop(self.database.with(|db| {
            for pair in db.keyspace.range(range).rev() {
                let (key, value) = pair.into_inner()?;
                if *key != *start {
                    tail.push((key.to_vec(), value.to_vec()));
                }
            }
            Ok(())
        }));
        tail
    }
}
