//! Redirect URIs and other URIs of a client: any text is read or rejected.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registrar::fuzzing::uri;

fuzz_target!(|text: &str| {
    let is_accepted = uri(text);
    assert!(!is_accepted || text.is_ascii(), "a URI that is accepted is ASCII (RFC 3986)");
});
