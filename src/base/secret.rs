//! Values that must not leak. They cannot be printed, and at rest they are hashed or sealed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::base::aead::{self, KEY_BYTES, NONCE_BYTES};
use crate::base::{random, random::NoRandomness};

/// A secret text. It has no `Display`, its `Debug` reveals nothing, and its memory is wiped on
/// drop.
#[derive(Clone)]
pub(crate) struct Secret(SecretString);

impl Secret {
    /// Wraps `text` so that it cannot be printed.
    pub(crate) fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// Returns the text itself, for a response to its owner or for a comparison.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether `text` is this secret. The time taken does not reveal where they differ.
    pub(crate) fn matches(&self, text: &str) -> bool {
        texts_equal(self.expose(), text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Returns the SHA-256 of `bytes`.
///
/// Hashes incrementally. The one-shot call of the library looks up its implementation each time,
/// which takes longer than hashing a token.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = openssl::sha::Sha256::new();
    hash.update(bytes);
    hash.finish()
}

/// Returns the SHA-256 of `bytes` in hex, which identifies a text.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// Returns `bytes` in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Returns the hexadecimal digit of a number below 16.
fn digit(number: u8) -> char {
    char::from(match number {
        0..=9 => b'0' + number,
        _ => b'a' - 10 + number,
    })
}

/// Returns the HMAC-SHA-256 of `bytes` under `key`.
///
/// # Errors
/// When the cryptography library fails.
pub(crate) fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let key = openssl::pkey::PKey::hmac(key)?;
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key)?;
    signer.sign_oneshot_to_vec(bytes)
}

/// Returns the HMAC-SHA-256 of `bytes` under `key` in hex.
///
/// # Errors
/// When the cryptography library fails.
pub(crate) fn hmac_sha256_hex(
    key: &[u8],
    bytes: &[u8],
) -> Result<String, openssl::error::ErrorStack> {
    Ok(hex(&hmac_sha256(key, bytes)?))
}

/// Whether two texts are equal. The time taken does not reveal where they differ.
pub(crate) fn texts_equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// The SHA-256 of a token. A token has 256 random bits, so a plain hash cannot be searched.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TokenDigest(#[serde(with = "base64_text")] Vec<u8>);

impl TokenDigest {
    /// Returns the digest under which `token` is stored.
    pub(crate) fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()).to_vec())
    }

    /// Returns the text that represents the digest in a record.
    pub(crate) fn text(&self) -> String {
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &self.0)
    }

    /// Whether the digest has the length of a SHA-256. A digest that was read from elsewhere may
    /// not.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.len() == 32
    }

    /// Whether `other` is the digest of the same token. Compares in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// A secret sealed with AES-256-GCM: nonce, ciphertext and tag.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sealed(#[serde(with = "base64_text")] Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// The reasons why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// No nonce could be generated.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The key differs from the sealing key, or the bytes were changed.
    #[error("cannot open a sealed secret: it was changed, or sealed with another key")]
    Unopened,
    /// The cipher itself failed.
    #[error("the cipher failed")]
    Cipher(#[from] openssl::error::ErrorStack),
}

/// A key that seals secrets at rest. It has 256 bits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SealingKey([u8; KEY_BYTES]);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

impl SealingKey {
    /// Returns the key with these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the key in base64, for its file.
    pub(crate) fn to_text(&self) -> Secret {
        Secret::new(STANDARD.encode(self.0))
    }

    /// Reads the key from the content of its file. Returns `None` if it is not 32 bytes in base64.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// Returns a short name of the key, from which the key cannot be derived.
    pub(crate) fn id(&self) -> String {
        let mut digest = openssl::sha::Sha256::new();
        digest.update(b"registrar sealing key ");
        digest.update(&self.0);
        let digest = digest.finish();
        hex(digest.first_chunk::<8>().unwrap_or(&[0; 8]))
    }

    /// Seals `secret` so that it can be opened only for the same `owner`.
    ///
    /// # Errors
    /// When no random bytes are available or the cipher fails.
    pub(crate) fn seal(&self, secret: &Secret, owner: &str) -> Result<Sealed, SealError> {
        let nonce = random::bytes::<NONCE_BYTES>()?;
        let text = secret.expose().as_bytes();
        let mut sealed = Vec::with_capacity(nonce.len() + text.len() + aead::TAG_BYTES);
        sealed.extend_from_slice(&nonce);
        aead::seal(&self.0, &nonce, owner.as_bytes(), text, &mut sealed)?;
        Ok(Sealed(sealed))
    }

    /// Opens a secret that [`SealingKey::seal`] sealed for `owner`.
    ///
    /// # Errors
    /// [`SealError::Unopened`] when the key, the owner or a byte differs.
    pub(crate) fn open(&self, sealed: &Sealed, owner: &str) -> Result<Secret, SealError> {
        let parts = sealed.0.split_first_chunk::<NONCE_BYTES>();
        let text =
            parts.and_then(|(nonce, rest)| aead::open(&self.0, nonce, owner.as_bytes(), rest));
        text.and_then(|text| String::from_utf8(text).ok())
            .map(Secret::new)
            .ok_or(SealError::Unopened)
    }
}

/// How long a key that is no longer in the key file still opens what a request sealed with it before that. No request
/// takes longer.
const RETIRED: Duration = Duration::from_hours(1);

/// The keys of a store: one seals, and while it replaces another, the previous ones open what they sealed. All clones
/// share the keys, so a key that is replaced is replaced everywhere.
#[derive(Clone)]
pub(crate) struct SealingKeys(Arc<ArcSwap<SealingKeySet>>);

struct SealingKeySet {
    current: SealingKey,
    previous: Vec<SealingKey>,
    /// What the store has as the proof that `current` is its key; `None` if its key is never replaced.
    proof: Option<Vec<u8>>,
    /// Keys that were removed, and when. They open nothing that is stored.
    retired: Vec<(SealingKey, Instant)>,
}

impl SealingKeySet {
    /// Returns the set that takes the place of this one.
    fn next(&self, current: &SealingKey, previous: &[SealingKey], proof: Option<&[u8]>) -> Self {
        let is_kept = |key: &SealingKey| key == current || previous.contains(key);
        let removed = std::iter::once(&self.current).chain(&self.previous);
        let removed = removed.map(|key| (key.clone(), Instant::now()));
        let earlier = self.retired.iter().filter(|(_, at)| at.elapsed() < RETIRED);
        let retired = earlier.cloned().chain(removed);
        Self {
            current: current.clone(),
            previous: previous.to_vec(),
            proof: proof.map(<[u8]>::to_vec),
            retired: retired.filter(|(key, _)| !is_kept(key)).collect(),
        }
    }

    fn retired(&self) -> impl Iterator<Item = &SealingKey> {
        let retired = self.retired.iter();
        let recently = retired.filter(|(_, at)| at.elapsed() < RETIRED);
        recently.map(|(key, _)| key)
    }

    fn open(&self, sealed: &Sealed, owner: &str) -> Result<Secret, SealError> {
        let opened = self.current.open(sealed, owner);
        let others = self.previous.iter();
        others.fold(opened, |opened, key| {
            opened.or_else(|_| key.open(sealed, owner))
        })
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKeys(..)")
    }
}

impl From<SealingKey> for SealingKeys {
    fn from(key: SealingKey) -> Self {
        Self::new(key, Vec::new())
    }
}

impl SealingKeys {
    /// Returns the keys of which `current` seals and all open.
    pub(crate) fn new(current: SealingKey, previous: Vec<SealingKey>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(SealingKeySet {
            current,
            previous,
            proof: None,
            retired: Vec::new(),
        })))
    }

    /// Puts other keys in the place of these, for all clones. The store has `proof` as the proof that `current` is its key.
    pub(crate) fn replace(
        &self,
        current: &SealingKey,
        previous: &[SealingKey],
        proof: Option<&[u8]>,
    ) {
        self.0.rcu(|before| before.next(current, previous, proof));
    }

    /// Returns the proof that the store has of the key that seals; `None` if that key is never replaced.
    pub(crate) fn proof(&self) -> Option<Vec<u8>> {
        self.0.load().proof.clone()
    }

    /// Returns whether a request may still have something that another key than the current one has sealed.
    pub(crate) fn has_others(&self) -> bool {
        let keys = self.0.load();
        !keys.previous.is_empty() || keys.retired().next().is_some()
    }

    /// Returns the key that seals, and those that only open.
    pub(crate) fn all(&self) -> (SealingKey, Vec<SealingKey>) {
        let keys = self.0.load();
        (keys.current.clone(), keys.previous.clone())
    }

    /// Returns the [name](SealingKey::id) of the key that seals.
    pub(crate) fn current_id(&self) -> String {
        self.0.load().current.id()
    }

    /// Returns the [names](SealingKey::id) of the keys that only open.
    pub(crate) fn previous_ids(&self) -> Vec<String> {
        self.0.load().previous.iter().map(SealingKey::id).collect()
    }

    /// Seals `secret` so that it can be opened only for the same `owner`.
    ///
    /// # Errors
    /// When no random bytes are available or the cipher fails.
    pub(crate) fn seal(&self, secret: &Secret, owner: &str) -> Result<Sealed, SealError> {
        self.0.load().current.seal(secret, owner)
    }

    /// Opens a secret that one of the keys sealed for `owner`.
    ///
    /// # Errors
    /// [`SealError::Unopened`] when no key opens it, or the owner or a byte differs.
    pub(crate) fn open(&self, sealed: &Sealed, owner: &str) -> Result<Secret, SealError> {
        self.0.load().open(sealed, owner)
    }

    /// Seals anew what another key sealed for `owner`: a previous one, or one that was removed a short time ago. Returns
    /// `None` when the current key sealed it.
    ///
    /// # Errors
    /// [`SealError::Unopened`] when no key opens it; otherwise as [`SealingKeys::seal`].
    pub(crate) fn seal_anew(
        &self,
        sealed: &Sealed,
        owner: &str,
    ) -> Result<Option<Sealed>, SealError> {
        let keys = self.0.load();
        if keys.current.open(sealed, owner).is_ok() {
            return Ok(None);
        }
        let opened = keys.open(sealed, owner);
        let secret = keys.retired().fold(opened, |opened, key| {
            opened.or_else(|_| key.open(sealed, owner))
        })?;
        keys.current.seal(&secret, owner).map(Some)
    }
}

mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_str(Base64)
    }

    /// Decodes a text where it is, without a copy of it.
    struct Base64;

    impl Visitor<'_> for Base64 {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("base64")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            STANDARD.decode(text).map_err(E::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_for_its_owner_and_key() {
        let key = SealingKey::from_bytes([7; 32]);
        let sealed = key.seal(&Secret::new("s3cret".into()), "client-a").unwrap();
        assert_eq!(key.open(&sealed, "client-a").unwrap().expose(), "s3cret");
        assert!(key.open(&sealed, "client-b").is_err());
        assert!(
            SealingKey::from_bytes([8; 32])
                .open(&sealed, "client-a")
                .is_err()
        );
        assert!(key.open(&Sealed(vec![1; 9]), "client-a").is_err());
    }

    #[test]
    fn a_previous_key_opens_and_the_current_one_seals() {
        let (old, new) = (
            SealingKey::from_bytes([1; 32]),
            SealingKey::from_bytes([2; 32]),
        );
        let keys = SealingKeys::from(old.clone());
        let secret = Secret::new("s3cret".into());
        let first = keys.seal(&secret, "a").unwrap();
        assert_eq!(keys.seal_anew(&first, "a").unwrap(), None);
        let clone = keys.clone();
        keys.replace(&new, std::slice::from_ref(&old), None);
        assert_eq!(clone.open(&first, "a").unwrap().expose(), "s3cret");
        let second = clone.seal_anew(&first, "a").unwrap().unwrap();
        assert!(old.open(&second, "a").is_err());
        assert_eq!(new.open(&second, "a").unwrap().expose(), "s3cret");
        assert!(clone.seal_anew(&first, "b").is_err());
        assert_eq!(
            (clone.current_id(), clone.previous_ids()),
            (new.id(), vec![old.id()])
        );
        keys.replace(&new, &[], None);
        assert!(clone.open(&first, "a").is_err());
        // A request that began before may still write it.
        assert!(clone.has_others());
        let third = clone.seal_anew(&first, "a").unwrap().unwrap();
        assert_eq!(new.open(&third, "a").unwrap().expose(), "s3cret");
    }

    #[test]
    fn no_secret_is_printed() {
        let secret = Secret::new("do-not-print".into());
        let sealed = SealingKey::from_bytes([7; 32]).seal(&secret, "a").unwrap();
        let shown = format!(
            "{secret:?} {:?} {sealed:?}",
            TokenDigest::of("do-not-print")
        );
        assert_eq!(shown, "Secret(..) TokenDigest(..) Sealed(..)");
    }

    #[test]
    fn a_digest_matches_only_its_token() {
        let digest = TokenDigest::of("abc");
        assert!(digest.is(&TokenDigest::of("abc")));
        assert!(!digest.is(&TokenDigest::of("abd")));
    }
}
