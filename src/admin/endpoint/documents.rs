//! The client documents that wait for an administrator, and what administrators decide about them.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clients::ClientRecord;
use super::{refusal::call_refused, resolve};
use crate::admin::{
    Administrator, endpoint::Query, endpoint::admit, endpoint::bad_request, endpoint::read_typed,
    schema,
};
use crate::base::Timestamp;
use crate::client::rules::client_document::change::DocumentChange;
use crate::http::{Problem, answer};
use crate::resolution::{CandidateView, Resolved, Resolver, ReviewError, ReviewOrder};
use crate::service::{Context, Service};
use crate::store::{Author, Candidate, Denial};

/// The maximum number of documents on a page.
const MOST: usize = 500;
/// What is listed.
const STATES: [&str; 3] = ["waiting", "held", "denied"];
/// The maximum number of characters of a note.
const NOTE_CHARACTERS: usize = 500;

/// A page of client documents, those that wait longest first.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct DocumentPage<'a> {
    documents: Vec<DocumentSummary<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

impl<'a> DocumentPage<'a> {
    /// Returns the page after the URL `after`.
    fn of(mut documents: Vec<DocumentSummary<'a>>, after: Option<&str>, limit: usize) -> Self {
        documents.sort_by_key(|document| (document.since, document.client_id));
        if let Some(after) = after {
            let mut ids = documents.iter().map(|document| document.client_id);
            let begin = ids.position(|id| id == after).map_or(0, |at| at + 1);
            documents.drain(..begin);
        }
        let is_more = documents.len() > limit;
        documents.truncate(limit);
        let last = documents.last().filter(|_| is_more);
        Self {
            next: last.map(|last| last.client_id),
            documents,
        }
    }
}

/// A client document that waits, is held, or is denied.
#[derive(Serialize, JsonSchema)]
struct DocumentSummary<'a> {
    client_id: &'a str,
    /// `waiting`: no version is in force; `held`: a change of the version in force waits; `denied`.
    state: &'static str,
    /// When it was first asked for, or denied, in seconds since 1970.
    since: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    /// How often it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_asked_at: Option<u64>,
    /// The `client_id` of the authorization server that asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_asked_by: Option<&'a str>,
    /// The members that differ from the version in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<&'a [String]>,
    /// The reason that a script gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The administrator who denied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    /// The end of the denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

impl<'a> DocumentSummary<'a> {
    fn of_candidate(candidate: &'a Candidate) -> Self {
        Self {
            client_id: &candidate.client_id,
            state: if candidate.changed.is_some() {
                "held"
            } else {
                "waiting"
            },
            since: candidate.first_asked_at.unix(),
            digest: Some(&candidate.digest),
            client_name: candidate.metadata.text("client_name"),
            asked: Some(candidate.asked),
            last_asked_at: Some(candidate.last_asked_at.unix()),
            last_asked_by: candidate.last_asked_by.as_deref(),
            changed: candidate.changed.as_deref(),
            reason: candidate.reason.as_deref(),
            by: None,
            note: None,
            until: None,
        }
    }

    fn of_denial(denial: &'a Denial) -> Self {
        Self {
            client_id: &denial.client_id,
            state: "denied",
            since: denial.at.unix(),
            digest: None,
            client_name: None,
            asked: None,
            last_asked_at: None,
            last_asked_by: None,
            changed: None,
            reason: None,
            by: Some(&denial.by),
            note: denial.note.as_deref(),
            until: denial.until.map(Timestamp::unix),
        }
    }
}

/// A client document that waits for an administrator.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct CandidateRecord<'a> {
    client_id: &'a str,
    /// SHA-256 of the octets, in base64url.
    digest: &'a str,
    /// The octets, as text.
    document: &'a str,
    /// The metadata that would be registered.
    #[schemars(schema_with = "schema::client_reference")]
    metadata: &'a Map<String, Value>,
    /// The trust level that the client would have.
    trust_level: &'a str,
    first_asked_at: u64,
    last_asked_at: u64,
    /// How often it was asked for.
    asked: u64,
    /// The `client_id` of the authorization server that asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_asked_by: Option<&'a str>,
    /// The reason that a script gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// How it differs from the version in force.
    #[schemars(with = "ChangeRecord")]
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<ChangeRecord>,
}

/// The difference between two versions of a client document.
#[derive(Serialize, JsonSchema)]
struct ChangeRecord {
    /// The members that differ.
    members: Vec<String>,
    /// Their values in the version in force.
    before: Map<String, Value>,
    /// Their values in the new version.
    after: Map<String, Value>,
    /// The members by which the client would authenticate with less than before.
    downgrades: Vec<String>,
}

impl<'a> CandidateRecord<'a> {
    fn of(view: &'a CandidateView) -> Self {
        let candidate = &view.candidate;
        Self {
            client_id: &candidate.client_id,
            digest: &candidate.digest,
            document: &candidate.document,
            metadata: candidate.metadata.as_object(),
            trust_level: &candidate.trust_level,
            first_asked_at: candidate.first_asked_at.unix(),
            last_asked_at: candidate.last_asked_at.unix(),
            asked: candidate.asked,
            last_asked_by: candidate.last_asked_by.as_deref(),
            reason: candidate.reason.as_deref(),
            change: change(view),
        }
    }
}

fn change(view: &CandidateView) -> Option<ChangeRecord> {
    let before = view.in_force.as_ref()?.metadata.metadata();
    let after = &view.candidate.metadata;
    let change = DocumentChange::between(before, after)?;
    let mut record = ChangeRecord {
        before: Map::new(),
        after: Map::new(),
        downgrades: change.downgrades,
        members: change.members,
    };
    for name in &record.members {
        if let Some(value) = before.get(name) {
            record.before.insert(name.clone(), value.clone());
        }
        if let Some(value) = after.get(name) {
            record.after.insert(name.clone(), value.clone());
        }
    }
    Some(record)
}

/// An approval of the octets of a client document.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct DocumentApprovalRequest {
    /// The URL.
    client_id: String,
    /// SHA-256 of the octets, in base64url.
    digest: String,
    /// A note about the reason.
    note: Option<String>,
}

/// A denial of a URL.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct DocumentDenialRequest {
    /// The URL.
    client_id: String,
    /// A note about the reason.
    note: Option<String>,
    /// The end of the denial, in seconds since 1970. Default: none.
    until: Option<u64>,
}

/// A client document that an administrator brings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct DocumentPinRequest {
    /// The URL.
    client_id: String,
    /// The document.
    document: Map<String, Value>,
    /// A note about the reason.
    note: Option<String>,
}

/// The URL of a client document.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct DocumentReference {
    /// The URL.
    client_id: String,
}

/// Returns a page of the client documents with this `state`: `waiting`, `held` or `denied`. Without `state`, those that
/// wait or are held.
///
/// # Errors
/// 400 for an invalid parameter; 401 without a valid token; 403 without the required scope.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.documents_read).await?;
    let query = Query::read(&parts.uri, &["state", "after", "limit"])?;
    page(&resolver, &query).await
}

/// Returns the state that the caller asks for, if any.
fn known_state(query: &Query) -> Result<Option<&str>, Problem> {
    let state = query.text("state");
    if state.is_some_and(|state| !STATES.contains(&state)) {
        return Err(bad_request("state must be waiting, held or denied"));
    }
    Ok(state)
}

async fn page(resolver: &Resolver, query: &Query) -> Result<Response, Problem> {
    let state = known_state(query)?;
    let (after, limit) = (query.text("after"), query.limit(MOST)?);
    if state == Some("denied") {
        let denials = resolver.denials().await?;
        let documents = denials.iter().map(DocumentSummary::of_denial);
        let page = DocumentPage::of(documents.collect(), after, limit);
        return Ok(answer::json(StatusCode::OK, &page));
    }
    let candidates = resolver.candidates().await?;
    let documents = candidates.iter().map(DocumentSummary::of_candidate);
    let mut documents: Vec<DocumentSummary<'_>> = documents.collect();
    documents.retain(|document| state.is_none_or(|state| document.state == state));
    let page = DocumentPage::of(documents, after, limit);
    Ok(answer::json(StatusCode::OK, &page))
}

/// Returns the client document that waits for an administrator, with its octets.
///
/// # Errors
/// 400 without `client_id`; 401 without a valid token; 403 without the required scope; 404 if no document of the URL
/// waits.
pub(crate) async fn candidate(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.documents_read).await?;
    let query = Query::read(&parts.uri, &["client_id"])?;
    let Some(client_id) = query.text("client_id") else {
        return Err(bad_request(
            "client_id is missing: the URL of a client document",
        ));
    };
    let view = resolver.candidate(client_id).await.map_err(problem)?;
    Ok(answer::json(StatusCode::OK, &CandidateRecord::of(&view)))
}

/// Approves the octets of a client document, which then is in force.
///
/// # Errors
/// 400 for an invalid request; 401 without a valid token; 403 without the required scope; 404 if there is no such
/// document; 409 if it has another digest; 422 if it breaks rules.
pub(crate) async fn approve(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let mut call = Call::begin(&service, request).await?;
    let outcome = async {
        let order: DocumentApprovalRequest = call.read()?;
        let review = call.order(&order.client_id, order.note.as_deref())?;
        let approved = resolver.approve(review, &order.digest).await;
        approved.map_err(problem)
    };
    let approved = outcome.await;
    call.end(approved)
}

/// Denies a URL, and removes its client.
///
/// # Errors
/// 400 for an invalid request; 401 without a valid token; 403 without the required scope; 404 if `clientDocuments` is
/// off.
pub(crate) async fn deny(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let mut call = Call::begin(&service, request).await?;
    let outcome = async {
        let order: DocumentDenialRequest = call.read()?;
        let review = call.order(&order.client_id, order.note.as_deref())?;
        let until = order.until.map(Timestamp::from_unix);
        resolver.deny(review, until).await.map_err(problem)
    };
    let denied = outcome.await;
    call.end_empty(denied)
}

/// Puts a client document in force that the caller brings. It is never fetched.
///
/// # Errors
/// 400 for an invalid request; 401 without a valid token; 403 without the required scope; 404 if `clientDocuments` is
/// off; 422 if the document breaks rules.
pub(crate) async fn pin(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let mut call = Call::begin(&service, request).await?;
    let outcome = async {
        let order: DocumentPinRequest = call.read()?;
        let review = call.order(&order.client_id, order.note.as_deref())?;
        let pinned = resolver.pin(review, order.document.clone()).await;
        pinned.map_err(problem)
    };
    let pinned = outcome.await;
    call.end(pinned)
}

/// Ends the pin of a client document, which is fetched when it is next asked for.
///
/// # Errors
/// 400 for an invalid request; 401 without a valid token; 403 without the required scope; 404 if no document of the URL
/// is pinned.
pub(crate) async fn unpin(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let mut call = Call::begin(&service, request).await?;
    let outcome = async {
        let order: DocumentReference = call.read()?;
        let review = call.order(&order.client_id, None)?;
        resolver.unpin(review).await.map_err(problem)
    };
    let unpinned = outcome.await;
    call.end_empty(unpinned)
}

/// Fetches a client document now, without the validators of the last answer.
///
/// # Errors
/// 400 for an invalid request; 401 without a valid token; 403 without the required scope; 404 if the document is pinned;
/// 429 if it was refreshed less than 30 seconds ago; otherwise as for `resolve`.
pub(crate) async fn refresh(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let mut call = Call::begin(&service, request).await?;
    let outcome = async {
        let order: DocumentReference = call.read()?;
        let review = call.order(&order.client_id, None)?;
        resolver.refresh(review).await.map_err(problem)
    };
    let refreshed = outcome.await;
    call.end(refreshed)
}

/// A call that changes what is decided about a document.
struct Call<'a> {
    cx: Context<'a>,
    parts: Parts,
    author: Author,
}

impl<'a> Call<'a> {
    async fn begin(service: &'a Service, request: Request<Body>) -> Result<Self, Problem> {
        let cx = Context::new(service);
        let (parts, _) = request.into_parts();
        let by: Administrator = admit(&cx, &parts, |scopes| &scopes.documents_write).await?;
        Ok(Self {
            cx,
            parts,
            author: by.author(),
        })
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Problem> {
        read_typed(&mut self.parts)
    }

    fn order<'b>(
        &'b self,
        client_id: &'b str,
        note: Option<&'b str>,
    ) -> Result<ReviewOrder<'b>, Problem> {
        if note.is_some_and(|note| note.chars().count() > NOTE_CHARACTERS) {
            return Err(bad_request("note must not exceed 500 characters"));
        }
        Ok(ReviewOrder {
            author: &self.author,
            client_id,
            note,
        })
    }

    fn end(&self, outcome: Result<Resolved, Problem>) -> Result<Response, Problem> {
        let resolved = outcome.map_err(|problem| self.refused(problem))?;
        let record = ClientRecord::resolved(&self.cx, &resolved, None);
        Ok(answer::json(StatusCode::OK, &record))
    }

    fn end_empty(&self, outcome: Result<(), Problem>) -> Result<Response, Problem> {
        match outcome {
            Ok(()) => Ok(answer::empty(StatusCode::NO_CONTENT)),
            Err(problem) => Err(self.refused(problem)),
        }
    }

    fn refused(&self, problem: Problem) -> Problem {
        call_refused(&self.cx, &self.parts, &self.author, problem)
    }
}

fn problem(error: ReviewError) -> Problem {
    let description = error.to_string();
    match error {
        ReviewError::Unknown => Problem::new(StatusCode::NOT_FOUND, "not_found", &description),
        ReviewError::OtherDigest(_) => Problem::new(StatusCode::CONFLICT, "conflict", &description),
        ReviewError::Resolve(error) => resolve::problem(error),
    }
}
