//! The errors of the token, introspection and revocation endpoints (RFC 6749 section 5.2).

use crate::base::{NoRandomness, SealError};
use crate::http::{BadCredentials, FormError};
use crate::registration::RegisterError;
use crate::service::Limited;
use crate::store::StoreError;

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
