//! A summary of the stored data in a few numbers: how many batches were written, how many pairs there are,
//! and a sum over all of them. It is written with every batch, so that a store that has lost something does
//! not match its own tally.
//!
//! The sum adds the digests of all pairs and does not depend on their order. Adding or removing a pair
//! changes the sum by the digest of that pair, so a batch costs no more than its own content.

use openssl::sha::Sha256;

use crate::store::StoreError;

/// The key of the tally, after every key that is scanned.
pub(in crate::store) const KEY: &[u8] = b"\xff";
/// The format version that is written.
const VERSION: u8 = 1;
/// Bytes of a number.
const NUMBER: usize = size_of::<u64>();

/// The tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Tally {
    /// Batches that were written.
    pub(in crate::store) batches: u64,
    content: Content,
}

/// The number and the sum of the pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Content {
    pairs: u64,
    sum: u128,
}

impl Content {
    /// Returns the content with one more pair.
    pub(in crate::store) fn with(self, key: &[u8], value: &[u8]) -> Self {
        Self {
            pairs: self.pairs.wrapping_add(1),
            sum: self.sum.wrapping_add(digest(key, value)),
        }
    }

    /// Returns the content without this pair.
    pub(in crate::store) fn without(self, key: &[u8], value: &[u8]) -> Self {
        Self {
            pairs: self.pairs.wrapping_sub(1),
            sum: self.sum.wrapping_sub(digest(key, value)),
        }
    }

    /// Returns the content after the value of `key` has changed from `old` to `new`.
    pub(in crate::store) fn changed(
        mut self,
        key: &[u8],
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Self {
        if let Some(old) = old {
            self = self.without(key, old);
        }
        if let Some(new) = new {
            self = self.with(key, new);
        }
        self
    }

    /// How many pairs there are.
    pub(in crate::store) const fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Describes how the content differs from `due`; `None` if they are equal.
    pub(in crate::store) fn differs(self, due: Self) -> Option<String> {
        let (found, due_pairs) = (self.pairs, due.pairs);
        if found != due_pairs {
            return Some(format!("expected {due_pairs} records, found {found}"));
        }
        (self.sum != due.sum).then(|| "some records differ from what was last stored".to_owned())
    }
}

impl Tally {
    /// The tally of a store with this content.
    pub(in crate::store) const fn of(batches: u64, content: Content) -> Self {
        Self { batches, content }
    }

    /// The content that the pairs must add up to.
    pub(in crate::store) const fn content(&self) -> Content {
        self.content
    }

    /// The tally after one more batch.
    pub(in crate::store) const fn then(&self, content: Content) -> Self {
        Self {
            batches: self.batches.saturating_add(1),
            content,
        }
    }

    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let Self {
            batches,
            content: Content { pairs, sum },
        } = self;
        [
            &[VERSION][..],
            &batches.to_be_bytes(),
            &pairs.to_be_bytes(),
            &sum.to_be_bytes(),
        ]
        .concat()
    }

    /// Returns an error if `bytes` have a version other than the supported one.
    pub(in crate::store) fn other_version(bytes: &[u8]) -> Option<StoreError> {
        let version = *bytes.first().filter(|version| **version != VERSION)?;
        let what = "the tally of the stored records".to_owned();
        Some(StoreError::Version {
            what,
            version: version.into(),
            known: VERSION.into(),
        })
    }

    /// Returns `None` when `bytes` are not a tally.
    pub(in crate::store) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (batches, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (pairs, sum) = rest.split_first_chunk::<NUMBER>()?;
        let sum = u128::from_be_bytes(sum.try_into().ok()?);
        Some(Self {
            batches: u64::from_be_bytes(*batches),
            content: Content {
                pairs: u64::from_be_bytes(*pairs),
                sum,
            },
        })
    }
}

/// Includes the length of the key, so that the boundary between key and value is unambiguous.
fn digest(key: &[u8], value: &[u8]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(&(key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(value);
    let digest = hash.finish();
    digest
        .first_chunk()
        .map_or(0, |half| u128::from_be_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tally_is_independent_of_order_and_detects_every_difference() {
        let both = Content::default().with(b"a", b"1").with(b"b", b"2");
        assert_eq!(both, Content::default().with(b"b", b"2").with(b"a", b"1"));
        assert_eq!(
            both.without(b"a", b"1"),
            Content::default().with(b"b", b"2")
        );
        assert!(
            Content::default()
                .with(b"a", b"1")
                .differs(both)
                .unwrap()
                .contains("2 records, found 1")
        );
        let other = Content::default().with(b"a", b"1").with(b"b", b"3");
        assert!(other.differs(both).unwrap().contains("differ from"));
        let moved = Content::default().with(b"a1", b"").with(b"b", b"2");
        assert!(moved.differs(both).is_some() && both.differs(both).is_none());
    }

    #[test]
    fn the_tally_is_read_as_it_was_written() {
        let tally = Tally::of(7, Content::default().with(b"a", b"1")).then(Content::default());
        assert_eq!(Tally::decode(&tally.encode()), Some(tally));
        assert_eq!(Tally::decode(&tally.encode()[1..]), None);
        assert_eq!(Tally::decode(b""), None);
        assert!(
            Tally::other_version(&tally.encode()).is_none() && Tally::other_version(b"").is_none()
        );
        let error = Tally::other_version(&[2, 0]).unwrap().to_string();
        assert!(
            error.contains("has version 2") && !error.contains("damaged"),
            "{error}"
        );
    }
}
