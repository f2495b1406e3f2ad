//! `POST`, `GET` and `DELETE` on initial access tokens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::Value;

use super::refusal::call_refused;
use crate::admin::{
    Administrator, endpoint::Named, endpoint::Query, endpoint::admit, endpoint::bad_request,
    endpoint::members_as, endpoint::read_object, endpoint::unknown, initial_access,
    initial_access::CreateError, initial_access::CreatedToken, initial_access::TokenPage,
    initial_access::TokenProperties,
};
use crate::base::absent;
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::InitialAccessToken;

/// The maximum number of tokens on a page.
const MOST: usize = 200;

/// Creates a token. Only this response ever contains it.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.tokens_write).await?;
    let created = create_from(&cx, &by, &mut parts).await;
    let created = created.map_err(|problem| call_refused(&cx, &parts, &by.author(), problem))?;
    Ok(answer::json(StatusCode::CREATED, &created.answer()))
}

/// Creates the token that a body requests.
async fn create_from(
    cx: &Context<'_>,
    by: &Administrator,
    parts: &mut Parts,
) -> Result<CreatedToken, Problem> {
    let mut wanted = read_object(parts)?;
    absent::without_null(&mut wanted);
    // The content of `attributes` in the policy belongs to the operator and is kept.
    if let Some(Value::Object(policy)) = wanted.get_mut("policy") {
        absent::without_null(policy);
    }
    let created = initial_access::create(cx, by, members_as(wanted)?).await;
    created.map_err(problem)
}

/// Returns a page of tokens.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.tokens_write).await?;
    let query = Query::read(&parts.uri, &["after", "limit"])?;
    let page = query.page(MOST)?;
    let tokens = &service.store.initial_access_tokens;
    let found = tokens.page(page.after, page.limit).await?;
    let page = TokenPage {
        initial_access_tokens: found.iter().map(TokenProperties::of).collect(),
        next: page.next(&found, InitialAccessToken::id),
    };
    Ok(answer::json(StatusCode::OK, &page))
}

/// Returns one token.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.tokens_write).await?;
    let found = service
        .store
        .initial_access_tokens
        .find(&id, service.clock.now())
        .await;
    match found? {
        Some(token) => Ok(answer::json(StatusCode::OK, &TokenProperties::of(&token))),
        None => Err(unknown("initial access token")),
    }
}

/// Revokes a token. It can no longer be used to register clients.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn revoke(
    State(service): State<Arc<Service>>,
    Named(id): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.tokens_write).await?;
    match initial_access::revoke(&cx, &by, &id).await {
        Ok(true) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Ok(false) => Err(call_refused(
            &cx,
            &parts,
            &by.author(),
            unknown("initial access token"),
        )),
        Err(error) => Err(error.into()),
    }
}

fn problem(error: CreateError) -> Problem {
    match error {
        CreateError::Request(reason) => bad_request(&reason),
        CreateError::Store(error) => error.into(),
        CreateError::Randomness(error) => {
            tracing::error!(%error, "initial access token could not be created");
            Problem::server_error()
        }
    }
}
