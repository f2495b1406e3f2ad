//! A summary of the stored data in a few numbers: how many batches were written, how many pairs there are,
//! and a sum over all of them. It is written with every batch, so that a store that has lost something does
//! not match its own tally.
//!
//! The sum adds the digests of all pairs and does not depend on their order. Adding or removing a pair
//! changes the sum by the digest of that pair, so a batch costs no more than its own content.
//!
//! The digest is a fast hash, because the sum protects against accidents only: a program that can write to the
//! store could write a matching tally as well.

use openssl::sha::Sha256;
use twox_hash::{xxhash3_64, xxhash3_128};

use crate::store::StoreError;

/// The key of the tally, after every key that is scanned.
pub(in crate::store) const KEY: &[u8] = b"\xff";
/// Bytes of a number.
const NUMBER: usize = size_of::<u64>();

/// How a pair is hashed. The number is the format version of a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(in crate::store) enum Digest {
    /// The first half of SHA-256. Stores are read and continued with it until all of their pairs were counted.
    Sha256 = 1,
    /// XXH3 with 128 bits.
    #[default]
    Xxh3 = 2,
}

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
    digest: Digest,
    pairs: u64,
    sum: u128,
}

impl Content {
    /// The content of an empty store whose pairs are hashed in this way.
    pub(in crate::store) const fn empty(digest: Digest) -> Self {
        Self {
            digest,
            pairs: 0,
            sum: 0,
        }
    }

    /// The content of an empty store whose pairs are hashed as those of `tally`.
    pub(in crate::store) fn like(tally: Option<Tally>) -> Self {
        Self::empty(tally.unwrap_or_default().content().digest())
    }

    /// How the pairs are hashed.
    pub(in crate::store) const fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the content with one more pair.
    pub(in crate::store) fn with(self, key: &[u8], value: &[u8]) -> Self {
        Self {
            digest: self.digest,
            pairs: self.pairs.wrapping_add(1),
            sum: self.sum.wrapping_add(self.digest.of(key, value)),
        }
    }

    /// Returns the content without this pair.
    pub(in crate::store) fn without(self, key: &[u8], value: &[u8]) -> Self {
        Self {
            digest: self.digest,
            pairs: self.pairs.wrapping_sub(1),
            sum: self.sum.wrapping_sub(self.digest.of(key, value)),
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
            content: Content { digest, pairs, sum },
        } = self;
        [
            &[*digest as u8][..],
            &batches.to_be_bytes(),
            &pairs.to_be_bytes(),
            &sum.to_be_bytes(),
        ]
        .concat()
    }

    /// Returns an error if `bytes` have an unsupported version.
    pub(in crate::store) fn other_version(bytes: &[u8]) -> Option<StoreError> {
        let version = *bytes.first()?;
        if Digest::numbered(version).is_some() {
            return None;
        }
        let what = "the tally of the stored records".to_owned();
        Some(StoreError::Version {
            what,
            version: version.into(),
            known: (Digest::default() as u8).into(),
        })
    }

    /// Returns `None` when `bytes` are not a tally.
    pub(in crate::store) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let digest = Digest::numbered(*version)?;
        let (batches, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (pairs, sum) = rest.split_first_chunk::<NUMBER>()?;
        let sum = u128::from_be_bytes(sum.try_into().ok()?);
        Some(Self {
            batches: u64::from_be_bytes(*batches),
            content: Content {
                digest,
                pairs: u64::from_be_bytes(*pairs),
                sum,
            },
        })
    }
}

impl Digest {
    /// The digest with this format version.
    const fn numbered(version: u8) -> Option<Self> {
        match version {
            1 => Some(Self::Sha256),
            2 => Some(Self::Xxh3),
            _ => None,
        }
    }

    /// Returns the digest of a pair. It depends on where the key ends and the value begins.
    fn of(self, key: &[u8], value: &[u8]) -> u128 {
        match self {
            Self::Sha256 => sha256(key, value),
            Self::Xxh3 => {
                let seed = xxhash3_64::Hasher::oneshot(key);
                xxhash3_128::Hasher::oneshot_with_seed(seed, value)
            }
        }
    }
}

/// Includes the length of the key, so that the boundary between key and value is unambiguous.
fn sha256(key: &[u8], value: &[u8]) -> u128 {
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
        for empty in [Digest::Sha256, Digest::Xxh3].map(Content::empty) {
            let both = empty.with(b"a", b"1").with(b"b", b"2");
            assert_eq!(both, empty.with(b"b", b"2").with(b"a", b"1"));
            assert_eq!(both.without(b"a", b"1"), empty.with(b"b", b"2"));
            let one = empty.with(b"a", b"1").differs(both).unwrap();
            assert!(one.contains("2 records, found 1"), "{one}");
            let other = empty.with(b"a", b"1").with(b"b", b"3");
            assert!(other.differs(both).unwrap().contains("differ from"));
            let moved = empty.with(b"a1", b"").with(b"b", b"2");
            assert!(moved.differs(both).is_some() && both.differs(both).is_none());
            let swapped = empty.with(b"a", b"2").with(b"b", b"1");
            assert!(swapped.differs(both).is_some());
        }
    }

    #[test]
    fn the_tally_is_read_as_it_was_written() {
        for empty in [Digest::Sha256, Digest::Xxh3].map(Content::empty) {
            let tally = Tally::of(7, empty.with(b"a", b"1"));
            assert_eq!(Tally::decode(&tally.encode()), Some(tally));
        }
        let tally = Tally::of(7, Content::default()).then(Content::default());
        assert_eq!(Tally::decode(&tally.encode()), Some(tally));
        assert_eq!(Tally::decode(&tally.encode()[1..]), None);
        assert_eq!(Tally::decode(b""), None);
        assert!(
            Tally::other_version(&tally.encode()).is_none() && Tally::other_version(b"").is_none()
        );
        let error = Tally::other_version(&[3, 0]).unwrap().to_string();
        assert!(
            error.contains("has version 3") && !error.contains("damaged"),
            "{error}"
        );
    }
}
