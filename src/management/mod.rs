//! Management of a client with its own token (RFC 7592): authentication, read and delete. An update is a
//! registration that replaces the previous one, so `PUT` calls [`crate::registration::replace`].

pub(crate) mod endpoint;
mod error;
mod holder;

pub(crate) use error::ManageError;

use crate::base::{Secret, TokenDigest, random};
use crate::client::{Client, RegistrationTokens};
use crate::config::registration::Rotation;
use crate::registration::{self, Caller, ClientInformation, RegisterError, hooks};
use crate::script::Hook;
use crate::service::Context;
use crate::store::{Change, StoreError, Stored};

/// An authenticated client, and the token that authenticated it.
pub struct Held {
    /// The client.
    pub stored: Stored,
    /// The registration access token that was presented; none when it was an access token of the token
    /// endpoint.
    pub token: Option<Secret>,
}

/// Reads the client (RFC 7592 section 2.1).
///
/// # Errors
/// When a script or the store fails, or another request changes the client at the same time.
pub(crate) async fn read(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    held: Held,
) -> Result<ClientInformation, ManageError> {
    let rotates = cx.settings().rotate_registration_access_token == Rotation::OnUse;
    let (client, token) = match held.token {
        Some(token) if rotates => rotate(cx, held.stored, &token).await?,
        token => (held.stored.into_client(), token),
    };
    let secret = match &client.secret {
        Some(secret) if cx.settings().return_client_secret_on_read => {
            let key = &cx.service.store.sealing_key;
            Some(key.open(&secret.sealed, client.id.as_str())?)
        }
        _ => None,
    };
    let information = ClientInformation::new(cx, &client, token.as_ref(), secret.as_ref());
    Ok(hooks::modify(cx, caller, Hook::ModifyReadResponse, information).await?)
}

/// Issues a new token for the client. The presented token stays valid until the new one is first used.
async fn rotate(
    cx: &Context<'_>,
    stored: Stored,
    presented: &Secret,
) -> Result<(Client, Option<Secret>), ManageError> {
    let next = random::token()?;
    let mut client = stored.client().clone();
    client.tokens = RegistrationTokens {
        current: TokenDigest::of(next.expose()),
        previous: Some(TokenDigest::of(presented.expose())),
    };
    match cx
        .service
        .store
        .clients
        .replace(&stored, &client, Change::default())
        .await
    {
        Ok(()) => Ok((client, Some(next))),
        Err(StoreError::Conflict) => Err(ManageError::Conflict),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the client. Its identifier, secret and tokens are invalid when this function returns (RFC 7592
/// section 2.3).
///
/// # Errors
/// When a script rejects the deletion, the store fails, or another request changes the client at the same
/// time.
pub async fn delete(cx: &Context<'_>, caller: &Caller<'_>, held: Held) -> Result<(), ManageError> {
    let removed = registration::remove(cx, caller, &held.stored, Change::default()).await;
    removed.map_err(|error| match error {
        RegisterError::Hook(error) => ManageError::Hook(error),
        RegisterError::Conflict => ManageError::Conflict,
        RegisterError::Store(error) => ManageError::Store(error),
        other => ManageError::Update(other),
    })
}
