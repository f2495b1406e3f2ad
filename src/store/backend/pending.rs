//! Works out changes in the same manner for every backend: changes that are not written yet, on top of the
//! stored values.

use std::collections::BTreeMap;

use crate::store::{
    Applied, Chained, Change, Expectation, Link, Pair, StoreError, backend::chain, number, numbered,
};

/// The values after a batch; `None` for a removed key.
pub(in crate::store) type Values = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The changes of one batch, as later changes in the batch see them.
pub(in crate::store) struct Pending<R> {
    /// Reads the values stored before the batch.
    stored: R,
    values: Values,
    fresh: Vec<Vec<u8>>,
}

impl<R: Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>> Pending<R> {
    /// Creates a batch without changes, on top of the values that `stored` reads.
    pub(in crate::store) const fn on(stored: R) -> Self {
        Self {
            stored,
            values: Values::new(),
            fresh: Vec::new(),
        }
    }

    /// Adds `change` as a whole if its expectations are met after the previous changes. Returns what
    /// became of it.
    pub(in crate::store) fn add(&mut self, change: Change) -> Result<Applied, StoreError> {
        for expectation in &change.expect {
            if !self.holds(expectation)? {
                return Err(StoreError::Conflict);
            }
        }
        let mut staged = Staged {
            pending: self,
            values: Values::new(),
            fresh: Vec::new(),
        };
        let applied = staged.make(change)?;
        let Staged { values, fresh, .. } = staged;
        if self.values.is_empty() {
            self.values = values;
        } else {
            self.values.extend(values);
        }
        self.fresh.extend(fresh);
        Ok(applied)
    }

    /// Returns everything that is to be written.
    pub(in crate::store) fn into_values(self) -> Values {
        self.values
    }

    /// Returns the keys of values that were appended to sequences since the last call. Nothing is stored behind the
    /// last value of a sequence, so nobody needs to look whether these keys have a value.
    pub(in crate::store) fn take_fresh(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.fresh)
    }

    fn holds(&self, expectation: &Expectation) -> Result<bool, StoreError> {
        Ok(match expectation {
            Expectation::Absent(key) => self.value(key)?.is_none(),
            Expectation::Value(key, value) => self.value(key)?.as_ref() == Some(value),
            Expectation::Below(key, most) => {
                let found = number(key, self.value(key)?.as_deref())?;
                // A number below 0 is below every other.
                found < 0 || found.unsigned_abs() < *most
            }
        })
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.values.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => (self.stored)(key),
        }
    }
}

/// One change that is being worked out. None of it becomes pending until all of it succeeds.
struct Staged<'a, R> {
    pending: &'a Pending<R>,
    values: Values,
    fresh: Vec<Vec<u8>>,
}

impl<R: Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>> Staged<'_, R> {
    fn make(&mut self, change: Change) -> Result<Applied, StoreError> {
        for key in change.delete {
            self.values.insert(key, None);
        }
        for (key, value) in change.put {
            self.values.insert(key, Some(value));
        }
        let mut numbers = Vec::with_capacity(change.count.len());
        for (key, by) in change.count {
            numbers.push(self.count(key, by)?);
        }
        for value in change.append {
            self.append(value)?;
        }
        let mut links = Vec::with_capacity(change.chain.len());
        for chained in change.chain {
            links.push(self.chain(chained)?);
        }
        Ok(Applied { numbers, links })
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.values.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.pending.value(key),
        }
    }

    fn count(&mut self, key: Vec<u8>, by: i64) -> Result<i64, StoreError> {
        let sum = number(&key, self.value(&key)?.as_deref())?.saturating_add(by);
        let value = (sum != 0).then(|| sum.to_be_bytes().to_vec());
        self.values.insert(key, value);
        Ok(sum)
    }

    fn append(&mut self, (sequence, value): Pair) -> Result<(), StoreError> {
        let last = self.count(sequence.clone(), 1)?;
        self.enter(numbered(&sequence, last.unsigned_abs()), value);
        Ok(())
    }

    /// Puts a value behind the last one of its sequence.
    fn enter(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.fresh.push(key.clone());
        self.values.insert(key, Some(value));
    }

    fn chain(&mut self, chained: Chained) -> Result<Link, StoreError> {
        let Chained {
            sequence,
            head,
            value,
        } = chained;
        let number = self.count(sequence.to_vec(), 1)?.unsigned_abs();
        let before = Link::from_mark(head, self.value(head)?.as_deref())?;
        let digest = chain::digest(before.as_ref(), number, &value);
        let value = chain::with_digest(value, &digest);
        self.enter(numbered(sequence, number), value);
        let link = Link { number, digest };
        self.values.insert(head.to_vec(), Some(link.mark()));
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn nobody_looks_whether_something_is_stored_behind_the_end_of_a_sequence() {
        let read = RefCell::new(Vec::new());
        let mut pending = Pending::on(|key: &[u8]| {
            read.borrow_mut().push(key.to_vec());
            Ok((key == b"s").then(|| 4_i64.to_be_bytes().to_vec()))
        });
        let change = Change {
            append: vec![(b"s".to_vec(), b"one".to_vec())],
            ..Change::default()
        };
        pending.add(change.clone()).unwrap();
        pending.add(change).unwrap();
        assert_eq!(pending.take_fresh(), [numbered(b"s", 5), numbered(b"s", 6)]);
        assert!(pending.take_fresh().is_empty());
        assert_eq!(pending.into_values().len(), 3);
        assert_eq!(read.into_inner(), [b"s".to_vec()]);
    }
}
