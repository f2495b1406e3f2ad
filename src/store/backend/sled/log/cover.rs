//! Determines which page contains which keys. If several pages cover a key, the newest applies. Keys that
//! no page covers are missing.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use super::form::Bounds;

/// Keys that no page was found for yet.
pub(super) struct Uncovered(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Uncovered {
    /// All keys.
    pub(super) fn all() -> Self {
        Self([(Vec::new(), None)].into())
    }

    /// Removes the keys within `bounds` and returns the parts that were uncovered until then.
    pub(super) fn take(&mut self, bounds: &Bounds) -> Vec<Bounds> {
        let mut taken = Vec::new();
        for from in self.beginnings(bounds) {
            taken.extend(self.take_of(from, bounds));
        }
        taken
    }

    /// Returns where the uncovered ranges begin that `bounds` may meet.
    fn beginnings(&self, bounds: &Bounds) -> Vec<Vec<u8>> {
        let behind = match &bounds.to {
            Some(to) if *to <= bounds.from => return Vec::new(),
            Some(to) => Excluded(to.clone()),
            None => Unbounded,
        };
        let first = self.0.range(..=bounds.from.clone()).next_back();
        let inside = self.0.range((Excluded(bounds.from.clone()), behind));
        let met = first.into_iter().chain(inside);
        met.map(|(from, _)| from.clone()).collect()
    }

    /// Removes the keys within `bounds` from the uncovered range that begins at `from`, and returns them.
    fn take_of(&mut self, from: Vec<u8>, bounds: &Bounds) -> Option<Bounds> {
        let to = self.0.remove(&from)?;
        let start = from.clone().max(bounds.from.clone());
        let end = earlier(to.as_ref(), bounds.to.as_ref());
        if end.is_some_and(|end| *end <= start) {
            self.0.insert(from, to);
            return None;
        }
        let part = Bounds {
            from: start.clone(),
            to: end.cloned(),
        };
        if from < start {
            self.0.insert(from, Some(start));
        }
        if part.to != to
            && let Some(behind) = &part.to
        {
            self.0.insert(behind.clone(), to);
        }
        Some(part)
    }

    /// Returns the remaining uncovered keys.
    pub(super) fn left(&self) -> impl Iterator<Item = Bounds> {
        self.0.iter().map(|(from, to)| Bounds {
            from: from.clone(),
            to: to.clone(),
        })
    }

    /// Returns whether any key within `bounds` is uncovered.
    pub(super) fn meets(&self, bounds: &Bounds) -> bool {
        let last = match &bounds.to {
            Some(to) => self.0.range(..to.clone()).next_back(),
            None => self.0.iter().next_back(),
        };
        last.is_some_and(|(_, to)| to.as_ref().is_none_or(|to| *to > bounds.from))
    }
}

/// Returns the earlier end; `None` is after every key.
fn earlier<'a>(one: Option<&'a Vec<u8>>, other: Option<&'a Vec<u8>>) -> Option<&'a Vec<u8>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(from: &str, to: &str) -> Bounds {
        Bounds {
            from: from.into(),
            to: (!to.is_empty()).then(|| to.into()),
        }
    }

    #[test]
    fn each_key_is_taken_once() {
        let mut uncovered = Uncovered::all();
        assert_eq!(uncovered.take(&bounds("m", "")), [bounds("m", "")]);
        assert_eq!(uncovered.take(&bounds("c", "f")), [bounds("c", "f")]);
        assert_eq!(
            uncovered.left().collect::<Vec<_>>(),
            [bounds("", "c"), bounds("f", "m")]
        );
        for (within, is_met) in [
            (bounds("c", "f"), false),
            (bounds("e", "g"), true),
            (bounds("m", ""), false),
        ] {
            assert_eq!(uncovered.meets(&within), is_met, "{within:?}");
        }
        assert_eq!(
            uncovered.take(&bounds("a", "z")),
            [bounds("a", "c"), bounds("f", "m")]
        );
        assert_eq!(uncovered.take(&bounds("", "b")), [bounds("", "a")]);
        assert_eq!(uncovered.left().count(), 0);
        assert!(uncovered.take(&bounds("", "")).is_empty());
    }

    #[test]
    fn a_page_for_no_key_takes_none() {
        let mut uncovered = Uncovered::all();
        assert!(
            uncovered.take(&bounds("b", "b")).is_empty()
                && uncovered.take(&bounds("b", "a")).is_empty()
        );
        assert_eq!(uncovered.left().collect::<Vec<_>>(), [bounds("", "")]);
    }
}
