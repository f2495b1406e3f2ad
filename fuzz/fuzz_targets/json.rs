//! Strict JSON: any bytes are read or rejected, and a value that was read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registrar::fuzzing::json;

fuzz_target!(|bytes: &[u8]| {
    if let Some(value) = json(bytes) {
        assert!(json(value.to_string().as_bytes()).is_some());
    }
});
