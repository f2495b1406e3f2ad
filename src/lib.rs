//! Registrar: an OAuth 2.0 / OpenID Connect Dynamic Client Registration server.
//!
//! Clients register by RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, and manage
//! themselves by RFC 7592. Operators change the decisions with Rhai scripts. `src/ARCHITECTURE.md`
//! is the map of this crate.

pub mod client;
pub mod clock;
pub mod config;
pub mod jose;
pub mod model;
pub mod random;
pub mod script;
pub mod secret;
pub mod store;
