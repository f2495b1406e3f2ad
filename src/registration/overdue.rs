//! Registrations and updates about which nobody decided in time.

use crate::base::Timestamp;
use crate::client::{Client, MemberOrigin};
use crate::service::{Context, Service};
use crate::store::{
    Action, Along, AuditEvent, Author, FoundRequest, PendingKind, PendingRequest, PendingState,
    Reason, StoreError, Stored,
};
use crate::telemetry::{ClientChange, PendingChange};

/// Ends the requests whose time is over at `until`, and records that. A client that was disabled until somebody would
/// approve it is deleted: nobody will.
///
/// # Errors
/// When the store cannot be read. A request that cannot be ended is logged, and does not keep others from their end.
pub(crate) async fn end(service: &Service, until: Timestamp) -> Result<(), StoreError> {
    let cx = Context::new(service);
    for found in service.store.pending.page(None, usize::MAX).await? {
        let request = found.request();
        let is_over = request.state == PendingState::Waiting && request.ends_at <= until;
        if !is_over {
            continue;
        }
        match end_one(&cx, &found).await {
            Ok(()) => cx.count_pending(request.kind.into(), PendingChange::Expired),
            // Another server was faster, or somebody changes the client: then the next sweep looks again.
            Err(StoreError::Conflict) => {}
            Err(error) => {
                let id = found.id();
                tracing::error!(%error, id, "cannot end a registration that nobody decided about");
            }
        }
    }
    Ok(())
}

async fn end_one(cx: &Context<'_>, found: &FoundRequest) -> Result<(), StoreError> {
    let (store, request) = (&cx.service.store, found.request());
    let event = expired(cx, found);
    if request.kind == PendingKind::DisabledClient {
        return end_disabled(cx, found, &event).await;
    }
    let ended = PendingRequest {
        state: PendingState::Expired,
        ..request.clone()
    };
    let change = store.pending.replacement(found, ended)?;
    if store.pending.apply(change.and(event.change()?)).await? {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

/// Returns the event of the audit log.
fn expired(cx: &Context<'_>, found: &FoundRequest) -> AuditEvent {
    let id = found.id();
    let subject = found.request().subject(&id);
    let event = Author::default().did(
        Action::RegistrationExpired,
        id.as_str(),
        cx.service.clock.now(),
    );
    event
        .with("type", subject.kind.as_str())
        .with("client_id", subject.client_id.as_str())
}

/// Deletes the client with the request, if it is still disabled for its sake.
async fn end_disabled(
    cx: &Context<'_>,
    found: &FoundRequest,
    event: &AuditEvent,
) -> Result<(), StoreError> {
    let store = &cx.service.store;
    let along = Along::audited(event, Reason::Expired).and(store.pending.removal(found));
    let stored = store.clients.find(&found.request().client.id).await?;
    let Some(stored) = stored.filter(|stored| waits_still(stored.client())) else {
        return if store.pending.apply(along.alone()?).await? {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        };
    };
    store.clients.remove(&stored, along).await?;
    count(cx, &stored);
    Ok(())
}

fn count(cx: &Context<'_>, stored: &Stored) {
    let trust_level = stored.client().provenance.trust_level.as_str();
    cx.count(ClientChange::Deleted, trust_level);
}

/// Whether the client is disabled, and no administrator has disabled it.
pub(super) fn waits_still(client: &Client) -> bool {
    let is_disabled = client.metadata.metadata().flag("disabled");
    let origins = client.origins.as_ref();
    let by_whom = origins.map(|origins| origins.origin_of("disabled"));
    is_disabled && by_whom.is_some_and(|origin| origin != MemberOrigin::Administrator)
}
