//! The token endpoint (RFC 6749 section 4.4), introspection (RFC 7662), revocation (RFC 7009), and the public
//! keys of this server. Access tokens are opaque, and only their digests are stored.
//!
//! These endpoints serve the clients that are registered on this server, so that they can manage themselves,
//! and its administrators. Users sign in at the upstream authorization server.

pub(crate) mod administrator;
pub(crate) mod bearer;
pub(crate) mod client_authentication;
pub(crate) mod endpoint;
mod error;
mod grant;
mod introspection;
pub(crate) mod keys;
mod revocation;

pub(crate) use client_authentication::{Authenticated, PresentedCredentials, authenticate};
pub(crate) use error::TokenError;

use crate::client::Client;

/// Whether `client` may do what requires the scope `wanted` of `[admin.scopes]`, with a token that has
/// `scope`. Only clients that the operator created may: another client may have a scope of that name from a
/// time when it was an ordinary scope.
pub(crate) fn administers(client: &Client, scope: &str, wanted: &str) -> bool {
    client.is_operators() && has_scope(scope, wanted)
}

/// Whether `scope` contains the word `wanted` (RFC 6749 section 3.3).
fn has_scope(scope: &str, wanted: &str) -> bool {
    crate::base::scope::has(scope, wanted)
}
