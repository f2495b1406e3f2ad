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
pub(crate) async fn remove(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    stored: &Stored,
    also: Change,
) -> Result<(), RegisterError> {
    let client = stored.client();
    hooks::before_deletion(cx, caller, client).await?;
    let trust_level = client.provenance.trust_level.as_str();
    let (author, now) = (caller.author(Some(client)), cx.service.clock.now());
    let event = author.did(Action::ClientDeleted, client.id.as_str(), now);
    let also = event.with("trust_level", trust_level).change()?.and(also);
    let clients = cx.service.store.clients.clone();
    match hooks::Announcement::of_deletion(cx, caller, client) {
        None => clients.remove(stored, also).await?,
        Some(announcement) => {
            let seen = stored.clone();
            let removed = async move { clients.remove(&seen, also).await };
            announcement.follow(cx, removed).await?;
        }
    }
    meter::client(ClientChange::Deleted, trust_level);
    tracing::info!("client deleted");
    Ok(())
}
