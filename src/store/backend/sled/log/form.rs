//! The formats of sled 0.34 for numbers, texts and pages.

use std::collections::BTreeMap;

use crate::store::Pair;

/// Reads the next number of `bytes`, whose length depends on its value.
pub(super) fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let (value, rest) = match *first {
        short @ 0..=240 => (short.into(), rest),
        middle @ 241..=248 => {
            let (low, rest) = rest.split_first()?;
            (
                240 + 256 * (u64::from(middle) - 241) + u64::from(*low),
                rest,
            )
        }
        249 => {
            let ([high, low], rest) = rest.split_first_chunk()?;
            (2_288 + 256 * u64::from(*high) + u64::from(*low), rest)
        }
        long => {
            let (low, rest) = rest.split_at_checked(usize::from(long) - 247)?;
            (
                low.iter()
                    .rev()
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
                rest,
            )
        }
    };
    *bytes = rest;
    Some(value)
}

/// Reads the next text of `bytes`, which follows its length.
fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text)
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// The range of keys of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The first key.
    pub(super) from: Vec<u8>,
    /// The key after the last; `None` if the range has no end.
    pub(super) to: Option<Vec<u8>>,
}

impl Bounds {
    pub(super) fn holds(&self, key: &[u8]) -> bool {
        *self.from <= *key && self.to.as_ref().is_none_or(|to| key < to.as_slice())
    }
}

/// A page with pairs, before later changes to it.
pub(super) struct Leaf<'a> {
    pub(super) bounds: Bounds,
    /// The common prefix of its keys, which is not repeated in each.
    prefix: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Leaf<'a> {
    /// Reads `body` as a page with pairs. Returns `None` if it is another type of page, or no page at all.
    pub(super) fn read(mut body: &'a [u8]) -> Option<Self> {
        let rest = &mut body;
        // The next page, and a page that is being merged into this one.
        for _ in 0..2 {
            number(rest)?;
        }
        let _is_being_merged = byte(rest)?;
        let prefix = usize::from(byte(rest)?);
        let from = text(rest)?;
        let to = text(rest)?;
        let is_leaf = byte(rest)? == 0;
        let bounds = Bounds {
            from: from.to_vec(),
            to: (!to.is_empty()).then(|| to.to_vec()),
        };
        is_leaf.then_some(Self {
            bounds,
            prefix: from.get(..prefix)?,
            rest: *rest,
        })
    }

    /// Returns its pairs after `changes`.
    pub(super) fn pairs(self, changes: impl Iterator<Item = Vec<u8>>) -> Option<Vec<Pair>> {
        let mut rest = self.rest;
        let count = number(&mut rest)?;
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(self.key(text(&mut rest)?));
        }
        let mut pairs = BTreeMap::new();
        for key in keys {
            pairs.insert(key, text(&mut rest)?.to_vec());
        }
        for change in changes {
            let mut rest = change.as_slice();
            match byte(&mut rest)? {
                0 => {
                    let key = self.key(text(&mut rest)?);
                    // Written for a different state of the page, which is lost.
                    if self.bounds.holds(&key) {
                        pairs.insert(key, text(&mut rest)?.to_vec());
                    }
                }
                1 => drop(pairs.remove(&self.key(text(&mut rest)?))),
                _ => {}
            }
        }
        Some(pairs.into_iter().collect())
    }

    fn key(&self, own: &[u8]) -> Vec<u8> {
        [self.prefix, own].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decoded_as_sled_encodes_them() {
        let cases: [(&[u8], u64); 7] = [
            (&[240], 240),
            (&[241, 1], 241),
            (&[248, 255], 2_287),
            (&[249, 0, 0], 2_288),
            (&[249, 255, 255], 67_823),
            (&[250, 1, 2, 3], 0x03_02_01),
            (&[255, 1, 0, 0, 0, 0, 0, 0, 128], 1 << 63 | 1),
        ];
        for (bytes, value) in cases {
            let mut rest = bytes;
            assert_eq!(number(&mut rest), Some(value), "{bytes:?}");
            assert!(rest.is_empty(), "{bytes:?}");
            assert_eq!(number(&mut &bytes[..bytes.len() - 1]), None, "{bytes:?}");
        }
    }

    #[test]
    fn anything_but_a_page_is_skipped() {
        for bytes in [
            &b""[..],
            &[0],
            &[0, 0, 0, 9, 1, 1, 0, 0],
            &[0, 0, 0, 0, 255],
        ] {
            assert!(Leaf::read(bytes).is_none(), "{bytes:?}");
        }
    }
}
