//! Signatures against other libraries, and readers against random input.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod interop;
mod random_input;
