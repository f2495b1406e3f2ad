//! The client of an event, as it is when the event is delivered.

use crate::client::{Client, Metadata};
use crate::service::Service;
use crate::store::{
    DeletedClient, Event, EventType, FoundRequest, StoreError, WaitingDocument, WaitingItem,
};

/// The client of an event.
pub(super) enum EventSubject {
    /// The client as it is stored.
    Stored(Box<Client>),
    /// The client as it was when it was deleted; none if that is no longer known.
    Deleted(Option<Box<DeletedClient>>),
    /// A registration or an update that waits for approval, or that somebody has decided about.
    Request(Box<FoundRequest>),
    /// A client document that waits for approval.
    Document(Box<WaitingDocument>),
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

/// Returns what waits for approval under the identifier `id`, or else the client that it concerned. None if that was
/// cancelled or decided so long ago that it is not known any more: then nothing waits.
async fn waiting(
    service: &Service,
    event: &Event,
    id: &str,
) -> Result<Option<EventSubject>, StoreError> {
    match service.store.waiting.find(id, service.clock.now()).await? {
        Some(WaitingItem::Request(found)) => return Ok(Some(EventSubject::Request(found))),
        Some(WaitingItem::Document(found)) => return Ok(Some(EventSubject::Document(found))),
        None => {}
    }
    if let Some(stored) = service.store.clients.find(&event.client_id).await? {
        let client = Box::new(stored.into_client());
        return Ok(Some(EventSubject::Stored(client)));
    }
    // A decision is news even if nothing is left of what it was about, such as a denied document.
    let is_news = event.kind != EventType::Pending;
    Ok(is_news.then_some(EventSubject::Deleted(None)))
}

/// Returns the last metadata of the client of `event`, with its identifiers.
pub(super) fn identified(deleted: &DeletedClient, event: &Event) -> Metadata {
    let mut client = deleted.metadata.metadata().clone();
    client.set("client_id", event.client_id.as_str());
    client.set("client_id_issued_at", deleted.issued_at.unix());
    client
}
