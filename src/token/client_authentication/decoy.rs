//! A secret of nobody: an assertion by HMAC for a client that is not there, or has no secret, is verified
//! with it, so that it costs what one of a client with a secret does. What it says is never heard. For
//! public keys, see `trust/decoy.rs`.

use std::sync::{Arc, LazyLock};

use crate::jose::KeySet;
use crate::secret::Secret;
use crate::trust::Source;

static SHARED: LazyLock<Option<Arc<KeySet>>> =
    LazyLock::new(|| KeySet::from_secret(&Secret::new("x".repeat(86))).ok().map(Arc::new));

/// The secret of nobody.
pub(super) fn secret() -> Source {
    Source { secret: SHARED.clone(), ..Source::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_used() {
        assert!(SHARED.is_some());
    }
}
