//! Registrations and updates that wait for the approval of an administrator: `GET` on them, and `POST` on their
//! `approve` and `deny`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::refusal::call_refused;
use crate::admin::{
    Administrator, endpoint::Named, endpoint::Query, endpoint::admit, endpoint::bad_request,
    endpoint::read_typed, endpoint::unknown, schema,
};
use crate::base::Timestamp;
use crate::client::{Approval, Provenance, TrustLevel};
use crate::http::{Problem, answer};
use crate::registration::Caller;
use crate::registration::approval::verification_digest;
use crate::registration::decision::{self, ApprovalChoice, DecideError};
use crate::service::{Context, Service};
use crate::store::{FoundRequest, PendingKind, PendingState};

/// The maximum number of requests on a page.
const MOST: usize = 200;
/// The maximum number of characters of a note.
const NOTE: usize = 1_000;

/// How far the decision about a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum DecisionState {
    /// Nobody has decided.
    Waiting,
    /// It was approved, and the client has not asked since.
    Approved,
    /// It was denied.
    Denied,
    /// Nobody decided in time, or the client did not ask in time.
    Expired,
}

impl DecisionState {
    fn of(found: &FoundRequest, now: Timestamp) -> Self {
        let request = found.request();
        match request.state {
            PendingState::Denied => Self::Denied,
            _ if request.ends_at <= now => Self::Expired,
            PendingState::Waiting => Self::Waiting,
            PendingState::Approved => Self::Approved,
        }
    }
}

/// A request that waits, in a list.
#[derive(Serialize, JsonSchema)]
struct PendingSummary<'a> {
    id: String,
    /// What waits: the registration of a client that does not exist yet, the registration of a client that is disabled,
    /// or an update.
    #[schemars(with = "String")]
    kind: PendingKind,
    state: DecisionState,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    #[schemars(schema_with = "schema::trust_level")]
    trust_level: TrustLevel,
    /// Why it waits, if a script has stated a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    requested_at: u64,
    expires_at: u64,
    /// How often the client has asked for the decision.
    asked: u64,
    /// When the client last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_at: Option<u64>,
    /// The `client_id` of the administrator who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> PendingSummary<'a> {
    fn of(found: &'a FoundRequest, now: Timestamp) -> Self {
        let request = found.request();
        let (client, decision) = (&request.client, request.decision.as_ref());
        Self {
            id: found.id(),
            kind: request.kind,
            state: DecisionState::of(found, now),
            client_id: client.id.as_str(),
            client_name: client.metadata.metadata().text("client_name"),
            trust_level: client.provenance.trust_level,
            reason: request.reason.as_deref(),
            address: client.provenance.address.map(|address| address.to_string()),
            requested_at: request.requested_at.unix(),
            expires_at: request.ends_at.unix(),
            asked: request.asked,
            asked_at: request.asked_at.map(Timestamp::unix),
            decided_by: decision.map(|decision| decision.by.as_str()),
            decided_at: decision.map(|decision| decision.at.unix()),
            note: decision.and_then(|decision| decision.note.as_deref()),
        }
    }
}

/// A page of requests that wait.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct PendingPage<'a> {
    pending: Vec<PendingSummary<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A request that waits, with everything that is decided about.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct PendingRecord<'a> {
    #[serde(flatten)]
    summary: PendingSummary<'a>,
    /// SHA-256 of the metadata, in hex.
    digest: &'a str,
    /// The metadata as it will be registered.
    #[schemars(schema_with = "schema::client_reference")]
    metadata: &'a Map<String, Value>,
    #[schemars(schema_with = "schema::provenance")]
    provenance: &'a Provenance,
    /// Where each member of the metadata comes from.
    #[schemars(schema_with = "schema::origins")]
    #[serde(skip_serializing_if = "Option::is_none")]
    origins: Option<Map<String, Value>>,
    /// The members that an update changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<String>>,
}

/// Returns a page of requests that wait, in the order of their identifiers.
///
/// # Errors
/// 400 for an invalid parameter; 401 without a valid token; 403 without the required scope.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.pending_read).await?;
    let query = Query::read(&parts.uri, PARAMETERS)?;
    let (filter, limit) = (PendingFilter::read(&query)?, query.limit(MOST)?);
    let pending = &service.store.pending;
    let found = pending.page(query.text("after"), limit).await?;
    let page = PendingPage::of(&found, limit, &filter, service.clock.now());
    Ok(answer::json(StatusCode::OK, &page))
}

impl<'a> PendingPage<'a> {
    fn of(found: &'a [FoundRequest], limit: usize, filter: &PendingFilter, now: Timestamp) -> Self {
        let last = found.last().filter(|_| found.len() == limit);
        let meant = found.iter().filter(|found| filter.matches(found, now));
        Self {
            pending: meant.map(|found| PendingSummary::of(found, now)).collect(),
            next: last.map(FoundRequest::id),
        }
    }
}

/// The parameters of a list.
const PARAMETERS: &[&str] = &["state", "verification_code", "after", "limit"];

/// Which requests a list has.
struct PendingFilter {
    state: Option<DecisionState>,
    /// The digest of the code for people.
    code: Option<String>,
}

impl PendingFilter {
    fn read(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            state: query.text("state").map(state).transpose()?,
            code: query.text("verification_code").map(verification_digest),
        })
    }

    fn matches(&self, found: &FoundRequest, now: Timestamp) -> bool {
        let has_state = self
            .state
            .is_none_or(|state| DecisionState::of(found, now) == state);
        let has_code = self.code.is_none() || found.request().verification == self.code;
        has_state && has_code
    }
}

fn state(text: &str) -> Result<DecisionState, Problem> {
    let state = serde_json::from_value(text.into());
    state.map_err(|_| bad_request("state: must be waiting, approved, denied or expired"))
}

/// Returns one request that waits.
///
/// # Errors
/// 401 without a valid token; 403 without the required scope; 404.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.pending_read).await?;
    let found = find(&cx, &id).await?;
    let changed = changed(&cx, &found).await?;
    let (now, request) = (service.clock.now(), found.request());
    let metadata = request.client.metadata.metadata();
    let origins = request.client.origins.as_ref();
    let record = PendingRecord {
        summary: PendingSummary::of(&found, now),
        digest: &request.digest,
        metadata: metadata.as_object(),
        provenance: &request.client.provenance,
        origins: origins.map(|origins| origins.shown(metadata)),
        changed,
    };
    Ok(answer::json(StatusCode::OK, &record))
}

/// Returns the members that an update changes.
async fn changed(cx: &Context<'_>, found: &FoundRequest) -> Result<Option<Vec<String>>, Problem> {
    let request = found.request();
    if request.kind != PendingKind::Update {
        return Ok(None);
    }
    let Some(stored) = cx.service.store.clients.find(&request.client.id).await? else {
        return Ok(None);
    };
    let present = stored.client().metadata.metadata();
    Ok(Some(
        present.differences(request.client.metadata.metadata()),
    ))
}

async fn find(cx: &Context<'_>, id: &str) -> Result<FoundRequest, Problem> {
    let now = cx.service.clock.now();
    let found = cx.service.store.pending.find(id, now).await?;
    found.ok_or_else(|| unknown("request that waits"))
}

/// What an administrator decides with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::admin) struct DecisionRequest {
    /// Why. It is kept with the client and in the audit log.
    #[schemars(length(max = NOTE))]
    note: Option<String>,
}

/// Approves a request. The client gets its credentials when it asks next; a disabled client is enabled.
///
/// # Errors
/// As [`deny`].
pub(crate) async fn approve(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    decide(&service, &id, request, ApprovalChoice::Approve).await
}

/// Denies a request. The client learns that when it asks next; a disabled client is deleted.
///
/// # Errors
/// 400 for an invalid body; 401 without a valid token; 403 without the required scope; 404; 409 if somebody has
/// decided, or the time is over.
pub(crate) async fn deny(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    decide(&service, &id, request, ApprovalChoice::Deny).await
}

async fn decide(
    service: &Service,
    id: &str,
    request: Request<Body>,
    choice: ApprovalChoice,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.pending_write).await?;
    match try_decide(&cx, id, &mut parts, (&by, choice)).await {
        Ok(()) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Err(problem) => Err(call_refused(&cx, &parts, &by.author(), problem)),
    }
}

async fn try_decide(
    cx: &Context<'_>,
    id: &str,
    parts: &mut Parts,
    (by, choice): (&Administrator, ApprovalChoice),
) -> Result<(), Problem> {
    let DecisionRequest { note } = read_typed(parts)?;
    if note.as_deref().unwrap_or_default().chars().count() > NOTE {
        return Err(bad_request("note: must not exceed 1000 characters"));
    }
    let decision = Approval {
        by: by.client_id.clone(),
        at: cx.service.clock.now(),
        note: note.filter(|note| !note.is_empty()),
    };
    let caller = Caller::of(parts).with_administrator(&by.client_id);
    let caller = caller.with_approval(&decision);
    let decided = decision::decide(cx, &caller, id, (choice, decision)).await;
    decided.map_err(problem)?;
    tracing::info!(
        id,
        actor = by.client_id,
        choice = choice.as_str(),
        "registration decided"
    );
    Ok(())
}

fn problem(error: DecideError) -> Problem {
    match error {
        DecideError::Unknown => unknown("request that waits"),
        DecideError::Over => Problem::new(StatusCode::CONFLICT, "conflict", &error.to_string()),
        DecideError::Register(error) => Problem::from(error),
    }
}
