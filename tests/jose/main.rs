//! Signatures against other libraries, and readers against random input.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

mod interop;
mod random_input;
