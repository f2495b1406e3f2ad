//! Management of a client by its holder (RFC 7592): who may, read, delete. An update is a
//! registration that replaces, so `PUT` hands over to [`crate::registration::replace`].

pub mod endpoint;
mod error;
mod holder;

pub use error::ManageError;

use crate::client::Client;
use crate::config::registration::Rotation;
use crate::http::answer::Presented;
use crate::registration::{Caller, ClientInformation, hooks, rotation};
use crate::script::Hook;
use crate::secret::{Secret, TokenDigest};
use crate::service::Context;
use crate::store::audit::Action;
use crate::store::{Change, StoreError, Stored};
use crate::telemetry::meter::{self, ClientChange};

/// A client, and the token with which somebody proved to be its holder.
pub struct Held {
    /// The client.
    pub stored: Stored,
    /// The registration access token that was presented; none when it was an access token of the
    /// token endpoint.
    pub token: Option<Secret>,
}

/// Reads the client (RFC 7592 section 2.1).
///
/// # Errors
/// When a script or the store fails, or the client changes at the same time.
pub async fn read(cx: &Context<'_>, caller: &Caller, held: Held) -> Result<ClientInformation, ManageError> {
    let rotates = cx.settings().rotate_registration_access_token == Rotation::OnUse;
    let (client, token) = match held.token {
        Some(token) if rotates => rotate(cx, held.stored, &token).await?,
        token => (held.stored.into_client(), token),
    };
    let sealed = client.secret.as_ref().filter(|_| cx.settings().return_client_secret_on_read);
    let id = client.id.as_str();
    let secret = sealed.map(|secret| cx.service.store.sealing_key.open(&secret.sealed, id)).transpose()?;
    let information = ClientInformation::new(cx, &client, token.as_ref(), secret.as_ref());
    Ok(hooks::modify(cx, caller, Hook::ModifyReadResponse, information).await?)
}

/// Gives the client a new token; the presented one stays good until the new one is used. Of several
/// requests side by side one does so, and the others are told the same token.
async fn rotate(
    cx: &Context<'_>,
    mut stored: Stored,
    presented: &Secret,
) -> Result<(Client, Option<Secret>), ManageError> {
    let clients = &cx.service.store.clients;
    let shown = TokenDigest::of(presented.expose());
    for _ in 0..holder::TRIES {
        if let Some(told) = rotation::told(cx, stored.client(), presented)? {
            return Ok((stored.into_client(), Some(told)));
        }
        let (token, tokens) = rotation::next(cx, stored.client(), presented)?;
        let client = Client { tokens, ..stored.client().clone() };
        match clients.replace(&stored, &client, Change::default()).await {
            Ok(()) => return Ok((client, Some(token))),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        let found = clients.find(&client.id).await?;
        let found = found.filter(|found| holder::matched(found.client(), &shown).is_some());
        stored = found.ok_or(ManageError::Unauthorised(Presented::Invalid))?;
    }
    Err(ManageError::Conflict)
}

/// Deletes the client: its identifier, secret and tokens are dead when this returns (RFC 7592
/// section 2.3).
///
/// # Errors
/// When a script refuses, the store fails, or the client changes at the same time.
pub async fn delete(cx: &Context<'_>, caller: &Caller, held: Held) -> Result<(), ManageError> {
    let client = held.stored.client();
    hooks::before_deletion(cx, caller, client).await?;
    let author = caller.author(Some(client));
    let event = author.did(Action::ClientDeleted, client.id.as_str(), cx.service.clock.now());
    let event = event.with("trust_level", client.provenance.trust_level.as_str()).change()?;
    let clients = &cx.service.store.clients;
    let removed = match hooks::Announcement::of_deletion(cx, caller, client) {
        None => clients.remove(&held.stored, event).await,
        Some(announcement) => {
            let (clients, seen) = (clients.clone(), held.stored.clone());
            announcement.follow(cx, async move { clients.remove(&seen, event).await }).await
        }
    };
    removed.map_err(|error| match error {
        StoreError::Conflict => ManageError::Conflict,
        other => ManageError::Store(other),
    })?;
    meter::client(ClientChange::Deleted, client.provenance.trust_level.as_str());
    tracing::info!("client deleted");
    Ok(())
}
