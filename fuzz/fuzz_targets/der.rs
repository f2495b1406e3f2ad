//! DER as far as distinguished names need it: any bytes are read or rejected.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| registrar::fuzzing::der(bytes));
