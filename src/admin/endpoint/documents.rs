//! The client documents that wait for an administrator, are denied, or are pinned.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::resolve;
use crate::admin::{endpoint::Query, endpoint::admit, endpoint::bad_request, schema};
use crate::base::Timestamp;
use crate::client::rules::client_document::change::DocumentChange;
use crate::client::{Client, Metadata};
use crate::http::{Problem, answer};
use crate::resolution::{CandidateView, Resolver, ReviewError};
use crate::service::{Context, Service};
use crate::store::{Denial, WaitingDocument};

/// The maximum number of documents on a page.
const MOST: usize = 500;
/// What is listed.
const STATES: [&str; 4] = ["waiting", "held", "denied", "pinned"];

/// A page of client documents, those that wait longest first.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct DocumentPage<'a> {
    documents: Vec<DocumentSummary<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<'a> DocumentPage<'a> {
    /// Returns the page of the documents after a position. The last one of the page before need not be there any more.
    fn of(
        mut documents: Vec<DocumentSummary<'a>>,
        after: Option<(u64, &str)>,
        limit: usize,
    ) -> Self {
        documents.retain(|document| after.is_none_or(|after| document.position() > after));
        documents.sort_by_key(DocumentSummary::position);
        let is_more = documents.len() > limit;
        documents.truncate(limit);
        let last = documents.last().filter(|_| is_more);
        let last = last.map(DocumentSummary::position);
        Self {
            next: last.map(|(since, client_id)| format!("{since}.{client_id}")),
            documents,
        }
    }
}

/// Returns the position that `after` names: since when the last document of the page before waits, and its URL.
fn position(after: &str) -> Result<(u64, &str), Problem> {
    let parts = after.split_once('.');
    let position = parts.and_then(|(since, client_id)| Some((since.parse().ok()?, client_id)));
    position.ok_or_else(|| bad_request("after must be the value of next in the page before"))
}

/// A client document that waits, is held, is denied, or is pinned.
#[derive(Serialize, JsonSchema)]
struct DocumentSummary<'a> {
    client_id: &'a str,
    /// `waiting`: no version is in force; `held`: a change of the version in force waits; `denied`; `pinned`.
    state: &'static str,
    /// When it was first asked for, denied or pinned, in seconds since 1970.
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
    /// The administrator who denied or pinned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    /// The end of the denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

impl<'a> DocumentSummary<'a> {
    /// Returns what the list is ordered by.
    const fn position(&self) -> (u64, &'a str) {
        (self.since, self.client_id)
    }

    fn of_candidate(candidate: &'a WaitingDocument) -> Self {
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

impl<'a> DocumentSummary<'a> {
    fn of_pinned(client: &'a Client) -> Self {
        let document = client.document.as_ref();
        let pinned = document.and_then(|document| document.approved.as_ref());
        Self {
            client_id: client.id.as_str(),
            state: "pinned",
            since: pinned.map_or(client.issued_at, |pinned| pinned.at).unix(),
            digest: pinned.map(|pinned| pinned.digest.as_str()),
            client_name: client.metadata.metadata().text("client_name"),
            asked: None,
            last_asked_at: None,
            last_asked_by: None,
            changed: None,
            reason: None,
            by: pinned.map(|pinned| pinned.by.as_str()),
            note: pinned.and_then(|pinned| pinned.note.as_deref()),
            until: None,
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

/// The difference between two versions of a client.
#[derive(Serialize, JsonSchema)]
pub(super) struct ChangeRecord {
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
        let in_force = view.in_force.as_ref();
        let in_force = in_force.map(|client| client.metadata.metadata());
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
            change: in_force.and_then(|before| ChangeRecord::between(before, &candidate.metadata)),
        }
    }
}

impl ChangeRecord {
    /// Returns the difference; none if there is none.
    pub(super) fn between(before: &Metadata, after: &Metadata) -> Option<Self> {
        let change = DocumentChange::between(before, after)?;
        let mut record = Self {
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
}

/// Returns a page of the client documents with this `state`: `waiting`, `held`, `denied` or `pinned`. Without `state`, those that
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
        return Err(bad_request("state must be waiting, held, denied or pinned"));
    }
    Ok(state)
}

async fn page(resolver: &Resolver, query: &Query) -> Result<Response, Problem> {
    let state = known_state(query)?;
    let after = query.text("after").map(position).transpose()?;
    let limit = query.limit(MOST)?;
    match state {
        Some("denied") => {
            let denials = resolver.denials().await?;
            let documents = denials.iter().map(DocumentSummary::of_denial);
            Ok(paged(documents.collect(), after, limit))
        }
        Some("pinned") => {
            let pinned = resolver.pinned().await?;
            let documents = pinned.iter().map(DocumentSummary::of_pinned);
            Ok(paged(documents.collect(), after, limit))
        }
        state => {
            let candidates = resolver.candidates().await?;
            let documents = candidates.iter().map(DocumentSummary::of_candidate);
            let documents = documents.filter(|it| state.is_none_or(|state| it.state == state));
            Ok(paged(documents.collect(), after, limit))
        }
    }
}

/// Returns the answer with the page of these documents after a position.
fn paged(
    documents: Vec<DocumentSummary<'_>>,
    after: Option<(u64, &str)>,
    limit: usize,
) -> Response {
    let page = DocumentPage::of(documents, after, limit);
    answer::json(StatusCode::OK, &page)
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

/// Returns the HTTP form of the error.
pub(super) fn problem(error: ReviewError) -> Problem {
    let description = error.to_string();
    match error {
        ReviewError::Unknown | ReviewError::NotDenied => {
            Problem::new(StatusCode::NOT_FOUND, "not_found", &description)
        }
        ReviewError::Own | ReviewError::OtherDigest(_) => {
            Problem::new(StatusCode::CONFLICT, "conflict", &description)
        }
        ReviewError::Past => bad_request(&description),
        ReviewError::Resolve(error) => resolve::problem(error),
    }
}
