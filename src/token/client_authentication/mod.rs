//! How a client proves who it is (RFC 6749 section 2.3, OpenID Connect Core section 9, RFC 7523
//! section 3, RFC 8705 section 2): by exactly the method that it registered.
//!
//! Whoever does not succeed gets one answer after the same work, whether or not there is such a
//! client.

mod assertion;
mod attestation;
mod certificate;
mod decoy;
mod failed;
mod presented;
mod secret;

use super::TokenError;
use crate::client::{self, Client};
use crate::http::ClientCertificate;
use crate::http::credentials::Authorization;
use crate::http::form::Form;
use crate::registration::AttestationHeaders;
use crate::service::Context;
use crate::store::Stored;
use crate::store::audit::Author;
use presented::{Presented, Proof};

/// What a request shows of its client.
pub struct Shown<'a> {
    /// The `Authorization` header.
    pub authorization: &'a Authorization,
    /// The body.
    pub form: &'a Form,
    /// The client certificate of the connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// The headers of a client attestation; without anybody who is trusted to attest clients, as good as
    /// absent.
    pub attestation: &'a AttestationHeaders,
    /// Where the request comes from; nobody has proved who they are yet.
    pub author: &'a Author,
}

impl Shown<'_> {
    /// Whether the client tries with the `Authorization` header.
    const fn is_by_header(&self) -> bool {
        !matches!(self.authorization, Authorization::Nothing)
    }
}

/// A client that is who it says.
#[derive(Debug)]
pub struct Authenticated {
    /// The client.
    pub client: Stored,
    /// Whether it proved it; a client with the method `none` only says so.
    pub is_proven: bool,
}

/// The client that sent a request.
///
/// # Errors
/// [`TokenError::Request`] when it uses several methods at once, [`TokenError::Client`] when it is
/// not known or not proven, and when the store fails.
pub async fn authenticate(cx: &Context<'_>, shown: &Shown<'_>) -> Result<Authenticated, TokenError> {
    let presented = Presented::read(shown)?;
    failed::admit(cx, shown, &presented)?;
    let stored = match &presented.client_id {
        Some(id) => cx.service.store.clients.find(id).await?,
        None => None,
    };
    if stored.is_none() {
        drop(client::decoy::read());
    }
    let named = stored.as_ref().map(Stored::client);
    let usable = named.filter(|client| client.is_usable(cx.service.clock.now()));
    let proven = prove(cx, usable, &presented, shown).await;
    if let Err(TokenError::Attestation(error)) = &proven
        && error.is_invalid_attestation()
    {
        failed::count(cx, shown, &presented)?;
    }
    let method = proven?;
    match (usable, method) {
        (Some(client), Some(method)) if registered_method(client) == method => {}
        _ => return Err(failed::fail(cx, shown, &presented, named)),
    }
    let is_proven = method != Some(NONE);
    stored.map(|client| Authenticated { client, is_proven }).ok_or(TokenError::Unauthorised)
}

/// The method that only identifies.
const NONE: &str = "none";

fn registered_method(client: &Client) -> &str {
    client.metadata.metadata().text("token_endpoint_auth_method").unwrap_or("client_secret_basic")
}

/// The method by which `client` proves itself; none when it does not. As much is done for a client
/// that is not there.
async fn prove(
    cx: &Context<'_>,
    client: Option<&Client>,
    presented: &Presented,
    shown: &Shown<'_>,
) -> Result<Option<&'static str>, TokenError> {
    match &presented.proof {
        Proof::Basic(given) => Ok(secret::matches(cx, client, given)?.then_some("client_secret_basic")),
        Proof::Post(given) => Ok(secret::matches(cx, client, given)?.then_some("client_secret_post")),
        Proof::Assertion(token) => assertion::verify(cx, client, token).await,
        Proof::Attestation => attestation::verify(cx, client, shown.attestation).await,
        Proof::Nothing => certificate::verify(cx, client, shown.certificate).await,
        Proof::Unreadable => Ok(None),
    }
}
