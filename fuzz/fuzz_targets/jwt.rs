//! A JWS in its compact form: any text is read or rejected, and a token that was read is kept byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registrar::fuzzing::Compact;

fuzz_target!(|text: &str| {
    if let Ok(token) = Compact::parse(text) {
        assert_eq!(token.as_str(), text);
        let _ = (token.kid(), token.typ(), token.unverified_claims());
    }
});
