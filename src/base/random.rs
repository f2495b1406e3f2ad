//! Randomness from the operating system, and nowhere else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::secret::Secret;

/// The operating system returned no random bytes, so no secret can be created.
#[derive(Debug, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub(crate) struct NoRandomness(#[source] getrandom::Error);

/// Returns `N` unpredictable bytes.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// Returns `length` random bytes in base64url without padding.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn text(length: usize) -> Result<String, NoRandomness> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns a bearer token or client secret of 256 bits: 43 characters in base64url without padding.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn token() -> Result<Secret, NoRandomness> {
    text(32).map(Secret::new)
}

/// Returns a client secret of 512 bits: 86 characters.
///
/// OpenID Connect Core section 16.19 requires at least as many octets as the longest HMAC keyed
/// with the secret, which is 64 for HS512.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn client_secret() -> Result<Secret, NoRandomness> {
    text(64).map(Secret::new)
}

/// Returns a client identifier: a random UUID, which reveals nothing and never looks like a URL.
pub(crate) fn client_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identifier_looks_like_the_url_of_a_document() {
        for _ in 0..1_000 {
            let id = client_id();
            assert!(
                uuid::Uuid::try_parse(&id).is_ok() && !id.contains(':'),
                "{id}"
            );
        }
    }
}
