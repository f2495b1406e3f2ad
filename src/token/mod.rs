//! The token endpoint (RFC 6749 section 4.4), introspection (RFC 7662), revocation (RFC 7009), and
//! the public keys of this server. Access tokens are opaque and stored under their digests.
//!
//! It serves the clients that are registered here, so that they can manage themselves, and the
//! administrators of this server; users sign in at the authorization server beside it.

pub mod administrator;
pub mod bearer;
pub mod client_authentication;
pub mod endpoint;
mod error;
mod grant;
mod introspection;
pub mod keys;
mod revocation;

pub use client_authentication::{Authenticated, Shown, authenticate};
pub use error::TokenError;

use crate::client::Client;

/// Whether `client` may do what needs the scope `wanted` of `[admin.scopes]`, with a token that has
/// `scope`. What the operator did not make may not: it can have a scope of that name from a time
/// when that was a scope like others.
pub fn administers(client: &Client, scope: &str, wanted: &str) -> bool {
    client.is_operators() && has_scope(scope, wanted)
}

/// Whether `scope` has the word `wanted` (RFC 6749 section 3.3).
fn has_scope(scope: &str, wanted: &str) -> bool {
    crate::model::scope::has(scope, wanted)
}
