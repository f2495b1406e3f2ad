//! Encryption of a stream that is too long to be held in memory: segments, each with AES-256-GCM.
//!
//! The nonce of a segment is its number and whether it is the last one (the STREAM construction: Hoang, Reyhanitabar,
//! Rogaway and Vizár, Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, 2015). So no segment can
//! be removed, repeated or moved, and a truncated stream is noticed. A key encrypts one stream only.

use std::fmt;

use crate::base::aead::{self, KEY_BYTES, NONCE_BYTES, TAG_BYTES};
use crate::base::{NoRandomness, SealError, random};

/// The key of one stream.
pub(crate) struct SegmentKey([u8; KEY_BYTES]);

/// Where a segment is in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentPlace {
    /// Its number; that of the first is 0.
    pub(crate) number: u64,
    /// Whether no other one follows.
    pub(crate) is_last: bool,
}

impl fmt::Debug for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SegmentKey(..)")
    }
}

impl SegmentPlace {
    /// Returns a nonce that no other segment of the stream has.
    fn nonce(self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        let (number, rest) = nonce.split_at_mut(size_of::<u64>());
        number.copy_from_slice(&self.number.to_be_bytes());
        rest.fill(u8::from(self.is_last));
        nonce
    }
}

impl SegmentKey {
    /// The bytes that a segment is longer than its text.
    pub(crate) const MORE_BYTES: usize = TAG_BYTES;

    /// Returns a new key.
    ///
    /// # Errors
    /// When the operating system returns no random bytes.
    pub(crate) fn generate() -> Result<Self, NoRandomness> {
        random::bytes().map(Self)
    }

    /// Returns the key with these bytes, or `None` if there are not 32.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the bytes of the key, to be encrypted.
    pub(crate) const fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Encrypts the segment at `place` of a stream that belongs to `context`.
    ///
    /// # Errors
    /// When the cipher fails.
    pub(crate) fn seal(
        &self,
        place: SegmentPlace,
        context: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(text.len() + TAG_BYTES);
        aead::seal(&self.0, &place.nonce(), context, text, &mut sealed)?;
        Ok(sealed)
    }

    /// Decrypts what [`Self::seal`] encrypted for the same `place` and `context`.
    ///
    /// # Errors
    /// [`SealError::Unopened`] when the key, the place, the context or a byte differs.
    pub(crate) fn open(
        &self,
        place: SegmentPlace,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let text = aead::open(&self.0, &place.nonce(), context, sealed);
        text.ok_or(SealError::Unopened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_opens_only_in_its_place_of_its_stream() {
        let key = SegmentKey::generate().unwrap();
        let place = |number, is_last| SegmentPlace { number, is_last };
        let sealed = key.seal(place(1, false), b"backup", b"text").unwrap();
        assert_eq!(sealed.len(), 4 + SegmentKey::MORE_BYTES);
        assert_eq!(
            key.open(place(1, false), b"backup", &sealed).unwrap(),
            b"text"
        );
        for (other, context) in [
            (place(0, false), &b"backup"[..]),
            (place(2, false), b"backup"),
            (place(1, true), b"backup"),
            (place(1, false), b"another"),
        ] {
            assert!(key.open(other, context, &sealed).is_err(), "{other:?}");
        }
        let other = SegmentKey::from_bytes(&[7; 32]).unwrap();
        assert!(other.open(place(1, false), b"backup", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(place(1, false), b"backup", &changed).is_err());
        }
        assert!(key.open(place(1, false), b"backup", &sealed[..9]).is_err());
        assert!(SegmentKey::from_bytes(&[7; 31]).is_none());
        assert_eq!(format!("{key:?}"), "SegmentKey(..)");
    }
}
