//! The decision of an administrator about a registration or an update that waits.

use serde_json::{Map, Value};

use crate::client::Approval;
use crate::registration::{
    Caller, RegisterError, overdue::waits_still, remove, replace_as_operator,
};
use crate::service::Context;
use crate::store::{
    Action, Along, Change, EventType, FoundRequest, PendingKind, PendingRequest, PendingState,
    StoreError, Stored,
};
use crate::telemetry::PendingChange;

/// How often a change is attempted that another change of the same request can interfere with, such as a client that
/// keeps asking.
pub(super) const TRIES: usize = 64;

/// What an administrator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApprovalChoice {
    /// The request takes effect.
    Approve,
    /// It does not.
    Deny,
}

impl ApprovalChoice {
    /// Returns the choice as it is written in the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// Why a decision does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecideError {
    /// There is no such request.
    #[error("request that waits not found")]
    Unknown,
    /// Somebody has already decided, or the time is over.
    #[error("the request no longer waits: somebody has decided, or its time is over")]
    Over,
    /// The client could not be enabled or deleted.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl From<StoreError> for DecideError {
    fn from(error: StoreError) -> Self {
        Self::Register(error.into())
    }
}

impl ApprovalChoice {
    const fn action(self) -> Action {
        match self {
            Self::Approve => Action::RegistrationApproved,
            Self::Deny => Action::RegistrationDenied,
        }
    }

    const fn change(self) -> PendingChange {
        match self {
            Self::Approve => PendingChange::Approved,
            Self::Deny => PendingChange::Denied,
        }
    }

    const fn event(self) -> EventType {
        match self {
            Self::Approve => EventType::Approved,
            Self::Deny => EventType::Denied,
        }
    }

    const fn state(self) -> PendingState {
        match self {
            Self::Approve => PendingState::Approved,
            Self::Deny => PendingState::Denied,
        }
    }
}

/// Records the decision about the request `id`. A disabled client is enabled or deleted.
///
/// # Errors
/// When the request does not exist or no longer waits, or the client could not be changed.
pub(crate) async fn decide(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    id: &str,
    (choice, decision): (ApprovalChoice, Approval),
) -> Result<(), DecideError> {
    let (pending, now) = (&cx.service.store.pending, cx.service.clock.now());
    for _ in 0..TRIES {
        let found = pending.find(id, now).await?.ok_or(DecideError::Unknown)?;
        if !found.request().waits(now) {
            return Err(DecideError::Over);
        }
        if record(cx, caller, &found, (choice, &decision)).await? {
            cx.count_pending(found.request().kind.into(), choice.change());
            return Ok(());
        }
    }
    Err(StoreError::Busy.into())
}

/// Records the decision about the request as it was found. Returns false if another change came first: a decision, or the
/// client has asked once more.
async fn record(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (choice, decision): (ApprovalChoice, &Approval),
) -> Result<bool, DecideError> {
    let (pending, request) = (&cx.service.store.pending, found.request());
    let also = decided(cx, caller, found, (choice, decision))?;
    if request.kind == PendingKind::DisabledClient {
        settle_client(cx, caller, found, (choice, also)).await?;
        return Ok(true);
    }
    let settled = settled(request, choice, decision);
    let change = pending.replacement(found, settled)?.and(also);
    Ok(pending.apply(change).await?)
}

/// Returns the request with the decision. A client has time to learn that it was approved; a denied request makes room
/// for others soon.
fn settled(
    request: &PendingRequest,
    choice: ApprovalChoice,
    decision: &Approval,
) -> PendingRequest {
    let ends_at = match choice {
        ApprovalChoice::Approve => {
            let due = decision.at.plus(request.interval.saturating_mul(3));
            request.ends_at.max(due)
        }
        ApprovalChoice::Deny => request.ends_at.min(decision.at),
    };
    PendingRequest {
        state: choice.state(),
        decision: Some(decision.clone()),
        ends_at,
        ..request.clone()
    }
}

/// Returns the change that records the decision in the audit log and the event log.
fn decided(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (choice, decision): (ApprovalChoice, &Approval),
) -> Result<Change, StoreError> {
    let (id, now) = (found.id(), cx.service.clock.now());
    let subject = found.request().subject(&id);
    let event = caller.author(None).did(choice.action(), id.as_str(), now);
    let event = event
        .with("type", subject.kind.as_str())
        .with("client_id", subject.client_id.as_str());
    let event = match &decision.note {
        Some(note) => event.with("note", note.as_str()),
        None => event,
    };
    let along = Along::audited(&event, caller.reason());
    let announced = along.cause.pending(choice.event(), &subject, None)?;
    Ok(along.alone()?.and(announced))
}

/// Enables the client that was disabled, or deletes it, with `also` in the same change. If the client was deleted, or
/// enabled by somebody else, nothing is left to decide.
async fn settle_client(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (choice, also): (ApprovalChoice, Change),
) -> Result<(), DecideError> {
    let store = &cx.service.store;
    let removal = store.pending.removal(found);
    let stored = store.clients.find(&found.request().client.id).await?;
    // An administrator may have enabled it meanwhile, and disabled it for another reason.
    let waits = |stored: &Stored| waits_still(stored.client());
    let Some(stored) = stored.filter(waits) else {
        store.pending.apply(removal).await?;
        return Err(DecideError::Over);
    };
    match enable_or_delete(cx, caller, &stored, (choice, removal.and(also))).await {
        Err(RegisterError::Conflict) => Err(DecideError::Over),
        settled => Ok(settled?),
    }
}

async fn enable_or_delete(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    stored: &Stored,
    (choice, also): (ApprovalChoice, Change),
) -> Result<(), RegisterError> {
    match choice {
        ApprovalChoice::Approve => {
            let enabled = replace_as_operator(cx, caller, enabled(stored), stored, also);
            enabled.await.map(drop)
        }
        ApprovalChoice::Deny => remove(cx, caller, stored, also).await,
    }
}

/// Returns the metadata of the client when it is enabled.
fn enabled(stored: &Stored) -> Map<String, Value> {
    let mut metadata = stored.client().metadata.metadata().clone();
    metadata.remove("disabled");
    metadata.as_object().clone()
}
