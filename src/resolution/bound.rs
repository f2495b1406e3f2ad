//! The limit of clients that strangers cause to exist by naming URLs (`limits.documents`).

use futures_util::{StreamExt as _, pin_mut};

use crate::base::Timestamp;
use crate::client::rules::client_document::admission::{UrlAdmission, admission};
use crate::client::{Client, TrustLevel};
use crate::service::{Context, Service};
use crate::store::{Action, Along, Author, Reason, StoreError, Stored};
use crate::telemetry::meter;

/// Clients that are read at a time.
const PAGE: usize = 500;

/// Removes the clients of documents that are beyond the limit, those first that were not used for longest, and counts
/// the others in the metrics. Clients that are disabled, and those whose documents are approved, pinned
/// or listed, stay. Returns how many it removed.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn remove_superfluous(service: &Service) -> Result<usize, StoreError> {
    let levels = service.store.clients.by_level().await?;
    let of_documents = levels
        .iter()
        .filter(|(level, _)| *level == TrustLevel::Document);
    let in_force: u64 = of_documents.map(|(_, count)| *count).sum();
    count_states(service, in_force).await?;
    let most = service.settings.limits.documents;
    if in_force <= most as u64 {
        return Ok(0);
    }
    let mut strangers = strangers(service).await?;
    strangers.sort_unstable_by_key(|(used_at, stored)| (*used_at, stored.client().issued_at));
    let superfluous = strangers.len().saturating_sub(most);
    let mut removed = 0;
    for (_, stored) in strangers.iter().take(superfluous) {
        removed += usize::from(remove(service, stored).await?);
    }
    if removed > 0 {
        tracing::info!(removed, "clients of documents deleted (limits.documents)");
    }
    Ok(removed)
}

async fn count_states(service: &Service, in_force: u64) -> Result<(), StoreError> {
    let (documents, now) = (&service.store.client_documents, service.clock.now());
    let candidates = documents.candidates(now).await?;
    let held = candidates.iter().filter(|it| it.changed.is_some()).count();
    let waiting = candidates.len().saturating_sub(held);
    let denied = documents.denials(now).await?.len();
    meter::documents(&[
        ("in_force", in_force),
        ("waiting", waiting as u64),
        ("held", held as u64),
        ("denied", denied as u64),
    ]);
    Ok(())
}

/// Returns the clients that the limit applies to, with the time of their last use.
async fn strangers(service: &Service) -> Result<Vec<(Option<Timestamp>, Stored)>, StoreError> {
    let cx = Context::new(service);
    let pages = service.store.clients.pages(PAGE);
    pin_mut!(pages);
    let mut strangers = Vec::new();
    while let Some(page) = pages.next().await {
        for stored in page? {
            if is_strangers(&cx, stored.client()) {
                let used_at = service.store.uses.last(stored.client());
                strangers.push((used_at, stored));
            }
        }
    }
    Ok(strangers)
}

fn is_strangers(cx: &Context<'_>, client: &Client) -> bool {
    let Some(document) = &client.document else {
        return false;
    };
    // What an administrator has decided would be lost with the client.
    let is_disabled = client.metadata.metadata().flag("disabled");
    if document.pinned || document.approved.is_some() || is_disabled {
        return false;
    }
    match cx.rules().client_url(client.id.as_str()) {
        Ok(url) => admission(cx.settings(), &url) != UrlAdmission::Listed,
        Err(_) => true,
    }
}

/// Removes a client, unless another request changed it.
async fn remove(service: &Service, stored: &Stored) -> Result<bool, StoreError> {
    let event = Author::default().did(
        Action::ClientDeleted,
        stored.client().id.as_str(),
        service.clock.now(),
    );
    let along = Along::audited(&event.with("reason", "superfluous"), Reason::Unused);
    match service.store.clients.remove(stored, along).await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}
