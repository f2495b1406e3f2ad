//! Registrar: an OAuth 2.0 / OpenID Connect Dynamic Client Registration server.
//!
//! Clients register by RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, and manage
//! themselves by RFC 7592. Operators customise the decisions with Rhai scripts.
//! `src/ARCHITECTURE.md` is the map of this crate. A program that embeds the server starts with
//! [`server`].

// These macros panic when standard error is closed. The command line has its own. Standard output
// is handled in Cargo.toml.
#![deny(clippy::print_stderr)]

// Wiring, no rules.
mod cli;
pub mod server;

// Use cases.
mod admin;
mod discovery;
mod events;
mod management;
mod registration;
mod service;
mod token;

// Mechanisms.
mod fetch;
mod http;
mod live;
mod script;
pub mod store;
mod trust;

// What a client is, and the modules that this depends on.
pub mod client;
pub mod config;
mod ear;
mod jose;
mod x509;

// What every layer may report about its work.
mod telemetry;

// Basic types: pure, no I/O.
mod base;

#[doc(hidden)]
pub mod testing;

pub use base::clock;
pub use cli::main;

/// The parsers that the targets in `fuzz/` call. Not part of the API: it changes without notice.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::base::json::parse as json;
    pub use crate::client::rules::fuzz_uri as uri;
    pub use crate::http::certificate::fuzz_header as certificate_header;
    pub use crate::jose::Compact;
    pub use crate::x509::fuzz_der as der;
}
