//! AES-256-GCM, which encrypts and authenticates. Texts are short, so the cipher is looked up once: that takes a fifth of
//! the time of a text.

use std::sync::LazyLock;

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub(super) const NONCE_BYTES: usize = 12;
/// Bytes of a tag.
pub(super) const TAG_BYTES: usize = 16;

static CIPHER: LazyLock<Result<Cipher, ErrorStack>> =
    LazyLock::new(|| Cipher::fetch(None, "AES-256-GCM", None));

/// Appends to `sealed` the encrypted `text` and its tag. A key must never be used with the same nonce again.
///
/// # Errors
/// When the cipher fails.
pub(super) fn seal(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    context: &[u8],
    text: &[u8],
    sealed: &mut Vec<u8>,
) -> Result<(), ErrorStack> {
    let cipher = CIPHER.as_ref().map_err(Clone::clone)?;
    let mut running = CipherCtx::new()?;
    running.encrypt_init(Some(cipher), Some(key), Some(nonce))?;
    running.cipher_update(context, None)?;
    running.cipher_update_vec(text, sealed)?;
    running.cipher_final_vec(sealed)?;
    let mut tag = [0; TAG_BYTES];
    running.tag(&mut tag)?;
    sealed.extend_from_slice(&tag);
    Ok(())
}

/// Returns the text that [`seal`] encrypted with the same key, nonce and context. `None`: one of them or a byte differs, or
/// the cipher fails.
pub(super) fn open(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    context: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (encrypted, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
    let cipher = CIPHER.as_ref().ok()?;
    let mut running = CipherCtx::new().ok()?;
    running
        .decrypt_init(Some(cipher), Some(key), Some(nonce))
        .ok()?;
    running.set_tag(tag).ok()?;
    running.cipher_update(context, None).ok()?;
    let mut text = Vec::with_capacity(encrypted.len() + TAG_BYTES);
    running.cipher_update_vec(encrypted, &mut text).ok()?;
    // Only now is it known that nothing was changed.
    running.cipher_final_vec(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 16 of the specification of GCM (D. A. `McGrew` and J. Viega, The Galois/Counter Mode of Operation, appendix B).
    #[test]
    fn the_published_example_is_reproduced() {
        let bytes = |hex: &str| -> Vec<u8> {
            let pairs = hex.as_bytes().chunks(2);
            pairs
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        let key = "feffe9928665731c6d6a8f9467308308";
        let key: [u8; 32] = bytes(&[key, key].concat()).try_into().unwrap();
        let nonce: [u8; 12] = bytes("cafebabefacedbaddecaf888").try_into().unwrap();
        let context = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let text = bytes(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ));
        let expected = bytes(concat!(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ));
        let mut sealed = vec![1];
        seal(&key, &nonce, &context, &text, &mut sealed).unwrap();
        assert_eq!(sealed[1..], expected);
        assert_eq!(open(&key, &nonce, &context, &expected), Some(text));
        for place in 0..expected.len() {
            let mut changed = expected.clone();
            changed[place] ^= 1;
            assert_eq!(open(&key, &nonce, &context, &changed), None, "{place}");
        }
        assert_eq!(open(&key, &nonce, &context, &expected[..15]), None);
        assert_eq!(open(&key, &nonce, b"", &expected), None);
    }
}
