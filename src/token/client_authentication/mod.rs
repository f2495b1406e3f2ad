//! Client authentication (RFC 6749 section 2.3, OpenID Connect Core section 9, RFC 7523 section 3, RFC 8705
//! section 2): exactly by the method that the client registered.
//!
//! Every failure gets the same answer after the same work, whether or not the client exists.

mod assertion;
mod failed;
mod methods;
mod presented;

use crate::client::{self, Client};
use crate::http::{Authorization, ClientCertificate, Form};
use crate::registration::AttestationHeaders;
use crate::service::Context;
use crate::store::{Author, StoreError, Stored};
use crate::token::TokenError;
use presented::{ClientProof, Presented};

/// What a request presents for the authentication of its client.
pub(crate) struct PresentedCredentials<'a> {
    /// The `Authorization` header.
    pub(crate) authorization: &'a Authorization,
    /// The body.
    pub(crate) form: &'a Form,
    /// The client certificate of the connection.
    pub(crate) certificate: Option<&'a ClientCertificate>,
    /// The headers of a client attestation. They are ignored if the operator trusts no attester.
    pub(crate) attestation: &'a AttestationHeaders,
    /// The origin of the request, before anyone is authenticated.
    pub(crate) author: &'a Author,
}

impl PresentedCredentials<'_> {
    /// Whether the client uses the `Authorization` header.
    const fn is_by_header(&self) -> bool {
        !matches!(self.authorization, Authorization::Nothing)
    }
}

/// An authenticated or identified client.
#[derive(Debug)]
pub(crate) struct Authenticated {
    /// The client.
    pub(crate) client: Stored,
    /// Whether the client was authenticated. A client with the method `none` is only identified.
    pub(crate) is_proven: bool,
}

/// Authenticates the client that sent a request.
///
/// # Errors
/// [`TokenError::Request`] if it uses several methods at once, [`TokenError::Client`] if it is unknown or not
/// authenticated, and an error if the store fails.
pub(crate) async fn authenticate(
    cx: &Context<'_>,
    shown: &PresentedCredentials<'_>,
) -> Result<Authenticated, TokenError> {
    let presented = Presented::read(shown)?;
    failed::admit(cx, shown, &presented)?;
    let stored = find_named(cx, &presented).await?;
    let usable = match &stored {
        Some(stored) if stored.client().is_usable(cx.service.clock.now()) => Some(stored.client()),
        _ => None,
    };
    let method = prove(cx, usable, &presented, shown).await?;
    let is_authentic = method.is_some() && method == usable.map(registered_method);
    match stored {
        Some(client) if is_authentic => Ok(Authenticated {
            client,
            is_proven: method != Some(NONE),
        }),
        named => {
            let named = named.as_ref().map(Stored::client);
            Err(failed::fail(cx, shown, &presented, named))
        }
    }
}

/// Finds the client that the request names. If there is none, the work is the same.
async fn find_named(cx: &Context<'_>, presented: &Presented) -> Result<Option<Stored>, StoreError> {
    let found = match &presented.client_id {
        Some(id) => cx.service.store.clients.find(id).await?,
        None => None,
    };
    if found.is_none() {
        drop(client::decoy::read());
    }
    Ok(found)
}

/// The method that identifies a client without authentication.
const NONE: &str = "none";

fn registered_method(client: &Client) -> &str {
    let method = client
        .metadata
        .metadata()
        .text("token_endpoint_auth_method");
    method.unwrap_or("client_secret_basic")
}

/// Returns the method by which `client` authenticates; none if it does not. The work is the same if the
/// client does not exist.
async fn prove(
    cx: &Context<'_>,
    client: Option<&Client>,
    presented: &Presented,
    shown: &PresentedCredentials<'_>,
) -> Result<Option<&'static str>, TokenError> {
    match &presented.proof {
        ClientProof::Basic(given) => {
            let is_own = methods::secret_matches(cx, client, given)?;
            Ok(is_own.then_some("client_secret_basic"))
        }
        ClientProof::Post(given) => {
            let is_own = methods::secret_matches(cx, client, given)?;
            Ok(is_own.then_some("client_secret_post"))
        }
        ClientProof::Assertion(token) => assertion::verify(cx, client, token).await,
        ClientProof::Attestation => {
            let verified = methods::verify_attestation(cx, client, shown.attestation).await;
            // Its answer states the reason, and it counts like any other failure.
            if let Err(TokenError::Attestation(error)) = &verified
                && error.is_invalid_attestation()
            {
                failed::count(cx, shown, presented)?;
            }
            verified
        }
        ClientProof::Nothing => methods::verify_certificate(cx, client, shown.certificate).await,
        ClientProof::Unreadable => Ok(None),
    }
}
