//! Signatures checked against other libraries, and parsers against random input.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

mod interop;
mod random_input;
