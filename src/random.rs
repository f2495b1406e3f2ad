//! Randomness from the operating system, and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret::Secret;

/// The system gave no randomness; nothing that needs a secret may go on.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness(#[source] getrandom::Error);

/// `N` bytes that nobody can predict.
///
/// # Errors
/// When the operating system has none to give.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// `length` random bytes, base64url without padding.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn text(length: usize) -> Result<String, NoRandomness> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A bearer token or client secret of 256 bits, base64url without padding: 43 characters.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn token() -> Result<Secret, NoRandomness> {
    text(32).map(Secret::new)
}

/// A client secret of 512 bits: 86 characters.
///
/// OpenID Connect Core section 16.19 asks for as many octets as the hash of the longest
/// HMAC that it may key, which is 64 for HS512.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn client_secret() -> Result<Secret, NoRandomness> {
    text(64).map(Secret::new)
}

/// A client identifier: a random UUID, which says nothing and never looks like a URL.
pub fn client_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
