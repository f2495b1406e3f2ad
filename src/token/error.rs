//! Why a token is not given, shown or taken back (RFC 6749 section 5.2).

use crate::http::answer::Presented;
use crate::http::form::FormError;
use crate::random::NoRandomness;
use crate::registration::RegisterError;
use crate::secret::SealError;
use crate::service::limits::Limited;
use crate::store::StoreError;

/// Why a request at the token, introspection or revocation endpoint is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The body is no form that can be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The request is not as it must be: what would be right.
    #[error("{0}")]
    Request(&'static str),
    /// The client is not known, or did not prove that it is who it says: one answer for all of
    /// that, so that nobody learns which clients there are.
    #[error("client authentication failed: authenticate by the method that the client registered")]
    Client {
        /// Whether it tried with the `Authorization` header.
        by_header: bool,
    },
    /// The client may not use the grant.
    #[error("this client did not register the grant type client_credentials and a method that proves it")]
    Unauthorised,
    /// Every token of the client must be bound to a key (RFC 9449 section 5.2), which is not done here.
    #[error("this client registered dpop_bound_access_tokens, and here no token is bound to a DPoP key")]
    Dpop,
    /// There is no such grant here.
    #[error("this endpoint has only the grant type client_credentials")]
    GrantType,
    /// The client asks for what it may not have.
    #[error("{0}")]
    Scope(String),
    /// The bearer token with which somebody asks is not good.
    #[error("the bearer token is not valid here")]
    Bearer(Presented),
    /// Tokens were asked for too often, or authentication failed too often.
    #[error(transparent)]
    TooOften(#[from] Limited),
    /// A client attestation is not accepted, for a reason that says nothing of clients.
    #[error(transparent)]
    Attestation(Box<RegisterError>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No token could be made.
    #[error("no token could be made")]
    Randomness(#[from] NoRandomness),
    /// A client secret could not be opened.
    #[error("a client secret could not be opened")]
    Seal(#[from] SealError),
}
