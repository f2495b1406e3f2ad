//! The server, asked from outside: a real listener on port 0 and a real store in a temporary
//! folder. The names `k1`, `k2` ... are the cases of the conformance catalogue.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod support;

mod bad_input;
mod discovery;
mod expiry;
mod fetch;
mod keys;
mod management;
mod metadata;
mod metadata_choices;
mod openidconnect_crate;
mod operations;
mod redirect_uris;
mod registration;
mod reload;
mod rotation;
mod scripts;
mod sector;
