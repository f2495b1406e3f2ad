//! Reads the log of sled 0.34 without sled, in one pass from beginning to end, so that it finishes whatever
//! the log contains.
//!
//! sled finds a page through its table and the pages above it. Where one of these is damaged, sled requests
//! it a million times or gives up on everything after it, though the records themselves are intact. This
//! module uses every message of the log that has a valid checksum. Each page with records states its range
//! of keys, so neither the table nor the pages above it are needed. Of two pages for a key, the one written
//! last applies. A lost page is replaced by its previous state.
//!
//! This is for logs that sled cannot read. Only sled decides about unfinished writes at the end of a log
//! after a kill.

mod cover;
mod form;
mod segment;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{LOG, LONG_VALUES};
use crate::store::backend::embedded::Work;
use crate::store::backend::embedded::inspect::Met;
use crate::store::{Pair, StoreError};
use cover::Uncovered;
use form::{Bounds, Leaf};
use segment::{Message, MessageKind, Messages, SEGMENT};

/// Pages that are kept in memory once they are read.
const KEPT: usize = 2_048;

/// Where a body is.
#[derive(Debug, Clone, Copy)]
struct BodyLocation {
    at: u64,
    length: usize,
    /// Whether the body is the name of a file.
    is_apart: bool,
}

/// The last state of a page in the log.
struct PageState {
    moment: u64,
    bounds: Bounds,
    base: BodyLocation,
    changes: Vec<BodyLocation>,
}

impl BodyLocation {
    /// Returns where the body of `message` is, which begins at `at` in the file.
    const fn of(message: &Message<'_>, at: u64) -> Self {
        Self {
            at,
            length: message.body.len(),
            is_apart: message.is_apart,
        }
    }
}

impl PageState {
    /// Returns the state in `message`, whose body begins at `at` in the file.
    const fn of(message: &Message<'_>, at: u64, bounds: Bounds) -> Self {
        Self {
            moment: message.moment,
            bounds,
            base: BodyLocation::of(message, at),
            changes: Vec::new(),
        }
    }
}

/// A range of keys, and the page that contains their values.
struct Part {
    bounds: Bounds,
    /// `None` when the page is lost.
    page: Option<usize>,
    /// Whether the page is known to be an older state.
    is_old: bool,
}

/// The log.
pub(in crate::store) struct SledLog {
    file: File,
    long_values: PathBuf,
    pages: Vec<PageState>,
    parts: Vec<Part>,
    kept: RefCell<HashMap<usize, Rc<Vec<Pair>>>>,
}

impl SledLog {
    /// Reads the log in `folder`, which must not be open elsewhere in the meantime.
    pub(in crate::store) fn read(folder: &Path, work: &Work) -> Result<Self, StoreError> {
        let path = folder.join(LOG);
        let failed = |error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        let mut log = Self {
            file: File::open(&path).map_err(failed)?,
            long_values: folder.join(LONG_VALUES),
            pages: Vec::new(),
            parts: Vec::new(),
            kept: RefCell::default(),
        };
        let segments = log.segments(work)?;
        log.pages = log.last_pages(&segments, work)?;
        log.divide(&segments, work)?;
        Ok(log)
    }

    /// Returns the value of `key`.
    pub(in crate::store) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let behind = self.parts.partition_point(|part| *part.bounds.from <= *key);
        let part = self.parts.get(behind.checked_sub(1)?)?;
        let pairs = self.pairs(part.page?)?;
        let at = pairs
            .binary_search_by(|(one, _)| one.as_slice().cmp(key))
            .ok()?;
        Some(pairs.get(at)?.1.clone())
    }

    /// Visits everything before the key `end`.
    pub(in crate::store) fn all(
        &self,
        end: &[u8],
        work: &Work,
        mut meet: impl FnMut(Met<'_>),
    ) -> Result<(), StoreError> {
        for part in &self.parts {
            if *part.bounds.from >= *end {
                break;
            }
            let pairs = match part.page {
                Some(page) => self.pairs(page),
                None => None,
            };
            let Some(pairs) = pairs else {
                meet(Met::Lost(format!("{} are lost", named(&part.bounds))));
                continue;
            };
            if part.is_old {
                meet(Met::Lost(format!(
                    "the latest state of {} is lost; an older state was read, in which later changes and \
                     deletions are missing",
                    named(&part.bounds)
                )));
            }
            for (key, value) in pairs.iter() {
                if part.bounds.holds(key) && **key < *end {
                    meet(Met::Pair(key, value));
                }
            }
            work.step(pairs.len() as u64)?;
        }
        Ok(())
    }

    /// Returns where the segments are, in the order in which they were written.
    fn segments(&self, work: &Work) -> Result<Vec<(u64, u64)>, StoreError> {
        let mut segments = Vec::new();
        for at in (0..segment::file_length(&self.file)?).step_by(SEGMENT) {
            work.step(0)?;
            if let Some(number) = segment::number(&segment::read(&self.file, at)?) {
                segments.push((number, at));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Visits every message of the log, with the position of its body in the file. An incomplete batch at
    /// the end was never acknowledged and is left out.
    fn each(
        &self,
        segments: &[(u64, u64)],
        work: &Work,
        mut see: impl FnMut(&Message<'_>, u64),
    ) -> Result<(), StoreError> {
        let end = self.last_moment(segments)?;
        for (number, at) in segments {
            let segment = segment::read(&self.file, *at)?;
            for message in Messages::of(&segment, *number) {
                let start = message.body.first_chunk();
                let needed = start.map(|bytes| u64::from_le_bytes(*bytes));
                if message.kind == MessageKind::Batch && needed > end {
                    return Ok(());
                }
                see(&message, at + message.at as u64);
            }
            work.step(segment.len() as u64)?;
        }
        Ok(())
    }

    /// Returns the last position of the last message.
    fn last_moment(&self, segments: &[(u64, u64)]) -> Result<Option<u64>, StoreError> {
        let Some((number, at)) = segments.last() else {
            return Ok(None);
        };
        let segment = segment::read(&self.file, *at)?;
        let last = Messages::of(&segment, *number).last();
        Ok(last.map(|message| message.last_moment()))
    }

    /// Returns the last state of every existing page.
    fn last_pages(
        &self,
        segments: &[(u64, u64)],
        work: &Work,
    ) -> Result<Vec<PageState>, StoreError> {
        let mut pages: HashMap<u64, PageState> = HashMap::new();
        self.each(segments, work, |message, at| match message.kind {
            MessageKind::Page => match self.bounds(message) {
                Some(bounds) => {
                    pages.insert(message.page, PageState::of(message, at, bounds));
                }
                // An inner page, without records.
                None => drop(pages.remove(&message.page)),
            },
            MessageKind::Change => {
                if let Some(page) = pages.get_mut(&message.page) {
                    page.changes.push(BodyLocation::of(message, at));
                }
            }
            MessageKind::Free => drop(pages.remove(&message.page)),
            MessageKind::Batch | MessageKind::Cap | MessageKind::Other => {}
        })?;
        Ok(pages.into_values().collect())
    }

    /// Divides all keys among the pages. Keys without a page get an older state of any page.
    fn divide(&mut self, segments: &[(u64, u64)], work: &Work) -> Result<(), StoreError> {
        let mut uncovered = Uncovered::all();
        self.give(&mut uncovered, 0, false);
        let mut older = self.older_pages(&uncovered, segments, work)?;
        let known = self.pages.len();
        self.pages.append(&mut older);
        self.give(&mut uncovered, known, true);
        for bounds in uncovered.left() {
            self.parts.push(Part {
                bounds,
                page: None,
                is_old: false,
            });
        }
        self.parts
            .sort_by(|one, other| one.bounds.from.cmp(&other.bounds.from));
        Ok(())
    }

    /// Returns every state of a page that has uncovered keys.
    fn older_pages(
        &self,
        uncovered: &Uncovered,
        segments: &[(u64, u64)],
        work: &Work,
    ) -> Result<Vec<PageState>, StoreError> {
        let mut older = Vec::new();
        if uncovered.left().next().is_none() {
            return Ok(older);
        }
        self.each(segments, work, |message, at| {
            if message.kind != MessageKind::Page {
                return;
            }
            if let Some(bounds) = self.bounds(message)
                && uncovered.meets(&bounds)
            {
                older.push(PageState::of(message, at, bounds));
            }
        })?;
        Ok(older)
    }

    /// Assigns keys to the pages starting at this index, the newest page first.
    fn give(&mut self, uncovered: &mut Uncovered, from: usize, is_old: bool) {
        let mut order = Vec::new();
        for (index, page) in self.pages.iter().enumerate().skip(from) {
            order.push((page.moment, index));
        }
        order.sort_unstable_by(|one, other| other.cmp(one));
        for (_, index) in order {
            let Some(page) = self.pages.get(index) else {
                continue;
            };
            for bounds in uncovered.take(&page.bounds) {
                self.parts.push(Part {
                    bounds,
                    page: Some(index),
                    is_old,
                });
            }
        }
    }

    /// Returns the range of keys of the page in a message; `None` if it is not a page with records.
    fn bounds(&self, message: &Message<'_>) -> Option<Bounds> {
        if message.is_apart {
            let body = self.apart(message.body)?;
            Some(Leaf::read(&body)?.bounds)
        } else {
            Some(Leaf::read(message.body)?.bounds)
        }
    }

    /// Returns the records of a page.
    fn pairs(&self, index: usize) -> Option<Rc<Vec<Pair>>> {
        if let Some(pairs) = self.kept.borrow().get(&index) {
            return Some(Rc::clone(pairs));
        }
        let page = self.pages.get(index)?;
        let base = self.body(page.base)?;
        let changes = page.changes.iter().filter_map(|place| self.body(*place));
        let pairs = Rc::new(Leaf::read(&base)?.pairs(changes)?);
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(index, Rc::clone(&pairs));
        Some(pairs)
    }

    fn body(&self, place: BodyLocation) -> Option<Vec<u8>> {
        let mut body = vec![0; place.length];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.at)).ok()?;
        file.read_exact(&mut body).ok()?;
        if place.is_apart {
            self.apart(&body)
        } else {
            Some(body)
        }
    }

    /// Reads a body from a file of its own, where it follows its checksum and its type.
    fn apart(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = i64::from_le_bytes(*name.first_chunk()?);
        let bytes = fs::read(self.long_values.join(name.to_string())).ok()?;
        let (sum, rest) = bytes.split_first_chunk()?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
            return None;
        }
        Some(rest.get(1..)?.to_vec())
    }

    /// Returns whether there are no pages.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

fn named(bounds: &Bounds) -> String {
    let from = bounds.from.escape_ascii();
    match &bounds.to {
        Some(to) => format!("the records from {from} to {}", to.escape_ascii()),
        None => format!("the records from {from} on"),
    }
}

#[cfg(test)]
mod tests;
