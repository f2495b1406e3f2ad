//! Management of a client with its own token (RFC 7592): authentication, read and delete. An update is a
//! registration that replaces the previous one, so `PUT` calls [`crate::registration::replace`].

pub(crate) mod endpoint;
mod holder;

use crate::base::{NoRandomness, SealError, Secret};
use crate::client::Client;
use crate::config::Rotation;
use crate::http::BadCredentials;
use crate::registration::{self, Caller, ClientInformation, RegisterError, hooks, upstream};
use crate::script::{Hook, HookError};
use crate::service::Context;
use crate::store::{Change, StoreError, Stored};

/// Why a management request is rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManageError {
    /// The token is missing or belongs to another client, or the client does not exist.
    #[error("the token does not match any client")]
    Unauthorised(BadCredentials),
    /// Deletion by clients is disabled.
    #[error("clients cannot delete themselves on this server")]
    DeletionDisabled,
    /// `If-Match` names another revision (RFC 9110 section 13.1.1).
    #[error("the client has changed: its current revision is {revision}")]
    PreconditionFailed {
        /// The current revision.
        revision: u64,
    },
    /// Another request changed the client first.
    #[error("another request changed the client at the same time; read it and retry")]
    Conflict,
    /// The update was rejected for a reason for which a registration is rejected.
    #[error(transparent)]
    Update(#[from] RegisterError),
    /// A script rejected the request, or failed.
    #[error("a script rejected the request or failed")]
    Hook(#[from] HookError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No token could be created.
    #[error("no token could be created")]
    Randomness(#[from] NoRandomness),
    /// The client secret could not be opened.
    #[error("a client secret could not be opened")]
    Seal(#[from] SealError),
}

impl ManageError {
    /// Whether a script rejected the request. A rejection is not a failure.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Hook(HookError::Refused { .. } | HookError::Answered { .. })
        )
    }
}

/// An authenticated client, and the token that authenticated it.
pub(crate) struct Held {
    /// The client.
    pub(crate) stored: Stored,
    /// The registration access token that was presented; none when it was an access token of the token
    /// endpoint.
    pub(crate) token: Option<Secret>,
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
        // In a box, as in `holder::admit`.
        Some(token) if rotates => Box::pin(rotate(cx, held.stored, &token)).await?,
        token => (held.stored.into_client(), token),
    };
    let client = match client.upstream {
        // In a box, so that other reads do not carry the space of its future.
        Some(_) => Box::pin(upstream::read(cx, client)).await?,
        None => client,
    };
    let secret = match &client.secret {
        Some(secret) if cx.settings().return_client_secret_on_read => {
            let key = &cx.service.store.sealing_keys;
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
    let (next, tokens) = registration::rotate_token(presented)?;
    let client = Client {
        tokens,
        ..stored.client().clone()
    };
    let clients = &cx.service.store.clients;
    match clients.replace(&stored, &client, Change::default()).await {
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
pub(crate) async fn delete(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    held: Held,
) -> Result<(), ManageError> {
    match registration::remove(cx, caller, &held.stored, Change::default()).await {
        Ok(()) => Ok(()),
        Err(RegisterError::Hook(error)) => Err(ManageError::Hook(error)),
        Err(RegisterError::Conflict) => Err(ManageError::Conflict),
        Err(RegisterError::Store(error)) => Err(ManageError::Store(error)),
        Err(other) => Err(ManageError::Update(other)),
    }
}
