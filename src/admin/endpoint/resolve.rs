//! `GET` on `resolve`: the client of a client document, for an authorization server.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, PRAGMA};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use super::clients::ClientRecord;
use crate::admin::{Administrator, endpoint::Query, endpoint::admit, endpoint::bad_request};
use crate::client::{Client, Metadata};
use crate::http::{Problem, answer, entity_tag};
use crate::resolution::{Question, ResolveError, Resolved, Resolver, UnusableAnswer};
use crate::service::{Context, Service, refusal};

/// Seconds for which an authorization server may keep an answer, so that a denial is in effect soon.
const KEPT_SECONDS: u64 = 60;

/// Returns the client whose identifier is the URL `client_id`. Its document is fetched if necessary. `address` is the
/// address of the user, for scripts. With `jwks=inline`, the keys at the `jwks_uri` are in `jwks`. `revision` names a
/// version of the client: the one in force, or the one before it.
///
/// # Errors
/// 400 if `client_id` is not the URL of a client document; 401 without a valid token; 403 without the required scope, if
/// the URL is denied, or if the document waits for an administrator; 404 if `clientDocuments` is off, or there is no such
/// version; 422 if the document breaks rules; 429 if too many documents are fetched; 502 if there is no document at the
/// URL; 503 if its host is out of reach.
pub(crate) async fn get(
    State(service): State<Arc<Service>>,
    Extension(resolver): Extension<Resolver>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.clients_resolve).await?;
    let query = Query::read(&parts.uri, &["client_id", "address", "jwks", "revision"])?;
    let Some(client_id) = query.text("client_id") else {
        return Err(bad_request(
            "client_id is missing: the URL of a client document",
        ));
    };
    let address: Option<IpAddr> = query.parsed("address", "an IP address")?;
    let question = Question {
        client_id,
        address,
        asked_by: &by.client_id,
        revision: query.parsed("revision", "a number")?,
    };
    let is_inline = is_inline(&query)?;
    let client = resolve(&resolver, question).await?;
    let tag = tag(&client.client);
    respond(&cx, &parts, (client, &tag), is_inline).await
}

/// Returns the entity tag of the client for an authorization server. A version with other octets has another one.
fn tag(client: &Client) -> String {
    match &client.document {
        Some(document) => entity_tag(format!("{}-{}", client.revision, document.digest)),
        None => entity_tag(client.revision),
    }
}

/// Whether the caller wants the keys themselves and not their URL.
fn is_inline(query: &Query) -> Result<bool, Problem> {
    match query.text("jwks") {
        None => Ok(false),
        Some("inline") => Ok(true),
        Some(_) => Err(bad_request("jwks must be inline")),
    }
}

/// As [`get`], for the call that reads any client.
pub(super) async fn show(
    cx: &Context<'_>,
    parts: &Parts,
    resolver: &Resolver,
    by: &Administrator,
    client_id: &str,
) -> Result<Response, Problem> {
    let question = Question {
        client_id,
        address: None,
        asked_by: &by.client_id,
        revision: None,
    };
    let client = resolve(resolver, question).await?;
    // An administrator sends it back in `If-Match`, as for any client.
    let tag = entity_tag(client.client.revision);
    respond(cx, parts, (client, &tag), false).await
}

async fn resolve(resolver: &Resolver, question: Question<'_>) -> Result<Resolved, Problem> {
    resolver.resolve(question).await.map_err(problem)
}

async fn respond(
    cx: &Context<'_>,
    parts: &Parts,
    (resolved, tag): (Resolved, &str),
    is_inline: bool,
) -> Result<Response, Problem> {
    let tag = HeaderValue::from_str(tag).ok();
    let is_known = tag.is_some() && !is_inline && parts.headers.get(IF_NONE_MATCH) == tag.as_ref();
    let seconds = kept_seconds(cx, &resolved);
    let mut response = if is_known {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        let inline = if is_inline {
            with_keys(cx, &resolved).await?
        } else {
            None
        };
        let record = ClientRecord::resolved(cx, &resolved, inline.as_ref());
        answer::json(StatusCode::OK, &record)
    };
    let headers = response.headers_mut();
    headers.remove(PRAGMA);
    if let Ok(value) = HeaderValue::from_str(&format!("private, max-age={seconds}")) {
        headers.insert(CACHE_CONTROL, value);
    }
    if let Some(tag) = tag {
        headers.insert(ETAG, tag);
    }
    Ok(response)
}

fn kept_seconds(cx: &Context<'_>, resolved: &Resolved) -> u64 {
    let now = cx.service.clock.now().unix();
    match &resolved.state {
        Some(state) => state
            .fresh_until
            .unix()
            .saturating_sub(now)
            .min(KEPT_SECONDS),
        None => KEPT_SECONDS,
    }
}

/// Returns the metadata with the keys at its `jwks_uri`; none if it has none.
async fn with_keys(cx: &Context<'_>, resolved: &Resolved) -> Result<Option<Metadata>, Problem> {
    let metadata = resolved.client.metadata.metadata();
    let Some(uri) = metadata.text("jwks_uri") else {
        return Ok(None);
    };
    let unavailable = |reason: &str| {
        let description = format!("the keys of the client are unavailable: {reason}");
        Problem::unavailable(&description, 10)
    };
    let fetched = cx.service.documents.get(uri).await;
    let keys = fetched.map_err(|error| unavailable(&error.to_string()))?;
    if !keys.get("keys").is_some_and(Value::is_array) {
        return Err(unavailable("the answer must be a JWK Set"));
    }
    let mut inline = metadata.clone();
    inline.remove("jwks_uri");
    inline.set("jwks", (*keys).clone());
    Ok(Some(inline))
}

/// Adds what the host answered, if it did.
fn showing(problem: Problem, answer: Option<&UnusableAnswer>) -> Problem {
    match answer {
        Some(answer) => problem.member("fetch", shown(answer)),
        None => problem,
    }
}

/// Returns the HTTP form of the error.
pub(super) fn problem(error: ResolveError) -> Problem {
    let (description, code) = (error.to_string(), error.code().to_owned());
    let with = |status: StatusCode| Problem::new(status, code, &description);
    match error {
        ResolveError::Unknown => with(StatusCode::NOT_FOUND),
        ResolveError::BadUrl(_) => with(StatusCode::BAD_REQUEST),
        ResolveError::Denied(_) => with(StatusCode::FORBIDDEN),
        ResolveError::Pending { since } => {
            with(StatusCode::FORBIDDEN).member("waiting_since", since.unix())
        }
        ResolveError::Invalid { .. } => with(StatusCode::UNPROCESSABLE_ENTITY),
        ResolveError::Unusable { answer, .. } => {
            with(StatusCode::BAD_GATEWAY).member("fetch", shown(&answer))
        }
        ResolveError::Unavailable {
            retry_after,
            answer,
        } => {
            let problem = with(StatusCode::SERVICE_UNAVAILABLE);
            showing(problem.retry_after(retry_after), answer.as_ref())
        }
        ResolveError::Busy { retry_after, .. } => {
            refusal::too_many_requests(&description, retry_after)
        }
        ResolveError::Stopped(problem) => problem,
    }
}

fn shown(answer: &UnusableAnswer) -> Value {
    json!({
        "status": answer.status,
        "content_type": answer.content_type,
        "challenged": answer.is_challenge,
    })
}
