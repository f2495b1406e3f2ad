//! What is stored, in a few numbers: how many batches made it, how many pairs there are, and a
//! sum over all of them. It is written with every batch, so that a store from which something
//! has gone missing does not fit its own tally.
//!
//! The sum is that of the digests of all pairs, in any order: what is added or removed changes
//! it by its own digest, so a batch costs no more than what is in it.

use openssl::sha::Sha256;

use super::StoreError;

/// The key of the tally, behind all that is looked through.
pub(super) const KEY: &[u8] = b"\xff";
/// The form that is written.
const VERSION: u8 = 1;
/// Bytes of a number.
const NUMBER: usize = size_of::<u64>();

/// The numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Batches that were written.
    pub(super) batches: u64,
    content: Content,
}

/// What the pairs themselves amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Content {
    pairs: u64,
    sum: u128,
}

impl Content {
    /// With one more pair.
    pub(super) fn with(self, key: &[u8], value: &[u8]) -> Self {
        Self { pairs: self.pairs.wrapping_add(1), sum: self.sum.wrapping_add(digest(key, value)) }
    }

    /// Without this pair.
    pub(super) fn without(self, key: &[u8], value: &[u8]) -> Self {
        Self { pairs: self.pairs.wrapping_sub(1), sum: self.sum.wrapping_sub(digest(key, value)) }
    }

    /// How many pairs there are.
    pub(super) const fn pairs(&self) -> u64 {
        self.pairs
    }

    /// In which way it is not what `due` says; none: it is that.
    pub(super) fn differs(self, due: Self) -> Option<String> {
        let (found, due_pairs) = (self.pairs, due.pairs);
        if found != due_pairs {
            return Some(format!("there must be {due_pairs} records, and {found} are there"));
        }
        (self.sum != due.sum).then(|| "some of the records are not those that were stored last".to_owned())
    }
}

impl Tally {
    /// The tally of a store with this in it.
    pub(super) const fn of(batches: u64, content: Content) -> Self {
        Self { batches, content }
    }

    /// What the pairs must amount to.
    pub(super) const fn content(&self) -> Content {
        self.content
    }

    /// The tally after one more batch.
    pub(super) const fn then(&self, content: Content) -> Self {
        Self { batches: self.batches.saturating_add(1), content }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { batches, content: Content { pairs, sum } } = self;
        [&[VERSION][..], &batches.to_be_bytes(), &pairs.to_be_bytes(), &sum.to_be_bytes()].concat()
    }

    /// The version that `bytes` say, when it is another than the one that is read.
    pub(super) fn other_version(bytes: &[u8]) -> Option<StoreError> {
        let version = *bytes.first().filter(|version| **version != VERSION)?;
        let what = "the tally of what is stored".to_owned();
        Some(StoreError::Version { what, version: version.into(), known: VERSION.into() })
    }

    /// None when `bytes` are no tally.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (batches, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (pairs, sum) = rest.split_first_chunk::<NUMBER>()?;
        let sum = u128::from_be_bytes(sum.try_into().ok()?);
        Some(Self {
            batches: u64::from_be_bytes(*batches),
            content: Content { pairs: u64::from_be_bytes(*pairs), sum },
        })
    }
}

/// The length keeps a key from reaching into its value.
fn digest(key: &[u8], value: &[u8]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(&(key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(value);
    let digest = hash.finish();
    digest.first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_depend_on_the_order_and_misses_nothing() {
        let both = Content::default().with(b"a", b"1").with(b"b", b"2");
        assert_eq!(both, Content::default().with(b"b", b"2").with(b"a", b"1"));
        assert_eq!(both.without(b"a", b"1"), Content::default().with(b"b", b"2"));
        assert!(Content::default().with(b"a", b"1").differs(both).unwrap().contains("2 records, and 1"));
        let other = Content::default().with(b"a", b"1").with(b"b", b"3");
        assert!(other.differs(both).unwrap().contains("not those"));
        let moved = Content::default().with(b"a1", b"").with(b"b", b"2");
        assert!(moved.differs(both).is_some() && both.differs(both).is_none());
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let tally = Tally::of(7, Content::default().with(b"a", b"1")).then(Content::default());
        assert_eq!(Tally::decode(&tally.encode()), Some(tally));
        assert_eq!(Tally::decode(&tally.encode()[1..]), None);
        assert_eq!(Tally::decode(b""), None);
        assert!(Tally::other_version(&tally.encode()).is_none() && Tally::other_version(b"").is_none());
        let error = Tally::other_version(&[2, 0]).unwrap().to_string();
        assert!(error.contains("is of version 2") && !error.contains("damaged"), "{error}");
    }
}
