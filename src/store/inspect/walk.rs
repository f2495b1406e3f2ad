//! Goes through all pairs of a database, and around what can not be read.
//!
//! sled keeps neighbours together in pages. Behind a page that can not be read the next key is
//! not known, so it is searched: in steps that double, and then halve. A page that can be read
//! may be missed when it lies between two that can not, closer than one of them is wide.

use std::fmt;

use crate::store::sled_database::Database;
use crate::store::{keys, tally};

/// Pairs that are read at a time.
const CHUNK: usize = 500;
/// Bytes of a key that are told apart in the search.
const WIDTH: usize = 48;

/// What is met.
pub(super) enum Event<'a> {
    /// A key and its value.
    Pair(&'a [u8], &'a [u8]),
    /// A part that can not be read.
    Gap(Gap),
}

/// A part that can not be read.
pub(super) struct Gap {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    reason: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, reason } = self;
        write!(f, "the records from {}", from.escape_ascii())?;
        match to {
            Some(to) => write!(f, " to {}", to.escape_ascii())?,
            None => write!(f, " on")?,
        }
        write!(f, " can not be read: {reason}")
    }
}

/// Goes through everything, in the order of the keys.
pub(super) fn all(database: &Database, mut meet: impl FnMut(Event<'_>)) {
    let mut next = Some(Vec::new());
    while let Some(from) = next {
        let (pairs, failed) = chunk(database, &from);
        for (key, value) in &pairs {
            meet(Event::Pair(key, value));
        }
        let last = pairs.last().map(|(key, _)| keys::behind(key));
        next = match failed {
            None if pairs.len() < CHUNK => None,
            None => last,
            Some(reason) => {
                let from = last.unwrap_or(from);
                let to = behind_gap(database, &from);
                meet(Event::Gap(Gap { from, to: to.clone(), reason }));
                to
            }
        };
    }
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The next pairs that can be read, and why there are no more.
fn chunk(database: &Database, from: &[u8]) -> (Pairs, Option<String>) {
    let mut pairs = Vec::new();
    let outcome = database.with(|db| {
        for pair in db.range(from.to_vec()..tally::KEY.to_vec()).take(CHUNK) {
            let (key, value) = pair?;
            pairs.push((key.to_vec(), value.to_vec()));
        }
        Ok(())
    });
    (pairs, outcome.err().map(|error| reason(&error)))
}

/// Why, without the advice for a server.
fn reason(error: &crate::store::StoreError) -> String {
    match error {
        crate::store::StoreError::Damaged(what) => what.clone(),
        other => other.to_string(),
    }
}

/// A key behind `from` that can be looked up, when it can not; none: there is none before the end.
fn behind_gap(database: &Database, from: &[u8]) -> Option<Vec<u8>> {
    let is_readable = |key: &[u8; WIDTH]| database.with(|db| db.get(key).map(drop)).is_ok();
    let mut low = plus(&padded(from), 0)?;
    if is_readable(&low) {
        return Some(low.to_vec());
    }
    let over = |key: Option<[u8; WIDTH]>| key.filter(|key| key.as_slice() < tally::KEY);
    let steps = WIDTH * 8;
    let reached = (0..steps).find(|step| over(plus(&low, *step)).is_none_or(|key| is_readable(&key)))?;
    for step in (0..reached).rev() {
        if let Some(key) = over(plus(&low, step)).filter(|key| !is_readable(key)) {
            low = key;
        }
    }
    over(plus(&low, 0)).map(|key| key.to_vec())
}

fn padded(key: &[u8]) -> [u8; WIDTH] {
    let mut padded = [0; WIDTH];
    for (to, from) in padded.iter_mut().zip(key) {
        *to = *from;
    }
    padded
}

/// The number that `key` is, big end first, and two to the power of `step`; none beyond the end.
fn plus(key: &[u8; WIDTH], step: usize) -> Option<[u8; WIDTH]> {
    let mut sum = *key;
    let mut carry = 1_u16 << (step % 8);
    for byte in sum.iter_mut().rev().skip(step / 8) {
        let [high, low] = (u16::from(*byte) + carry).to_be_bytes();
        *byte = low;
        carry = high.into();
        if carry == 0 {
            return Some(sum);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbers() {
        let key = padded(b"a");
        assert_eq!(plus(&key, 0).unwrap()[WIDTH - 1], 1);
        assert_eq!(plus(&key, (WIDTH - 1) * 8).unwrap()[0], b'b');
        let mut full = [u8::MAX; WIDTH];
        assert_eq!(plus(&full, 3), None);
        full[0] = 1;
        assert_eq!(plus(&full, 0).unwrap(), padded(&[2]));
    }

    #[test]
    fn everything_is_met_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = Database::open(&folder.path().join("data"), 1 << 20).unwrap();
        let key = |number: u32| format!("c/{number:05}");
        for number in 0..1_700 {
            database.with(|db| db.insert(key(number), "v")).unwrap();
        }
        let mut met = Vec::new();
        all(&database, |event| match event {
            Event::Pair(key, _) => met.push(String::from_utf8(key.to_vec()).unwrap()),
            Event::Gap(gap) => panic!("{gap}"),
        });
        assert_eq!(met, (0..1_700).map(key).collect::<Vec<_>>());
        assert!(behind_gap(&database, b"c/").is_some());
    }
}
