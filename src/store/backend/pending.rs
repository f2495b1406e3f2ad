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
}

impl<R: Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>> Pending<R> {
    /// Creates a batch without changes, on top of the values that `stored` reads.
    pub(in crate::store) const fn on(stored: R) -> Self {
        Self {
            stored,
            values: Values::new(),
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
        };
        for key in change.delete {
            staged.values.insert(key, None);
        }
        for (key, value) in change.put {
            staged.values.insert(key, Some(value));
        }
        let mut numbers = Vec::with_capacity(change.count.len());
        for (key, by) in change.count {
            numbers.push(staged.count(key, by)?);
        }
        for value in change.append {
            staged.append(value)?;
        }
        let mut links = Vec::with_capacity(change.chain.len());
        for chained in change.chain {
            links.push(staged.chain(chained)?);
        }
        let made = staged.values;
        self.values.extend(made);
        Ok(Applied { numbers, links })
    }

    /// Returns everything that is to be written.
    pub(in crate::store) fn into_values(self) -> Values {
        self.values
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
}

impl<R: Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>> Staged<'_, R> {
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
        self.values
            .insert(numbered(&sequence, last.unsigned_abs()), Some(value));
        Ok(())
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
        self.values.insert(numbered(sequence, number), Some(value));
        let link = Link { number, digest };
        self.values.insert(head.to_vec(), Some(link.mark()));
        Ok(link)
    }
}
