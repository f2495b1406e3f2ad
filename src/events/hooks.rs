//! Delivers events to `clientCreated`, `clientUpdated`, `clientDeleted` and `registrationPending` of the scripts in force.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::Secret;
use crate::client::{Client, Metadata, TrustLevel};
use crate::events::{AttemptResult, Delivery, EventSubject, identified, subject};
use crate::script::{Facts, Hook};
use crate::service::{Service, Snapshot, exports};
use crate::store::{
    DeletedClient, Event, EventType, PendingRequest, PendingType, StoreError, WaitingDocument,
};

/// The hooks that run after the response.
const AFTER: [Hook; 4] = [
    Hook::ClientCreated,
    Hook::ClientUpdated,
    Hook::ClientDeleted,
    Hook::RegistrationPending,
];

/// Returns whether a script wants events.
pub(super) fn are_wanted(snapshot: &Snapshot) -> bool {
    AFTER.into_iter().any(|hook| snapshot.scripts.has(hook))
}

/// Returns whether a script wants the events of new clients.
pub(super) fn has_created(snapshot: &Snapshot) -> bool {
    snapshot.scripts.has(Hook::ClientCreated)
}

/// Returns the hook for events of a type; none if scripts are not notified of them.
const fn hook(kind: EventType) -> Option<Hook> {
    match kind {
        EventType::Created => Some(Hook::ClientCreated),
        EventType::Deleted => Some(Hook::ClientDeleted),
        EventType::Updated
        | EventType::Disabled
        | EventType::Enabled
        | EventType::SecretRotated => Some(Hook::ClientUpdated),
        EventType::Pending => Some(Hook::RegistrationPending),
        EventType::Approved | EventType::Denied => None,
    }
}

/// Calls the hook of every script, beginning with the one that failed at the last attempt.
pub(super) async fn deliver(service: &Service, delivery: &Delivery) -> AttemptResult {
    let snapshot = service.snapshot();
    let event = &delivery.logged.event;
    let hook = hook(event.kind).filter(|hook| snapshot.scripts.has(*hook));
    let Some(hook) = hook else {
        return AttemptResult::Unwanted;
    };
    let seen = match seen(service, event).await {
        Ok(Some(seen)) => seen,
        Ok(None) => return AttemptResult::Unwanted,
        Err(error) => return AttemptResult::failed(&error),
    };
    let facts = recalled(&snapshot, delivery, &seen);
    let resume_at = delivery.resume_at.as_deref();
    let told = snapshot
        .scripts
        .notify(hook, Arc::new(facts), &seen.client, resume_at)
        .await;
    match told {
        Ok(()) => AttemptResult::Done,
        Err(not_notified) => AttemptResult::Failed {
            error: not_notified.error.to_string(),
            resume_at: Some(not_notified.script),
        },
    }
}

/// Returns what the scripts see of the request that caused the event.
fn recalled(snapshot: &Snapshot, delivery: &Delivery, seen: &SeenClient) -> Facts {
    let event = &delivery.logged.event;
    let added = match event.kind {
        EventType::Deleted => Map::new(),
        _ => exports::resolved(&snapshot.live, &seen.client, seen.trust_level),
    };
    let settings = &snapshot.live.registration;
    let custom = settings.dynamic_registration_custom_attributes.clone();
    let context = event.context.as_deref();
    let shown = (shown(delivery, &seen.pending, &added), event.at);
    Facts::recalled(context, seen.trust_level, custom, shown)
}

/// Returns `context.event`, with what `[[exports]]` adds to the client.
fn shown(delivery: &Delivery, pending: &Value, added: &Map<String, Value>) -> Value {
    let event = &delivery.logged.event;
    json!({
        "id": event.id,
        "position": delivery.logged.position,
        "type": event.kind,
        "at": event.at.unix(),
        "attempt": delivery.attempt,
        "reason": event.reason,
        "changed": event.changed,
        "revision": event.revision,
        "exports": added,
        "pending": pending,
    })
}

/// The client of an event as scripts see it.
struct SeenClient {
    client: Metadata,
    trust_level: TrustLevel,
    /// What waits; null if nothing does.
    pending: Value,
}

impl SeenClient {
    const fn new(client: Metadata, trust_level: TrustLevel) -> Self {
        Self {
            client,
            trust_level,
            pending: Value::Null,
        }
    }

    /// A client that waits. It is shown without its secret, which only the client itself gets.
    fn waiting(client: Metadata, trust_level: TrustLevel, pending: Value) -> Self {
        Self {
            pending,
            ..Self::new(client, trust_level)
        }
    }
}

/// Returns the client with its secret, or as it was when it was deleted, or only its identifier if that is not known.
/// Returns none if the event must not be delivered.
async fn seen(service: &Service, event: &Event) -> Result<Option<SeenClient>, StoreError> {
    let subject = subject(service, event).await?;
    let seen = match subject.filter(|subject| is_news(service, event, subject)) {
        None => return Ok(None),
        Some(EventSubject::Stored(client)) if event.pending.is_some() => {
            let level = client.provenance.trust_level;
            SeenClient::waiting(client.shown(None), level, pending(event))
        }
        Some(EventSubject::Stored(client)) => stored(service, &client)?,
        Some(EventSubject::Deleted(deleted)) => deleted_client(event, deleted.as_deref()),
        Some(EventSubject::Request(found)) => request(event, found.request()),
        Some(EventSubject::Document(candidate)) => document(event, &candidate),
    };
    Ok(Some(seen))
}

/// Returns a client as it was when it was deleted, or only its identifier.
fn deleted_client(event: &Event, deleted: Option<&DeletedClient>) -> SeenClient {
    if let Some(deleted) = deleted {
        return SeenClient::new(identified(deleted, event), deleted.trust_level);
    }
    let mut client = Metadata::default();
    client.set("client_id", event.client_id.as_str());
    SeenClient::new(client, TrustLevel::Open)
}

/// Whether hooks see the event. What waited may have been decided, cancelled or taken back meanwhile.
fn is_news(service: &Service, event: &Event, subject: &EventSubject) -> bool {
    match subject {
        _ if event.kind != EventType::Pending => true,
        EventSubject::Request(found) => found.request().waits(service.clock.now()),
        EventSubject::Document(_) => true,
        EventSubject::Stored(_) | EventSubject::Deleted(_) => false,
    }
}

/// Returns what is known of what waited, which is decided.
fn pending(event: &Event) -> Value {
    json!({
        "id": event.pending, "type": event.pending_type, "digest": null, "reason": null, "expires_at": null,
    })
}

fn request(event: &Event, request: &PendingRequest) -> SeenClient {
    let pending = json!({
        "id": event.pending,
        "type": PendingType::from(request.kind),
        "digest": request.digest,
        "reason": request.reason,
        "expires_at": request.ends_at.unix(),
    });
    let client = &request.client;
    SeenClient::waiting(client.shown(None), client.provenance.trust_level, pending)
}

fn document(event: &Event, candidate: &WaitingDocument) -> SeenClient {
    let pending = json!({
        "id": event.pending,
        "type": PendingType::Document,
        "digest": candidate.digest,
        "reason": candidate.reason,
        "expires_at": candidate.ends_at().unix(),
    });
    SeenClient::waiting(candidate.shown(), candidate.level(), pending)
}

fn stored(service: &Service, client: &Client) -> Result<SeenClient, StoreError> {
    let secret = match &client.secret {
        Some(secret) => Some(open(service, client, secret)?),
        None => None,
    };
    let shown = client.shown(secret.as_ref());
    Ok(SeenClient::new(shown, client.provenance.trust_level))
}

fn open(
    service: &Service,
    client: &Client,
    secret: &crate::client::ClientSecret,
) -> Result<Secret, StoreError> {
    let opened = service
        .store
        .sealing_keys
        .open(&secret.sealed, client.id.as_str());
    opened.map_err(|error| StoreError::Unavailable(error.to_string()))
}
