//! The messages of one segment of the log, found again behind a part that cannot be read.
//!
//! sled takes a segment for ended where a message does not have its checksum. What is behind it is
//! mostly whole, so it is searched for the next message that has one.

use super::form;

/// Bytes of a segment.
pub(super) const SEGMENT: usize = 512 << 10;
/// Bytes of the head of a segment.
const HEAD: usize = 20;
/// Nothing begins in the last bytes of a segment: the head of a message may be as long as this.
const LONGEST_HEAD: usize = 32;
/// How often the bytes of a segment are summed up at most while a message is searched.
const TRIES: usize = 64;

/// What a message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing of use here.
    Other,
    /// Ends the segment.
    Cap,
    /// Says how far the log must be whole for what follows to count.
    Batch,
    /// A page is there no more.
    Free,
    /// All of a page.
    Page,
    /// A change of a page.
    Change,
}

/// A message that has its checksum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    /// Whether it is in a file of its own, whose name the body is.
    pub(super) is_apart: bool,
    /// The number of the page.
    pub(super) page: u64,
    /// Where it is in the history of the log.
    pub(super) moment: u64,
    /// Where the body begins in the segment.
    pub(super) at: usize,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// Where the next one begins in the segment.
    const fn end(&self) -> usize {
        self.at + self.body.len()
    }

    /// The last moment of the log that belongs to it.
    pub(super) const fn last_moment(&self) -> u64 {
        self.moment + (self.end() as u64 - self.moment % SEGMENT as u64) - 1
    }
}

/// The messages of a segment.
pub(super) struct Messages<'a> {
    segment: &'a [u8],
    number: u64,
    at: usize,
    /// Bytes that may still be summed up for messages that turn out to be none.
    left: usize,
}

impl<'a> Messages<'a> {
    /// Those of the segment with this [`number`].
    pub(super) const fn of(segment: &'a [u8], number: u64) -> Self {
        Self { segment, number, at: HEAD, left: TRIES * SEGMENT }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        while self.at + LONGEST_HEAD <= self.segment.len() {
            match message(self.segment, self.at, &mut self.left) {
                Some((number, message)) if number == self.number => {
                    self.at = if message.kind == Kind::Cap { self.segment.len() } else { message.end() };
                    return Some(message);
                }
                // One of an older use of the segment is no message of this one.
                _ => self.at += 1,
            }
        }
        None
    }
}

/// The number of a segment: its place in the history of the log. When its head cannot be read, that
/// is in every message; of several uses of the segment the last one counts.
pub(super) fn number(segment: &[u8]) -> Option<u64> {
    if let Some(moment) = head(segment) {
        return moment.is_multiple_of(SEGMENT as u64).then_some(moment / SEGMENT as u64);
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

/// The moment at which a segment begins, when its head has its checksum.
fn head(segment: &[u8]) -> Option<u64> {
    let (sum, rest) = segment.split_first_chunk::<4>()?;
    let numbers = rest.get(..HEAD - 4)?;
    if crc32fast::hash(numbers) != u32::from_le_bytes(*sum) ^ u32::MAX {
        return None;
    }
    let (moment, _) = numbers.split_first_chunk::<8>()?;
    Some(u64::from_le_bytes(*moment) ^ 0x7FFF_FFFF_FFFF_FFFF)
}

/// The message that begins at `at`, and the number of the segment that it was written for.
fn message<'a>(segment: &'a [u8], at: usize, left: &mut usize) -> Option<(u64, Message<'a>)> {
    let all = segment.get(at..)?;
    let (sum, rest) = all.split_first_chunk::<4>()?;
    let (word, mut rest) = rest.split_first()?;
    let (kind, is_apart) = match word {
        1 | 5 | 6 | 7 => (Kind::Other, false),
        2 => (Kind::Cap, false),
        3 => (Kind::Batch, false),
        4 => (Kind::Free, false),
        8 => (Kind::Page, false),
        9 => (Kind::Page, true),
        10 => (Kind::Change, false),
        11 => (Kind::Change, true),
        _ => return None,
    };
    let length = usize::try_from(form::number(&mut rest)?).ok()?;
    let number = form::number(&mut rest)?;
    let page = form::number(&mut rest)?;
    let body = rest.get(..length)?;
    *left = left.checked_sub(length + LONGEST_HEAD)?;
    let named = all.get(4..all.len() - rest.len())?;
    let mut found = crc32fast::Hasher::new();
    found.update(body);
    found.update(named);
    if found.finalize() != u32::from_le_bytes(*sum) ^ u32::MAX {
        return None;
    }
    // What is whole costs nothing of what may be tried.
    *left += length + LONGEST_HEAD;
    let moment = number.checked_mul(SEGMENT as u64)?.checked_add(at as u64)?;
    let at = segment.len() - rest.len();
    Some((number, Message { kind, is_apart, page, moment, at, body }))
}
