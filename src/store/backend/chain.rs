//! Chains: sequences in which each value has a digest over itself and the digest of the value before it. A value that
//! is changed, removed or moved later no longer fits to the digests of those after it.
//!
//! A value of a chain is a JSON object, whatever is before it. It gets its digest as its last member, so that a reader
//! who knows nothing of chains reads it as before.

use crate::base::hex;
use crate::store::{StoreError, backend::Link};

/// Bytes of a digest.
const DIGEST: usize = 32;
/// Bytes of a [mark](Link::mark): a number and a digest.
pub(in crate::store) const MARK: usize = size_of::<u64>() + DIGEST;
/// What is between the other members of a value and its digest.
const BEFORE: &[u8] = br#","digest":""#;
/// What is behind the digest.
const AFTER: &[u8] = br#""}"#;

/// Returns the digest of the value with this number: SHA-256 of the digest before it, its number (8 bytes,
/// big-endian) and its bytes without their digest. The first value of a chain follows 32 zero bytes.
pub(in crate::store) fn digest(before: Option<&Link>, number: u64, value: &[u8]) -> [u8; 32] {
    let mut hash = openssl::sha::Sha256::new();
    hash.update(&before.map_or([0; DIGEST], |link| link.digest));
    hash.update(&number.to_be_bytes());
    hash.update(value);
    hash.finish()
}

/// Returns `value`, a JSON object with members, with its digest.
pub(in crate::store) fn with_digest(mut value: Vec<u8>, digest: &[u8; 32]) -> Vec<u8> {
    value.pop();
    value.reserve_exact(BEFORE.len() + 2 * DIGEST + AFTER.len());
    value.extend_from_slice(BEFORE);
    value.extend_from_slice(hex(digest).as_bytes());
    value.extend_from_slice(AFTER);
    value
}

/// Returns the value as it was before it got its digest, and the digest; `None` if it has none.
pub(in crate::store) fn without_digest(value: &[u8]) -> Option<(Vec<u8>, [u8; 32])> {
    let rest = value.strip_suffix(AFTER)?;
    let (rest, digest) = rest.split_at_checked(rest.len().checked_sub(2 * DIGEST)?)?;
    let mut original = rest.strip_suffix(BEFORE)?.to_vec();
    original.push(b'}');
    Some((original, parse(std::str::from_utf8(digest).ok()?)?))
}

/// Parses a digest in lower-case hex.
pub(in crate::store) fn parse(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; DIGEST];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != DIGEST || !rest.is_empty() {
        return None;
    }
    for (byte, &[high, low]) in digest.iter_mut().zip(pairs) {
        *byte = (half(high)? << 4) | half(low)?;
    }
    Some(digest)
}

const fn half(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Link {
    /// Returns the link as it is stored: its number and its digest.
    pub(in crate::store) fn mark(&self) -> Vec<u8> {
        [&self.number.to_be_bytes()[..], &self.digest].concat()
    }

    /// Reads the mark that is stored under `key` as `value`.
    pub(in crate::store) fn from_mark(
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(value) = value else { return Ok(None) };
        let read = || {
            let (number, digest) = value.split_first_chunk()?;
            Some(Self {
                number: u64::from_be_bytes(*number),
                digest: digest.try_into().ok()?,
            })
        };
        match read() {
            Some(link) => Ok(Some(link)),
            None => Err(StoreError::corrupt(key, "it is not a number with a digest")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_gets_its_digest_and_loses_it_again() {
        let value = b"\x01{\"at\":5}";
        let digest = digest(None, 1, value);
        let kept = with_digest(value.to_vec(), &digest);
        let text = String::from_utf8(kept[1..].to_vec()).unwrap();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["digest"], hex(&digest));
        assert_eq!(without_digest(&kept), Some((value.to_vec(), digest)));
        for other in [
            &value[..],
            b"",
            b"\"}",
            br#"{"a":1,"digest":"00"}"#,
            br#"{"details":{"a":1,"digest":"00"}}"#,
        ] {
            assert_eq!(without_digest(other), None);
        }
        assert_eq!(parse(&hex(&digest).to_uppercase()), None);
    }

    #[test]
    fn a_digest_depends_on_the_value_its_number_and_the_digest_before_it() {
        let link = |byte| Link {
            number: 1,
            digest: [byte; 32],
        };
        let seen = [
            digest(None, 1, b"x"),
            digest(None, 2, b"x"),
            digest(None, 1, b"y"),
            digest(Some(&link(1)), 1, b"x"),
            digest(Some(&link(2)), 1, b"x"),
        ];
        for (at, one) in seen.iter().enumerate() {
            assert!(!seen[at + 1..].contains(one));
        }
        assert_eq!(
            digest(Some(&link(0)), 1, b"x"),
            seen[0],
            "the first one follows zeros"
        );
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let link = Link {
            number: 7,
            digest: [9; 32],
        };
        let mark = link.mark();
        assert_eq!(mark.len(), MARK);
        assert_eq!(Link::from_mark(b"b/head", Some(&mark)).unwrap(), Some(link));
        assert_eq!(Link::from_mark(b"b/head", None).unwrap(), None);
        assert!(Link::from_mark(b"b/head", Some(&mark[1..])).is_err());
    }
}
