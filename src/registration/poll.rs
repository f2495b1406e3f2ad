//! A client asks for the decision about its registration or update that waits, or cancels it.

use serde_json::{Map, Value, json};

use crate::base::{Timestamp, json as strict_json};
use crate::client::{Client, Rules};
use crate::http::RequestForm;
use crate::registration::{
    Caller, ClientInformation, Identity, Issued, PublicationChange, Received, RegisterError,
    decision::TRIES, documents, hooks, issue, report_created, upstream,
};
use crate::script::Hook;
use crate::service::{Context, Limited};
use crate::store::{
    Action, Along, AuditEvent, Change, FoundRequest, PendingKind, PendingRequest, PendingState,
    StoreError, Stored,
};
use crate::telemetry::ClientChange;

/// The member with the code that a client asks with.
const CODE: &str = "registration_code";
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

impl From<Limited> for PollError {
    fn from(limited: Limited) -> Self {
        Self::Register(RegisterError::TooOften(limited))
    }
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
    if !may_contain(&received.bytes, CODE) {
        return None;
    }
    let members = strict_json::parse_object(&received.bytes).ok()?;
    members.contains_key(CODE).then_some(members)
}

/// Whether the JSON `text` may have this member, also in another notation. A registration is thus not read twice.
fn may_contain(text: &[u8], member: &str) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    text.contains(member) || text.contains("\\u")
}

/// Returns the code, and whether the client cancels its request; none if a member has the wrong type.
fn read_poll(members: &Map<String, Value>) -> Option<(&str, bool)> {
    let code = members.get(CODE)?.as_str()?;
    match members.get("cancel_registration") {
        None | Some(Value::Null) => Some((code, false)),
        Some(value) => Some((code, value.as_bool()?)),
    }
}

/// Whether a request waits under the code in `members`.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn is_known(
    cx: &Context<'_>,
    members: &Map<String, Value>,
) -> Result<bool, PollError> {
    let Some((code, _)) = read_poll(members) else {
        return Ok(false);
    };
    let now = cx.service.clock.now();
    let found = cx.service.store.pending.find_by_code(code, now).await?;
    Ok(found.is_some())
}

/// Answers a client that asks for the decision, or cancels its request.
///
/// # Errors
/// Why it gets nothing.
pub(super) async fn answer(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    members: &Map<String, Value>,
) -> Result<PollAnswer, PollError> {
    let (code, cancels) = read_poll(members).ok_or(PollError::Malformed)?;
    let now = cx.service.clock.now();
    let found = find(cx, caller, code).await?;
    let request = found.request();
    match request.state {
        PendingState::Denied => Err(PollError::Denied),
        PendingState::Expired => Err(PollError::Ended),
        _ if request.ends_at <= now => Err(PollError::Ended),
        _ if cancels => cancel(cx, caller, code).await,
        PendingState::Waiting => wait(cx, &found, now).await,
        PendingState::Approved if request.kind == PendingKind::Update => {
            update(cx, caller, &found).await
        }
        PendingState::Approved => register(cx, caller, &found).await,
    }
}

/// Returns the request with this code. An address that keeps sending wrong codes is not told any more whether a code
/// is right (RFC 8628 section 5.2).
async fn find(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    code: &str,
) -> Result<FoundRequest, PollError> {
    let (limits, now) = (&cx.snapshot.limits, cx.service.clock.now());
    limits.count_poll(caller.address)?;
    limits.check_failures(caller.address, CODE)?;
    let found = cx.service.store.pending.find_by_code(code, now).await?;
    if found.is_none() {
        limits.count_failure(caller.address, CODE)?;
    }
    found.ok_or(PollError::Unknown)
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
        match found.request().state {
            PendingState::Denied => return Err(PollError::Denied),
            _ if found.request().ends_at <= now => return Err(PollError::Ended),
            _ => {}
        }
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
    let (issued, upstream) = upstream::register(cx, issued).await?;
    let also = alone.and(upstream.settled());
    let stored = inform_and_insert(cx, caller, found, (&issued, also)).await;
    let answer = upstream.conclude(cx, stored).await?;
    Ok(PollAnswer::Registered(answer))
}

/// Builds the answer, which scripts can change, and then stores the client.
async fn inform_and_insert(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (issued, also): (&Issued, Change),
) -> Result<ClientInformation, PollError> {
    let hook = Hook::ModifyPostResponse;
    let answer = inform(cx, caller, issued, (hook, true)).await?;
    insert(cx, caller, found, (&issued.client, also)).await?;
    Ok(answer)
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
    let (issued, upstream) = upstream::replace(cx, stored.client(), issued).await?;
    let also = upstream.settled();
    let replaced = inform_and_replace(cx, caller, found, (&stored, &issued, also)).await;
    let answer = upstream.conclude(cx, replaced).await?;
    Ok(PollAnswer::Updated(answer))
}

/// Builds the answer to an update, which scripts can change, and then stores the next revision.
async fn inform_and_replace(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (stored, issued, also): (&Stored, &Issued, Change),
) -> Result<ClientInformation, PollError> {
    // A secret that the update creates is shown once, like the secret of a registration.
    let is_known = stored.client().secret.is_some();
    let is_shown = !is_known || cx.settings().return_client_secret_on_read;
    let hook = Hook::ModifyPutResponse;
    let answer = inform(cx, caller, issued, (hook, is_shown)).await?;
    replace(cx, caller, found, (stored, &issued.client, also)).await?;
    Ok(answer)
}

/// Stores the next revision of a client, with the end of the request that waited.
async fn replace(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    found: &FoundRequest,
    (stored, after, also): (&Stored, &Client, Change),
) -> Result<(), PollError> {
    let before = stored.client();
    let event = issue::updated(cx, caller, before, after);
    let along = along(cx, caller, (found, &event), (Some(before), after))?.and(also);
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
    let mut along = Along::audited(event, caller.reason());
    along.cause.context.clone_from(&found.request().context);
    let removal = cx.service.store.pending.removal(found);
    Ok(along.and(document).and(removal))
}
