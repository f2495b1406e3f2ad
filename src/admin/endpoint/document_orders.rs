//! What administrators order about client documents: to approve, deny, allow, pin, unpin and fetch them.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::clients::ClientRecord;
use super::{documents::problem, refusal::call_refused};
use crate::admin::{Administrator, endpoint::admit, endpoint::bad_request, endpoint::read_typed};
use crate::base::Timestamp;
use crate::http::{Problem, answer};
use crate::resolution::{Resolved, Resolver, ReviewError, ReviewOrder};
use crate::service::{Context, Service};
use crate::store::Author;

/// The maximum number of characters of a note.
const NOTE_CHARACTERS: usize = 500;

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
    let ordered = |body: DocumentApprovalRequest| DocumentOrder {
        client_id: body.client_id,
        note: body.note,
        wish: DocumentWish::Approve(body.digest),
    };
    carry_out(&service, &resolver, request, ordered).await
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
    let ordered = |body: DocumentDenialRequest| DocumentOrder {
        client_id: body.client_id,
        note: body.note,
        wish: DocumentWish::Deny(body.until.map(Timestamp::from_unix)),
    };
    carry_out(&service, &resolver, request, ordered).await
}

/// Ends the denial of a URL, whose document is fetched when it is next asked for.
///
/// # Errors
/// 400 for an invalid request; 401 without a valid token; 403 without the required scope; 404 if the URL is not denied.
pub(crate) async fn allow(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let ordered = |body: DocumentReference| body.ordered(DocumentWish::Allow);
    carry_out(&service, &resolver, request, ordered).await
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
    let ordered = |body: DocumentPinRequest| DocumentOrder {
        client_id: body.client_id,
        note: body.note,
        wish: DocumentWish::Pin(body.document),
    };
    carry_out(&service, &resolver, request, ordered).await
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
    let ordered = |body: DocumentReference| body.ordered(DocumentWish::Unpin);
    carry_out(&service, &resolver, request, ordered).await
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
    let ordered = |body: DocumentReference| body.ordered(DocumentWish::Refresh);
    carry_out(&service, &resolver, request, ordered).await
}

/// What an administrator orders about the document at a URL.
struct DocumentOrder {
    client_id: String,
    /// A note about the reason.
    note: Option<String>,
    wish: DocumentWish,
}

/// What is to happen with the document.
enum DocumentWish {
    /// The octets with this digest are put in force.
    Approve(String),
    /// The URL is denied, until this moment if there is one.
    Deny(Option<Timestamp>),
    /// A denial ends.
    Allow,
    /// This document is put in force, and never fetched.
    Pin(Map<String, Value>),
    /// A pin ends.
    Unpin,
    /// The document is fetched now.
    Refresh,
}

impl DocumentReference {
    fn ordered(self, wish: DocumentWish) -> DocumentOrder {
        DocumentOrder {
            client_id: self.client_id,
            note: None,
            wish,
        }
    }
}

impl DocumentWish {
    /// Does it. Returns the client that the document then is; none if there is nothing to show.
    async fn carry_out(
        self,
        resolver: &Resolver,
        order: ReviewOrder<'_>,
    ) -> Result<Option<Resolved>, ReviewError> {
        let client = match self {
            Self::Approve(digest) => resolver.approve(order, &digest).await?,
            Self::Pin(document) => resolver.pin(order, document).await?,
            Self::Refresh => resolver.refresh(order).await?,
            Self::Deny(until) => {
                resolver.deny(order, until).await?;
                return Ok(None);
            }
            Self::Allow => {
                resolver.allow(order).await?;
                return Ok(None);
            }
            Self::Unpin => {
                resolver.unpin(order).await?;
                return Ok(None);
            }
        };
        Ok(Some(client))
    }
}

/// Carries out the order that `ordered` makes from the body of the request, if the caller may give it. A refusal is in
/// the audit log.
async fn carry_out<B: DeserializeOwned>(
    service: &Service,
    resolver: &Resolver,
    request: Request<Body>,
    ordered: impl FnOnce(B) -> DocumentOrder,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (mut parts, _) = request.into_parts();
    let by: Administrator = admit(&cx, &parts, |scopes| &scopes.documents_write).await?;
    let author = by.author();
    let outcome = match read_typed(&mut parts).map(ordered) {
        Ok(order) => decide(resolver, &author, order).await,
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(Some(client)) => {
            let record = ClientRecord::resolved(&cx, &client, None);
            Ok(answer::json(StatusCode::OK, &record))
        }
        Ok(None) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Err(problem) => Err(call_refused(&cx, &parts, &author, problem)),
    }
}

async fn decide(
    resolver: &Resolver,
    author: &Author,
    order: DocumentOrder,
) -> Result<Option<Resolved>, Problem> {
    let note = order.note.as_deref();
    if note.is_some_and(|note| note.chars().count() > NOTE_CHARACTERS) {
        return Err(bad_request("note must not exceed 500 characters"));
    }
    let review = ReviewOrder {
        author,
        client_id: &order.client_id,
        note,
    };
    let decided = order.wish.carry_out(resolver, review).await;
    decided.map_err(problem)
}
