//! `attestation::new_nonce()`: 32 random bytes, base64url.

use rhai::Module;

use super::super::value::failure;
use crate::random;

/// draft-tschofenig-oauth-attested-dclient-reg section 4 asks for 32 bytes or more.
const NONCE_BYTES: usize = 32;

pub(super) fn module() -> Module {
    let mut module = Module::new();
    module
        .set_native_fn("new_nonce", || random::text(NONCE_BYTES).map_err(|error| failure(error.to_string())));
    module
}
