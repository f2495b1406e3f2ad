//! What administrators decide about what waits.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::find;
use crate::admin::{
    Administrator, endpoint::Named, endpoint::admit, endpoint::bad_request, endpoint::documents,
    endpoint::read_typed, endpoint::refusal::call_refused, endpoint::unknown,
};
use crate::base::Timestamp;
use crate::client::Approval;
use crate::http::{Problem, answer};
use crate::registration::Caller;
use crate::registration::decision::{self, ApprovalChoice, DecideError};
use crate::resolution::{Resolver, ReviewOrder};
use crate::service::{Context, Service};
use crate::store::{FoundRequest, PendingType, WaitingDocument, WaitingItem};

/// The maximum number of characters of a note.
const NOTE: usize = 1_000;

/// What an administrator decides with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::admin) struct DecisionRequest {
    /// Why. It is kept with the client and in the audit log.
    #[schemars(length(max = NOTE))]
    note: Option<String>,
    /// The digest of what is approved. Required for a document, which can change while it waits.
    digest: Option<String>,
    /// The end of the denial of a document, in seconds since 1970. Default: none.
    until: Option<u64>,
}

/// Approves what waits. A client gets its credentials when it asks next; a disabled client is enabled; a document is in
/// force.
///
/// # Errors
/// As [`deny`]; also 409 if it has another digest, and 422 if a document breaks rules by now.
pub(crate) async fn approve(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    decide((&service, &resolver), &id, request, ApprovalChoice::Approve).await
}

/// Denies what waits. A client learns that when it asks next; a disabled client is deleted; the URL of a document is
/// denied.
///
/// # Errors
/// 400 for an invalid body; 401 without a valid token; 403 without the required scope; 404; 409 if somebody has
/// decided, or the time is over.
pub(crate) async fn deny(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    decide((&service, &resolver), &id, request, ApprovalChoice::Deny).await
}

async fn decide(
    (service, resolver): (&Service, &Resolver),
    id: &str,
    request: Request<Body>,
    choice: ApprovalChoice,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.pending_write).await?;
    let item = admitted(&cx, &parts, &by, id).await?;
    let order = read(&mut parts).map(|request| DecisionOrder {
        by: &by,
        choice,
        request,
    });
    let decided = match order {
        Ok(order) => order.carry_out(&cx, resolver, &parts, &item).await,
        Err(problem) => Err(problem),
    };
    decided.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    report(&by, item.kind(), (id, choice));
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn report(by: &Administrator, kind: PendingType, (id, choice): (&str, ApprovalChoice)) {
    tracing::info!(
        id,
        kind = kind.as_str(),
        actor = by.client_id,
        choice = choice.as_str(),
        "decision about what waited"
    );
}

/// Returns what waits under `id`, if the caller may decide about it.
async fn admitted(
    cx: &Context<'_>,
    parts: &Parts,
    by: &Administrator,
    id: &str,
) -> Result<WaitingItem, Problem> {
    let found = find(cx, id).await;
    let item = found.map_err(|problem| call_refused(cx, parts, &by.author(), problem))?;
    if item.kind() == PendingType::Document {
        admit(cx, parts, |scopes| &scopes.documents_write).await?;
    }
    Ok(item)
}

fn read(parts: &mut Parts) -> Result<DecisionRequest, Problem> {
    let request: DecisionRequest = read_typed(parts)?;
    if request.note.as_deref().unwrap_or_default().chars().count() > NOTE {
        return Err(bad_request("note: must not exceed 1000 characters"));
    }
    Ok(DecisionRequest {
        note: request.note.filter(|note| !note.is_empty()),
        ..request
    })
}

/// A decision of an administrator.
struct DecisionOrder<'a> {
    by: &'a Administrator,
    choice: ApprovalChoice,
    request: DecisionRequest,
}

impl DecisionOrder<'_> {
    async fn carry_out(
        &self,
        cx: &Context<'_>,
        resolver: &Resolver,
        parts: &Parts,
        item: &WaitingItem,
    ) -> Result<(), Problem> {
        match item {
            WaitingItem::Request(found) => self.about_request(cx, parts, found).await,
            // In a box, so that other decisions do not carry the space of this future.
            WaitingItem::Document(found) => Box::pin(self.about_document(resolver, found)).await,
        }
    }

    async fn about_request(
        &self,
        cx: &Context<'_>,
        parts: &Parts,
        found: &FoundRequest,
    ) -> Result<(), Problem> {
        if self.request.until.is_some() {
            return Err(bad_request("until: applies to documents only"));
        }
        let (seen, present) = (&self.request.digest, &found.request().digest);
        if seen.as_ref().is_some_and(|seen| seen != present) {
            return Err(conflict("the request has another digest; look at it again"));
        }
        let decision = Approval {
            by: self.by.client_id.clone(),
            at: cx.service.clock.now(),
            note: self.request.note.clone(),
        };
        let caller =
            Caller::of(parts).with_administrator(&self.by.client_id, self.by.name.as_deref());
        let caller = caller.with_approval(&decision);
        let decided = decision::decide(cx, &caller, &found.id(), (self.choice, decision)).await;
        decided.map_err(problem)
    }

    async fn about_document(
        &self,
        resolver: &Resolver,
        candidate: &WaitingDocument,
    ) -> Result<(), Problem> {
        let author = self.by.author();
        let order = ReviewOrder {
            author: &author,
            client_id: &candidate.client_id,
            note: self.request.note.as_deref(),
        };
        let digest = self.request.digest.as_deref();
        let decided = match (self.choice, digest, self.request.until) {
            (ApprovalChoice::Approve, _, Some(_)) => {
                return Err(bad_request("until: applies to denials only"));
            }
            (ApprovalChoice::Approve, None, None) => {
                let reason = "digest: is required to approve a document, which can change while it waits; send the \
                              one that was shown";
                return Err(bad_request(reason));
            }
            (ApprovalChoice::Approve, Some(digest), None) => {
                resolver.approve(order, digest).await.map(drop)
            }
            (ApprovalChoice::Deny, Some(seen), _) if seen != candidate.digest => {
                return Err(conflict(
                    "the document has another digest; look at it again",
                ));
            }
            (ApprovalChoice::Deny, _, until) => {
                resolver.deny(order, until.map(Timestamp::from_unix)).await
            }
        };
        decided.map_err(documents::problem)
    }
}

fn conflict(description: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "conflict", description)
}

fn problem(error: DecideError) -> Problem {
    match error {
        DecideError::Unknown => unknown("request that waits"),
        DecideError::Over => conflict(&error.to_string()),
        DecideError::Register(error) => Problem::from(error),
    }
}
