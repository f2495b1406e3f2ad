//! The decision about a registration or an update that waits: an administrator makes it, and the client asks for it.

use serde_json::{Map, Value, json};

use crate::base::{Timestamp, json as strict_json};
use crate::client::{Approval, Client, Rules};
use crate::http::RequestForm;
use crate::registration::{
    Caller, ClientInformation, Identity, Issued, PublicationChange, Received, RegisterError,
    documents, hooks, issue, remove, replace_as_operator, report_created,
};
use crate::script::Hook;
use crate::service::Context;
use crate::store::{
    Action, Along, AuditEvent, Change, EventType, FoundRequest, PendingKind, PendingRequest,
    PendingState, StoreError, Stored,
};
use crate::telemetry::ClientChange;

/// Seconds by which the interval of a client grows that asks too often (RFC 8628 section 3.5).
const SLOWER: u64 = 5;
/// The maximum interval in seconds.
const SLOWEST: u64 = 120;

/// What a client gets that asks for the decision.
pub(crate) enum PollAnswer {
    /// There is no decision yet.
    Waiting(Map<String, Value>),
    /// The client is registered.
    Registered(ClientInformation),
    /// The client is updated.
    Updated(ClientInformation),
    /// The request was cancelled.
    Cancelled,
}

/// Why a client does not get what it asks for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PollError {
    /// The request is malformed.
    #[error("registration_code must be a string, and cancel_registration true or false")]
    Malformed,
    /// No request waits under this code.
    #[error(
        "no registration waits under this code: it was completed or cancelled, or the code is wrong"
    )]
    Unknown,
    /// The time is over.
    #[error("nobody decided in time, or the client asked too late; register again")]
    Ended,
    /// The request was denied.
    #[error("an administrator denied this registration")]
    Denied,
    /// The client that an update concerns was changed in the meantime.
    #[error(
        "the client was changed or deleted while the update waited; read it and send the update again"
    )]
    Outdated,
    /// The client asks too often.
    #[error("the client asked too soon; wait for the time of Retry-After")]
    TooSoon {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The client could not be stored, or breaks the rules that are in force now.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl From<StoreError> for PollError {
    fn from(error: StoreError) -> Self {
        Self::Register(error.into())
    }
}

/// Returns the members of a request that asks for a decision; none if `received` is another request.
pub(super) fn asked(received: &Received) -> Option<Map<String, Value>> {
    if received.form != RequestForm::Json {
        return None;
    }
    let members = strict_json::parse_object(&received.bytes).ok()?;
    members.contains_key("registration_code").then_some(members)
}

/// Returns the code, and whether the client cancels its request; none if a member has the wrong type.
fn read_poll(members: &Map<String, Value>) -> Option<(&str, bool)> {
    let code = members.get("registration_code")?.as_str()?;
    match members.get("cancel_registration") {
        None | Some(Value::Null) => Some((code, false)),
        Some(value) => Some((code, value.as_bool()?)),
    }
}

/// Answers a client that asks for the decision, or cancels its request.
///
/// # Errors
/// Why it gets nothing.
pub(super) async fn poll(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    members: &Map<String, Value>,
) -> Result<PollAnswer, PollError> {
    let (code, cancels) = read_poll(members).ok_or(PollError::Malformed)?;
    let now = cx.service.clock.now();
    let found = cx.service.store.pending.find_by_code(code, now).await?;
    let found = found.ok_or(PollError::Unknown)?;
    if cancels {
        return cancel(cx, caller, code).await;
    }
    let request = found.request();
    match request.state {
        PendingState::Denied => Err(PollError::Denied),
        _ if request.ends_at <= now => Err(PollError::Ended),
        PendingState::Waiting => wait(cx, &found, now).await,
        PendingState::Approved if request.kind == PendingKind::Update => {
            update(cx, caller, &found).await
        }
        PendingState::Approved => register(cx, caller, &found).await,
    }
}

async fn cancel(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    code: &str,
) -> Result<PollAnswer, PollError> {
    let (pending, now) = (&cx.service.store.pending, cx.service.clock.now());
    for _ in 0..TRIES {
        let found = pending.find_by_code(code, now).await?;
        let found = found.ok_or(PollError::Unknown)?;
        let author = caller.author(None);
        let event = author.did(Action::RegistrationCancelled, found.id(), now);
        let change = pending.removal(&found).and(event.change()?);
        if pending.apply(change).await? {
            return Ok(PollAnswer::Cancelled);
        }
    }
    Err(StoreError::Busy.into())
}

/// Notes that the client has asked.
async fn wait(
    cx: &Context<'_>,
    found: &FoundRequest,
    now: Timestamp,
) -> Result<PollAnswer, PollError> {
    let (store, request) = (&cx.service.store.pending, found.request());
    let is_too_soon = request
        .asked_at
        .is_some_and(|last| now < last.plus(request.interval));
    let interval = if is_too_soon {
        request.interval.saturating_add(SLOWER).min(SLOWEST)
    } else {
        request.interval
    };
    // A client that keeps asking too soon causes no more writes.
    if !is_too_soon || interval > request.interval {
        let noted = PendingRequest {
            interval,
            asked_at: Some(now),
            asked: request.asked.saturating_add(1),
            ..request.clone()
        };
        // Somebody else may have decided, or the client may have asked twice: the next answer tells.
        store.apply(store.replacement(found, noted)?).await?;
    }
    if is_too_soon {
        return Err(PollError::TooSoon {
            retry_after: interval,
        });
    }
    let expires_in = request.ends_at.unix().saturating_sub(now.unix());
    let members = json!({"expires_in": expires_in, "interval": interval});
    Ok(PollAnswer::Waiting(
        members.as_object().cloned().unwrap_or_default(),
    ))
}

/// Checks that the client complies with the rules in force, which may have changed since it was judged.
fn check_again(
    cx: &Context<'_>,
    client: &Client,
    registered: Option<&Client>,
) -> Result<(), RegisterError> {
    if client.provenance.configuration == cx.snapshot.revision {
        return Ok(());
    }
    let rules = Rules {
        initial_access: client.provenance.initial_access_policy.as_ref(),
        registered: registered.map(|client| client.metadata.metadata()),
        is_certified: client.is_certified(),
        ..cx.rules()
    };
    let metadata = client.metadata.metadata().clone();
    rules.validate_changed(metadata).map(drop)?;
    Ok(())
}

/// Stores the client that was approved, and hands over its credentials.
async fn register(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
) -> Result<PollAnswer, PollError> {
    let client = approved(found.request());
    check_again(cx, &client, None)?;
    let alone = Identity::alone(cx, &client)
        .await?
        .ok_or(PollError::Outdated)?;
    let issued = issue::reissue(cx, client)?;
    let hook = Hook::ModifyPostResponse;
    let answer = inform(cx, caller, &issued, (hook, true)).await?;
    insert(cx, caller, found, (&issued.client, alone)).await?;
    Ok(PollAnswer::Registered(answer))
}

/// Stores a new client, with the end of the request that waited and `also`.
async fn insert(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (client, also): (&Client, Change),
) -> Result<(), PollError> {
    let event = issue::created(cx, caller, client);
    let along = along(cx, caller, (found, &event), (None, client))?.and(also);
    let inserted = cx.service.store.clients.insert(client, along).await;
    // The client asked twice at the same time, and the other request got the credentials.
    inserted.map_err(|error| lost(error, PollError::Unknown))?;
    report_created(cx, client);
    documents::count(cx, PublicationChange::of(None, Some(client)));
    Ok(())
}

/// Stores the update that was approved.
async fn update(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
) -> Result<PollAnswer, PollError> {
    let clients = &cx.service.store.clients;
    let client = approved(found.request());
    let stored = clients.find(&client.id).await?;
    let now = cx.service.clock.now();
    let next = stored.and_then(|stored| next_revision(stored, client, now));
    let (stored, client) = next.ok_or(PollError::Outdated)?;
    check_again(cx, &client, Some(stored.client()))?;
    let issued = issue::open_secret(cx, client)?;
    // A secret that the update creates is shown once, like the secret of a registration.
    let is_known = stored.client().secret.is_some();
    let is_shown = !is_known || cx.settings().return_client_secret_on_read;
    let hook = Hook::ModifyPutResponse;
    let answer = inform(cx, caller, &issued, (hook, is_shown)).await?;
    replace(cx, caller, found, (&stored, &issued.client)).await?;
    Ok(PollAnswer::Updated(answer))
}

/// Stores the next revision of a client, with the end of the request that waited.
async fn replace(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (stored, after): (&Stored, &Client),
) -> Result<(), PollError> {
    let before = stored.client();
    let event = issue::updated(cx, caller, before, after);
    let along = along(cx, caller, (found, &event), (Some(before), after))?;
    let replaced = cx.service.store.clients.replace(stored, after, along).await;
    replaced.map_err(|error| lost(error, PollError::Outdated))?;
    cx.count(ClientChange::Updated, after.provenance.trust_level.as_str());
    documents::count(cx, PublicationChange::of(Some(before), Some(after)));
    Ok(())
}

/// Returns `why` if another change was faster.
fn lost(error: StoreError, why: PollError) -> PollError {
    match error {
        StoreError::Conflict => why,
        error => error.into(),
    }
}

/// Returns `client` with what has changed of `stored` without a new revision, and `stored`; none if there is a new one, or
/// one of the two has expired.
fn next_revision(stored: Stored, client: Client, now: Timestamp) -> Option<(Stored, Client)> {
    let present = stored.client();
    let is_next = present.revision.saturating_add(1) == client.revision;
    if !is_next || !present.is_usable(now) || client.is_expired(now) {
        return None;
    }
    let client = Client {
        last_used_at: present.last_used_at,
        tokens: present.tokens.clone(),
        ..client
    };
    Some((stored, client))
}

/// Returns the client of a request that was approved.
fn approved(request: &PendingRequest) -> Client {
    let mut client = (*request.client).clone();
    client.provenance.approval.clone_from(&request.decision);
    client
}

/// Builds the answer, which scripts can change as ever.
async fn inform(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    issued: &Issued,
    (hook, is_secret_shown): (Hook, bool),
) -> Result<ClientInformation, RegisterError> {
    let shown = issued.secret.as_ref().filter(|_| is_secret_shown);
    let answer = ClientInformation::new(cx, &issued.client, issued.token.as_ref(), shown);
    Ok(hooks::modify(cx, caller, hook, answer).await?)
}

/// Returns what is stored with the client: the end of the request that waited, and the events.
fn along(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    (found, event): (&FoundRequest, &AuditEvent),
    (before, after): (Option<&Client>, &Client),
) -> Result<Along, StoreError> {
    let document = PublicationChange::of(before, Some(after));
    let document = documents::event(cx, caller, after, document)?;
    let mut along = Along::audited(event, caller.reason())?;
    along.cause.context.clone_from(&found.request().context);
    let removal = cx.service.store.pending.removal(found);
    Ok(along.and(document).and(removal))
}

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

/// How often a decision is attempted while the client keeps asking for it.
const TRIES: usize = 64;

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
        let request = found.request();
        if !request.waits(now) {
            return Err(DecideError::Over);
        }
        let also = decided(cx, caller, &found, (choice, &decision))?;
        if request.kind == PendingKind::DisabledClient {
            return settle_client(cx, caller, &found, (choice, also)).await;
        }
        let decided = settled(request, choice, &decision);
        let change = pending.replacement(&found, decided)?.and(also);
        // Another change came first: a decision, or the client has asked once more.
        if pending.apply(change).await? {
            return Ok(());
        }
    }
    Err(StoreError::Busy.into())
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
    let (id, client) = (found.id(), &found.request().client);
    let now = cx.service.clock.now();
    let event = caller.author(None).did(choice.action(), id.as_str(), now);
    let event = event.with("client_id", client.id.as_str());
    let event = match &decision.note {
        Some(note) => event.with("note", note.as_str()),
        None => event,
    };
    let along = Along::audited(&event, caller.reason())?;
    let announced = along.cause.pending(choice.event(), client, &id)?;
    Ok(along.change.and(announced))
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
    let is_disabled = |stored: &Stored| stored.client().metadata.metadata().flag("disabled");
    let Some(stored) = stored.filter(is_disabled) else {
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
