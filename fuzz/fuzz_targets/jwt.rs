//! A JWS in its compact form: any text is read or rejected, and a token that was read is kept byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registrar::fuzzing::jwt;

fuzz_target!(|text: &str| {
    if let Some(kept) = jwt(text) {
        assert_eq!(kept, text);
    }
});
