//! Turns changes into rows: which rows are locked, and what is written to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::backend::pending::Values;
use crate::store::backend::{Change, Expectation};

/// Keys, in the order in which they are locked.
pub(super) type Keys = BTreeSet<Vec<u8>>;

/// Returns every key whose value `changes` depend on.
pub(super) fn read_by(changes: &[&Change]) -> Keys {
    let expected = |expectation: &Expectation| match expectation {
        Expectation::Absent(key) | Expectation::Value(key, _) | Expectation::Below(key, _) => {
            key.clone()
        }
    };
    let of = |change: &Change| {
        let expected = change.expect.iter().map(expected);
        let counted = change.count.iter().map(|(key, _)| key.clone());
        let sequences = change.append.iter().map(|(key, _)| key.clone());
        expected.chain(counted).chain(sequences).collect::<Vec<_>>()
    };
    changes.iter().copied().flat_map(of).collect()
}

/// Returns every key that `changes` write, except those of appended values, which are not known yet.
pub(super) fn written_by(changes: &[&Change]) -> Keys {
    let of = |change: &Change| {
        let put = change.put.iter().map(|(key, _)| key.clone());
        change.delete.iter().cloned().chain(put).collect::<Vec<_>>()
    };
    changes.iter().copied().flat_map(of).collect()
}

/// The rows to write.
#[derive(Default)]
pub(super) struct Plan<'a> {
    /// Rows that must not exist yet.
    pub(super) insert: BTreeMap<&'a [u8], &'a [u8]>,
    /// Rows that exist.
    pub(super) update: BTreeMap<&'a [u8], &'a [u8]>,
    /// Rows that must not exist afterwards.
    pub(super) delete: BTreeSet<&'a [u8]>,
}

impl<'a> Plan<'a> {
    /// Plans how `values` are written on top of what is `stored`.
    ///
    /// A key without a row cannot be locked. A row is therefore inserted for each such key in `read` and
    /// deleted again, so that nobody else can give the key a value before the commit.
    pub(super) fn new(
        values: &'a Values,
        stored: &BTreeMap<Vec<u8>, Vec<u8>>,
        read: &'a Keys,
    ) -> Self {
        let mut plan = Self::default();
        for (key, value) in values {
            match value {
                Some(value) if stored.contains_key(key) => drop(plan.update.insert(key, value)),
                Some(value) => drop(plan.insert.insert(key, value)),
                None => drop(plan.delete.insert(key)),
            }
        }
        for key in read.iter().filter(|key| !stored.contains_key(*key)) {
            if values.get(key).is_none_or(Option::is_none) {
                plan.insert.insert(key, b"");
                plan.delete.insert(key);
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_row_is_locked() {
        let stored = BTreeMap::from([(b"there".to_vec(), b"1".to_vec())]);
        let read = ["there", "missing", "new"]
            .map(|key| key.as_bytes().to_vec())
            .into();
        let values = Values::from([
            (b"there".to_vec(), Some(b"2".to_vec())),
            (b"new".to_vec(), Some(b"3".to_vec())),
            (b"old".to_vec(), None),
        ]);
        let plan = Plan::new(&values, &stored, &read);
        assert_eq!(
            plan.insert,
            BTreeMap::from([(&b"missing"[..], &b""[..]), (b"new", b"3")])
        );
        assert_eq!(plan.update, BTreeMap::from([(&b"there"[..], &b"2"[..])]));
        assert_eq!(plan.delete, BTreeSet::from([&b"missing"[..], b"old"]));
    }
}
