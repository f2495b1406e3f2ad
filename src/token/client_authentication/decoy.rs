//! A secret that belongs to no client. An HMAC assertion for a client that does not exist, or has no secret,
//! is verified with it, so that it costs as much as for a client with a secret. The result is ignored. For
//! public keys, see `trust/decoy.rs`.

use std::sync::{Arc, LazyLock};

use crate::base::Secret;
use crate::jose::KeySet;
use crate::trust::Source;

static SHARED: LazyLock<Option<Arc<KeySet>>> = LazyLock::new(|| {
    KeySet::from_secret(&Secret::new("x".repeat(86)))
        .ok()
        .map(Arc::new)
});

/// Returns the secret that belongs to no client.
pub(super) fn secret() -> Source {
    Source {
        secret: SHARED.clone(),
        ..Source::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_can_be_used() {
        assert!(SHARED.is_some());
    }
}
