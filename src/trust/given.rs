//! Cache of the key sets that scripts return. Scripts usually return the same text each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::source::{Keys, Source, key_set};
use crate::base::sha256_hex;
use crate::jose::KeySet;

/// Maximum number of cached key sets. If scripts return more different sets, they are parsed again.
const KEPT: usize = 256;

/// Key sets by the digest of their text.
#[derive(Debug, Default)]
pub(super) struct GivenKeys(Mutex<HashMap<String, Arc<KeySet>>>);

impl GivenKeys {
    /// Returns the source for `jwks`.
    ///
    /// # Errors
    /// Returns the rule that the set violates.
    pub(super) fn source(&self, jwks: &Value) -> Result<Source, String> {
        let name = sha256_hex(jwks.to_string().as_bytes());
        if let Some(set) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name)
        {
            return Ok(Source::of(Keys::Known(Arc::clone(set))));
        }
        let set = Arc::new(key_set(jwks)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(name, Arc::clone(&set));
        Ok(Source::of(Keys::Known(set)))
    }
}
