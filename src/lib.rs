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
mod console;
mod discovery;
mod events;
mod management;
mod publication;
mod registration;
mod resolution;
mod service;
mod token;
mod trial;

// Mechanisms.
mod fetch;
mod http;
mod live;
mod script;
mod store;
mod trust;

// What a client is, and the modules that this depends on.
mod client;
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

/// Runs the command that the process was given: all of the binary.
pub fn main() -> std::process::ExitCode {
    cli::main()
}

/// The parsers that the targets in `fuzz/` call. Not part of the API: it changes without notice.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads strict JSON.
    pub fn json(bytes: &[u8]) -> Option<serde_json::Value> {
        crate::base::json::parse(bytes).ok()
    }

    /// Reads a URI of a client, and returns whether it is accepted.
    pub fn uri(text: &str) -> bool {
        crate::client::rules::fuzz_uri(text)
    }

    /// Reads a header in which a proxy forwards a client certificate.
    pub fn certificate_header(bytes: &[u8]) {
        crate::http::certificate::fuzz_header(bytes);
    }

    /// Reads a JWS in its compact form, and returns it as it was kept.
    pub fn jwt(text: &str) -> Option<String> {
        let token = crate::jose::Compact::parse(text).ok()?;
        let _ = (token.kid(), token.typ(), token.unverified_claims());
        Some(token.as_str().to_owned())
    }

    /// Reads DER, and a distinguished name.
    pub fn der(bytes: &[u8]) {
        crate::x509::fuzz_der(bytes);
    }
}
