//! The headers in which a proxy forwards a client certificate: any bytes are read or rejected.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| registrar::fuzzing::certificate_header(bytes));
