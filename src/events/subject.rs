//! The client of an event, as it is when the event is delivered.

use crate::client::{Client, Metadata};
use crate::service::Service;
use crate::store::{DeletedClient, Event, EventType, StoreError};

/// The client of an event.
pub(super) enum EventSubject {
    /// The client as it is stored.
    Stored(Box<Client>),
    /// The client as it was when it was deleted; none if that is no longer known.
    Deleted(Option<Box<DeletedClient>>),
}

/// Returns the client of `event`. Returns none if the event must not be delivered: it is sent again, and the client was
/// deleted or created in the meantime.
pub(super) async fn subject(
    service: &Service,
    event: &Event,
) -> Result<Option<EventSubject>, StoreError> {
    if let Some(id) = &event.pending {
        return waiting(service, event, id).await;
    }
    let stored = service.store.clients.find(&event.client_id).await?;
    let is_deletion = event.kind == EventType::Deleted;
    let is_as_reported = stored
        .as_ref()
        .is_some_and(|stored| stored.client().revision == event.revision);
    if !is_as_reported {
        // A later change may not be durable yet.
        service.store.events.settle().await?;
    }
    if event.consumer.is_some() && stored.is_some() == is_deletion {
        tracing::info!("event dropped: the client has been deleted or created again since");
        return Ok(None);
    }
    Ok(Some(match stored {
        Some(stored) if !is_deletion => EventSubject::Stored(Box::new(stored.into_client())),
        _ => {
            let deleted = service.store.events.deleted(&event.client_id).await?;
            EventSubject::Deleted(deleted.map(Box::new))
        }
    }))
}

/// Returns the client of the request `id` that waits for approval, as it would be stored, or as it is stored. None if
/// nobody knows any more what waited: then no filter can select it.
async fn waiting(
    service: &Service,
    event: &Event,
    id: &str,
) -> Result<Option<EventSubject>, StoreError> {
    let found = service.store.pending.find(id, service.clock.now()).await?;
    if let Some(found) = found {
        let client = found.request().client.clone();
        return Ok(Some(EventSubject::Stored(client)));
    }
    let stored = service.store.clients.find(&event.client_id).await?;
    Ok(stored.map(|stored| EventSubject::Stored(Box::new(stored.into_client()))))
}

/// Returns the last metadata of the client of `event`, with its identifiers.
pub(super) fn identified(deleted: &DeletedClient, event: &Event) -> Metadata {
    let mut client = deleted.metadata.metadata().clone();
    client.set("client_id", event.client_id.as_str());
    client.set("client_id_issued_at", deleted.issued_at.unix());
    client
}
