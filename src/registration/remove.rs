//! The deletion of a client at its own request.

use super::{Caller, RegisterError, hooks};
use crate::service::Context;
use crate::store::audit::Action;
use crate::store::{Change, Stored};
use crate::telemetry::meter::{self, ClientChange};

/// Deletes the client, with `also` in the same change. Its identifier, secret and tokens are invalid when
/// this function returns.
///
/// # Errors
/// When a script rejects the deletion, the store fails, or another request changes the client at the same
/// time.
pub async fn remove(
    cx: &Context<'_>,
    caller: &Caller,
    stored: &Stored,
    also: Change,
) -> Result<(), RegisterError> {
    let client = stored.client();
    hooks::before_deletion(cx, caller, client).await?;
    let author = caller.author(Some(client));
    let event = author.did(
        Action::ClientDeleted,
        client.id.as_str(),
        cx.service.clock.now(),
    );
    let event = event
        .with("trust_level", client.provenance.trust_level.as_str())
        .change()?
        .and(also);
    let clients = &cx.service.store.clients;
    match hooks::Announcement::of_deletion(cx, caller, client) {
        None => clients.remove(stored, event).await?,
        Some(announcement) => {
            let (clients, seen) = (clients.clone(), stored.clone());
            announcement
                .follow(cx, async move { clients.remove(&seen, event).await })
                .await?;
        }
    }
    meter::client(
        ClientChange::Deleted,
        client.provenance.trust_level.as_str(),
    );
    tracing::info!("client deleted");
    Ok(())
}
