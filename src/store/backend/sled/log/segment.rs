//! The messages of one segment of the log, including those after a part that cannot be read.
//!
//! sled considers a segment finished at the first message with an invalid checksum. Most of what follows is
//! usually intact, so the segment is searched for the next message with a valid one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::form;
use crate::store::StoreError;

/// Bytes of a segment.
pub(super) const SEGMENT: usize = 512 << 10;
/// Bytes of the header of a segment.
const HEAD: usize = 20;
/// Maximum length of a message's header: no message begins in the last bytes of a segment.
const LONGEST_HEAD: usize = 32;
/// How many times the length of a segment may be checksummed while searching for messages.
const TRIES: usize = 64;

/// The unit in which a disk can or cannot be read, in bytes.
const SECTOR: usize = 4_096;

/// Returns the bytes of the segment of `file` that begins at `at`. Bytes that the disk cannot read are 0.
pub(super) fn read(file: &File, at: u64) -> Result<Vec<u8>, StoreError> {
    if let Ok(bytes) = read_whole(file, at) {
        return Ok(bytes);
    }
    let length = file_length(file)?.saturating_sub(at);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(SEGMENT).min(SEGMENT)];
    let mut place = at;
    for sector in bytes.chunks_mut(SECTOR) {
        if read_sector(file, place, sector).is_err() {
            sector.fill(0);
        }
        place += sector.len() as u64;
    }
    Ok(bytes)
}

/// Returns the length of the log in bytes.
pub(super) fn file_length(file: &File) -> Result<u64, StoreError> {
    match file.metadata() {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) => {
            let reason = format!("the log cannot be read: {error}");
            Err(StoreError::Unavailable(reason))
        }
    }
}

fn read_whole(mut file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SEGMENT);
    file.seek(SeekFrom::Start(at))?;
    file.take(SEGMENT as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_sector(mut file: &File, at: u64, sector: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(sector)
}

/// What a message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageKind {
    /// Irrelevant here.
    Other,
    /// Ends the segment.
    Cap,
    /// States up to where the log must be complete for the following messages to be valid.
    Batch,
    /// The page was deleted.
    Free,
    /// The whole page.
    Page,
    /// A change of a page.
    Change,
}

/// A message with a valid checksum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: MessageKind,
    /// Whether the content is in a separate file, whose name is the body.
    pub(super) is_apart: bool,
    /// The number of the page.
    pub(super) page: u64,
    /// The position in the history of the log.
    pub(super) moment: u64,
    /// Where the body begins in the segment.
    pub(super) at: usize,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// The position of the next message in the segment.
    const fn end(&self) -> usize {
        self.at + self.body.len()
    }

    /// The last position in the log that belongs to the message.
    pub(super) const fn last_moment(&self) -> u64 {
        self.moment + (self.end() as u64 - self.moment % SEGMENT as u64) - 1
    }
}

/// The messages of a segment.
pub(super) struct Messages<'a> {
    segment: &'a [u8],
    number: u64,
    at: usize,
    /// Bytes that may still be checksummed for candidates that turn out not to be messages.
    left: usize,
}

impl<'a> Messages<'a> {
    /// Returns the messages of the segment with this [`number`].
    pub(super) const fn of(segment: &'a [u8], number: u64) -> Self {
        Self {
            segment,
            number,
            at: HEAD,
            left: TRIES * SEGMENT,
        }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        while self.at + LONGEST_HEAD <= self.segment.len() {
            match message(self.segment, self.at, &mut self.left) {
                Some((number, message)) if number == self.number => {
                    self.at = if message.kind == MessageKind::Cap {
                        self.segment.len()
                    } else {
                        message.end()
                    };
                    return Some(message);
                }
                // A message of an earlier use of the segment does not count.
                _ => self.at += 1,
            }
        }
        None
    }
}

/// Returns the number of a segment: its position in the history of the log. If its header cannot be read,
/// the number is taken from its messages. The segment may have been used several times; the last use
/// counts.
pub(super) fn number(segment: &[u8]) -> Option<u64> {
    if let Some(moment) = head(segment) {
        return moment
            .is_multiple_of(SEGMENT as u64)
            .then_some(moment / SEGMENT as u64);
    }
    let (mut at, mut left, mut newest) = (HEAD, TRIES * SEGMENT, None);
    while at + LONGEST_HEAD <= segment.len() {
        match message(segment, at, &mut left) {
            Some((number, message)) => {
                newest = newest.max(Some(number));
                at = message.end();
            }
            None => at += 1,
        }
    }
    newest
}

/// Returns the position in the log at which a segment begins, if its header has a valid checksum.
fn head(segment: &[u8]) -> Option<u64> {
    let (sum, rest) = segment.split_first_chunk::<4>()?;
    let numbers = rest.get(..HEAD - 4)?;
    if crc32fast::hash(numbers) != u32::from_le_bytes(*sum) ^ u32::MAX {
        return None;
    }
    let (moment, _) = numbers.split_first_chunk::<8>()?;
    Some(u64::from_le_bytes(*moment) ^ 0x7FFF_FFFF_FFFF_FFFF)
}

/// Returns the message that begins at `at`, and the number of the segment that it was written for.
fn message<'a>(segment: &'a [u8], at: usize, left: &mut usize) -> Option<(u64, Message<'a>)> {
    let (sum, summed) = segment.get(at..)?.split_first_chunk::<4>()?;
    let mut rest = summed;
    let header = Header::read(&mut rest)?;
    let body = rest.get(..header.length)?;
    *left = left.checked_sub(header.length + LONGEST_HEAD)?;
    let header_bytes = summed.get(..summed.len() - rest.len())?;
    if checksum(body, header_bytes) != u32::from_le_bytes(*sum) {
        return None;
    }
    // A valid message is not charged to the search budget.
    *left += header.length + LONGEST_HEAD;
    let begin = header.segment.checked_mul(SEGMENT as u64)?;
    let message = Message {
        kind: header.kind,
        is_apart: header.is_apart,
        page: header.page,
        moment: begin.checked_add(at as u64)?,
        at: segment.len() - rest.len(),
        body,
    };
    Some((header.segment, message))
}

/// The header of a message, which follows its checksum.
struct Header {
    kind: MessageKind,
    is_apart: bool,
    /// Bytes of the body.
    length: usize,
    /// The number of the segment that the message was written for.
    segment: u64,
    page: u64,
}

impl Header {
    /// Reads the header at the beginning of `bytes`, which are the body and what follows it afterwards.
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (word, rest) = bytes.split_first()?;
        *bytes = rest;
        let (kind, is_apart) = kind_of(*word)?;
        Some(Self {
            kind,
            is_apart,
            length: usize::try_from(form::number(bytes)?).ok()?,
            segment: form::number(bytes)?,
            page: form::number(bytes)?,
        })
    }
}

/// Returns what the first byte of a message states: its kind, and whether its content is in a separate file.
const fn kind_of(word: u8) -> Option<(MessageKind, bool)> {
    Some(match word {
        1 | 5 | 6 | 7 => (MessageKind::Other, false),
        2 => (MessageKind::Cap, false),
        3 => (MessageKind::Batch, false),
        4 => (MessageKind::Free, false),
        8 => (MessageKind::Page, false),
        9 => (MessageKind::Page, true),
        10 => (MessageKind::Change, false),
        11 => (MessageKind::Change, true),
        _ => return None,
    })
}

/// Returns the checksum of a message: of its body, followed by its header.
fn checksum(body: &[u8], header: &[u8]) -> u32 {
    let mut found = crc32fast::Hasher::new();
    found.update(body);
    found.update(header);
    found.finalize() ^ u32::MAX
}
