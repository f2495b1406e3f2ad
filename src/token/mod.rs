//! The token endpoint (RFC 6749 section 4.4), introspection (RFC 7662), revocation (RFC 7009), and the public
//! keys of this server. Access tokens are opaque, and only their digests are stored.
//!
//! These endpoints serve the clients that are registered on this server, so that they can manage themselves,
//! and its administrators. Users sign in at the upstream authorization server.

pub(crate) mod administrator;
mod client_authentication;
pub(crate) mod endpoint;
mod grant;
mod introspection;
mod sign_in;

use crate::base::{NoRandomness, SealError, scope, texts_equal};
use crate::client::Client;
use crate::http::{BadCredentials, ClientCertificate, FormError};
use crate::registration::RegisterError;
use crate::service::{Context, Limited};
use crate::store::{AccessToken, StoreError, Stored};

use client_authentication::{Authenticated, PresentedCredentials, authenticate};
pub(crate) use sign_in::sign_in;

/// Why a request at the token, introspection or revocation endpoint is rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The body is not a readable form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The request is invalid. The text states what is required.
    #[error("{0}")]
    Request(&'static str),
    /// The client is unknown, or did not authenticate. All these cases have the same answer, so that nobody
    /// learns which clients exist.
    #[error("client authentication failed: use the method that the client registered")]
    Client {
        /// Whether the client used the `Authorization` header.
        by_header: bool,
    },
    /// The client is not allowed to use the grant.
    #[error(
        "this client did not register both the grant type client_credentials and a method that \
         authenticates it"
    )]
    Unauthorised,
    /// Every token of the client must be bound to a key (RFC 9449 section 5.2), which this server does not
    /// support.
    #[error(
        "this client registered dpop_bound_access_tokens, but this server cannot bind tokens to a DPoP key"
    )]
    Dpop,
    /// This server does not support the grant.
    #[error("this endpoint supports only the grant type client_credentials")]
    GrantType,
    /// The client requested a scope that it did not register.
    #[error("{0}")]
    Scope(String),
    /// The bearer token of the caller is invalid.
    #[error("the bearer token is not valid on this server")]
    Bearer(BadCredentials),
    /// Too many tokens were requested, or authentication failed too often.
    #[error(transparent)]
    TooOften(#[from] Limited),
    /// A client attestation is rejected, for a reason that reveals nothing about clients.
    #[error(transparent)]
    Attestation(Box<RegisterError>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No token could be created.
    #[error("no token could be created")]
    Randomness(#[from] NoRandomness),
    /// A client secret could not be opened.
    #[error("a client secret could not be opened")]
    Seal(#[from] SealError),
}

/// Whether `client` may do what requires the scope `wanted` of `[admin.scopes]`, with a token that has
/// `scope`. Only clients that the operator created may: another client may have a scope of that name from a
/// time when it was an ordinary scope.
fn administers(client: &Client, scope: &str, wanted: &str) -> bool {
    client.is_operators() && scope::has(scope, wanted)
}

/// A valid access token, with the client that it was issued to.
#[derive(Debug)]
pub(crate) struct Bearer {
    /// The content of the token.
    pub(crate) token: AccessToken,
    /// The client.
    pub(crate) client: Stored,
}

/// Finds the bearer of `token` (RFC 6750, RFC 8705 section 3), if the token is valid: it has not expired and
/// was not revoked, its client exists and is usable, and the token is presented with the certificate that it
/// is bound to.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn find_bearer(
    cx: &Context<'_>,
    token: &str,
    certificate: Option<&ClientCertificate>,
) -> Result<Option<Bearer>, StoreError> {
    let Some(bearer) = find_unbound_bearer(cx, token).await? else {
        return Ok(None);
    };
    let is_bound_here = match (&bearer.token.certificate, certificate) {
        (None, _) => true,
        (Some(bound), Some(shown)) => texts_equal(bound, &shown.certificate.thumbprint()),
        (Some(_), None) => false,
    };
    Ok(if is_bound_here { Some(bearer) } else { None })
}

/// Finds the bearer regardless of the certificate that the token is bound to, for a caller that asks about
/// another client's token.
async fn find_unbound_bearer(cx: &Context<'_>, token: &str) -> Result<Option<Bearer>, StoreError> {
    let now = cx.service.clock.now();
    match cx.service.store.tokens.find(token, now).await? {
        Some((token, client)) if client.client().is_usable(now) => {
            Ok(Some(Bearer { token, client }))
        }
        _ => Ok(None),
    }
}
