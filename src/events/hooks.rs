//! Delivers events to `clientCreated`, `clientUpdated` and `clientDeleted` of the scripts in force.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::Secret;
use crate::client::{Client, Metadata, TrustLevel};
use crate::events::{Attempt, Delivery, EventSubject, identified, subject};
use crate::script::{Facts, Hook};
use crate::service::{Service, Snapshot};
use crate::store::{Event, EventType, StoreError};

/// The hooks that run after the response.
const AFTER: [Hook; 3] = [
    Hook::ClientCreated,
    Hook::ClientUpdated,
    Hook::ClientDeleted,
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
        EventType::Pending | EventType::Approved | EventType::Denied => None,
    }
}

/// Calls the hook of every script, beginning with the one that failed at the last attempt.
pub(super) async fn deliver(service: &Service, delivery: &Delivery) -> Attempt {
    let snapshot = service.snapshot();
    let event = &delivery.logged.event;
    let hook = hook(event.kind).filter(|hook| snapshot.scripts.has(*hook));
    let Some(hook) = hook else {
        return Attempt::Unwanted;
    };
    let seen = match seen(service, event).await {
        Ok(Some(seen)) => seen,
        Ok(None) => return Attempt::Unwanted,
        Err(error) => return Attempt::failed(&error),
    };
    let facts = recalled(&snapshot, delivery, seen.trust_level);
    let resume_at = delivery.resume_at.as_deref();
    let told = snapshot
        .scripts
        .notify(hook, Arc::new(facts), &seen.client, resume_at)
        .await;
    match told {
        Ok(()) => Attempt::Done,
        Err(not_notified) => Attempt::Failed {
            error: not_notified.error.to_string(),
            resume_at: Some(not_notified.script),
        },
    }
}

/// Returns what the scripts see of the request that caused the event.
fn recalled(snapshot: &Snapshot, delivery: &Delivery, trust_level: TrustLevel) -> Facts {
    let event = &delivery.logged.event;
    let settings = &snapshot.live.registration;
    let custom = settings.dynamic_registration_custom_attributes.clone();
    let context = event.context.as_deref();
    Facts::recalled(context, trust_level, custom, (shown(delivery), event.at))
}

/// Returns `context.event`.
fn shown(delivery: &Delivery) -> Value {
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
    })
}

/// The client of an event as scripts see it.
struct SeenClient {
    client: Metadata,
    trust_level: TrustLevel,
}

/// Returns the client with its secret, or as it was when it was deleted, or only its identifier if that is not known.
/// Returns none if the event must not be delivered.
async fn seen(service: &Service, event: &Event) -> Result<Option<SeenClient>, StoreError> {
    let seen = match subject(service, event).await? {
        None => return Ok(None),
        Some(EventSubject::Stored(client)) => stored(service, &client)?,
        Some(EventSubject::Deleted(Some(deleted))) => SeenClient {
            client: identified(&deleted, event),
            trust_level: deleted.trust_level,
        },
        Some(EventSubject::Deleted(None)) => {
            let mut client = Metadata::default();
            client.set("client_id", event.client_id.as_str());
            let trust_level = TrustLevel::Open;
            SeenClient {
                client,
                trust_level,
            }
        }
    };
    Ok(Some(seen))
}

fn stored(service: &Service, client: &Client) -> Result<SeenClient, StoreError> {
    let secret = match &client.secret {
        Some(secret) => Some(open(service, client, secret)?),
        None => None,
    };
    Ok(SeenClient {
        client: client.shown(secret.as_ref()),
        trust_level: client.provenance.trust_level,
    })
}

fn open(
    service: &Service,
    client: &Client,
    secret: &crate::client::ClientSecret,
) -> Result<Secret, StoreError> {
    let opened = service
        .store
        .sealing_key
        .open(&secret.sealed, client.id.as_str());
    opened.map_err(|error| StoreError::Unavailable(error.to_string()))
}
