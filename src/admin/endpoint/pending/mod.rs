//! Registrations, updates and client documents that wait for the approval of an administrator: `GET` on them, and
//! `POST` on their `approve` and `deny`.
//!
//! Documents have scopes of their own, and these calls do not bypass them: who may see or decide about documents needs
//! those scopes too.

mod decisions;
mod records;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use crate::admin::{
    Administrator, endpoint::Named, endpoint::PageRequest, endpoint::Query, endpoint::admit,
    endpoint::bad_request, endpoint::is_admitted, endpoint::unknown,
};
use crate::base::Timestamp;
use crate::client::Client;
use crate::config::AdminScopes;
use crate::http::{Problem, answer};
use crate::registration::approval::verification_digest;
use crate::resolution::Resolver;
use crate::service::{Context, Service};
use crate::store::{FoundRequest, PendingKind, PendingType, Stored, WaitingItem};

pub(in crate::admin) use decisions::DecisionRequest;
pub(crate) use decisions::{approve, deny};
use records::DecisionState;
pub(in crate::admin) use records::{PendingPage, PendingRecord};

/// The maximum number of items on a page.
const MOST: usize = 200;
/// The scope for seeing documents.
const SEE_DOCUMENTS: fn(&AdminScopes) -> &String = |scopes| &scopes.documents_read;

/// Returns a page of what waits, in the order of the identifiers. Without the scope for documents, they are left out.
///
/// # Errors
/// 400 for an invalid parameter; 401 without a valid token; 403 without the required scope; 429 if too many codes of
/// the caller were wrong.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.pending_read).await?;
    let query = Query::read(&parts.uri, PARAMETERS)?;
    let (filter, page) = (PendingFilter::read(&query)?, query.page(MOST)?);
    let filter = filter.seen_by(&cx, &parts).await?;
    let found = match &filter.code {
        Some(code) => shown_code(&cx, &by, code).await?.into_iter().collect(),
        None => service.store.waiting.page(page.after, page.limit).await?,
    };
    Ok(selected(&found, &page, &filter, service.clock.now()))
}

/// Returns the answer with those of `found` that `filter` selects.
fn selected(
    found: &[WaitingItem],
    page: &PageRequest<'_>,
    filter: &PendingFilter,
    now: Timestamp,
) -> Response {
    // A code names one request, so nothing follows it.
    let next = page.next(found, WaitingItem::id);
    let next = next.filter(|_| filter.code.is_none());
    let meant = found.iter().filter(|item| filter.matches(item, now));
    answer::json(StatusCode::OK, &PendingPage::of(meant, next, now))
}

/// Returns the request whose client shows the code with this digest. Codes are short, so an administrator can try only
/// some.
async fn shown_code(
    cx: &Context<'_>,
    by: &Administrator,
    digest: &str,
) -> Result<Option<WaitingItem>, Problem> {
    let limits = &cx.snapshot.limits;
    let name = format!("verification_code {}", by.client_id);
    limits.check_failures(by.address, &name)?;
    let found = with_code(cx, digest).await?;
    if found.is_none() {
        limits.count_failure(by.address, &name)?;
    }
    Ok(found.map(|found| WaitingItem::Request(Box::new(found))))
}

async fn with_code(cx: &Context<'_>, digest: &str) -> Result<Option<FoundRequest>, Problem> {
    let mut after = None;
    loop {
        let requests = &cx.service.store.pending;
        let page = requests.page(after.as_deref(), MOST).await?;
        let is_last = page.len() < MOST;
        after = page.last().map(FoundRequest::id);
        let mut page = page.into_iter();
        let found = page.find(|it| it.request().verification.as_deref() == Some(digest));
        if found.is_some() || is_last {
            return Ok(found);
        }
    }
}

/// The parameters of a list.
const PARAMETERS: &[&str] = &["type", "state", "verification_code", "after", "limit"];

/// What a list has.
struct PendingFilter {
    kind: Option<PendingType>,
    state: Option<DecisionState>,
    /// The digest of the code for people.
    code: Option<String>,
    has_documents: bool,
}

impl PendingFilter {
    fn read(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            kind: query.text("type").map(kind).transpose()?,
            state: query.text("state").map(state).transpose()?,
            code: query.text("verification_code").map(verification_digest),
            has_documents: false,
        })
    }

    /// Returns the filter for a caller, which sees documents if it has the scope for them.
    async fn seen_by(self, cx: &Context<'_>, parts: &Parts) -> Result<Self, Problem> {
        let has_documents = match self.kind {
            Some(PendingType::Registration | PendingType::Update) => false,
            Some(PendingType::Document) => admit(cx, parts, SEE_DOCUMENTS).await.map(|_| true)?,
            None => is_admitted(cx, parts, SEE_DOCUMENTS).await,
        };
        Ok(Self {
            has_documents,
            ..self
        })
    }

    fn matches(&self, item: &WaitingItem, now: Timestamp) -> bool {
        let is_seen = item.kind() != PendingType::Document || self.has_documents;
        let has_kind = self.kind.is_none_or(|kind| kind == item.kind());
        let has_state = self
            .state
            .is_none_or(|state| DecisionState::of(item, now) == state);
        is_seen && has_kind && has_state
    }
}

fn kind(text: &str) -> Result<PendingType, Problem> {
    let kind = serde_json::from_value(text.into());
    kind.map_err(|_| bad_request("type: must be registration, update or document"))
}

fn state(text: &str) -> Result<DecisionState, Problem> {
    let state = serde_json::from_value(text.into());
    state.map_err(|_| bad_request("state: must be waiting, approved, denied or expired"))
}

/// Returns one of those that wait.
///
/// # Errors
/// 401 without a valid token; 403 without the required scope; 404.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.pending_read).await?;
    let now = service.clock.now();
    match find(&cx, &id).await? {
        WaitingItem::Request(found) => {
            let stored = changed_client(&cx, &found).await?;
            let record = PendingRecord::of(&found, stored.as_ref(), now);
            Ok(answer::json(StatusCode::OK, &record))
        }
        WaitingItem::Document(candidate) => {
            admit(&cx, &parts, SEE_DOCUMENTS).await?;
            show_document(&resolver, &candidate.client_id, now).await
        }
    }
}

async fn show_document(
    resolver: &Resolver,
    url: &str,
    now: Timestamp,
) -> Result<Response, Problem> {
    let view = resolver.candidate(url).await;
    let view = view.map_err(super::documents::problem)?;
    let record = PendingRecord::of_document(&view, now);
    Ok(answer::json(StatusCode::OK, &record))
}

/// Returns the client as it is, if the request changes one.
async fn changed_client(cx: &Context<'_>, found: &FoundRequest) -> Result<Option<Client>, Problem> {
    let request = found.request();
    if request.kind != PendingKind::Update {
        return Ok(None);
    }
    let stored = cx.service.store.clients.find(&request.client.id).await?;
    Ok(stored.map(Stored::into_client))
}

async fn find(cx: &Context<'_>, id: &str) -> Result<WaitingItem, Problem> {
    let now = cx.service.clock.now();
    let found = cx.service.store.waiting.find(id, now).await?;
    found.ok_or_else(|| unknown("request that waits"))
}
