//! `POST` on the token, introspection and revocation endpoints, `GET` of the public keys, and the HTTP form
//! of each error.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use crate::base::Secret;
use crate::http::{
    Authorization, BadCredentials, ClientCertificate, Form, FormError, Problem, answer, credentials,
};
use crate::registration::AttestationHeaders;
use crate::service::{Context, Service, refusal};
use crate::store::{Action, Author};
use crate::telemetry;
use crate::token::{
    Authenticated, PresentedCredentials, TokenError, authenticate, find_bearer, grant,
    introspection,
};

/// `POST` on the token endpoint: issues an access token.
///
/// # Errors
/// The problem that rejects the request.
pub(crate) async fn token(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let members = issue(&cx, request).await?;
    Ok(answer::json(StatusCode::OK, &members))
}

async fn issue(cx: &Context<'_>, request: Request<Body>) -> Result<Map<String, Value>, TokenError> {
    let received = TokenRequest::take(request)?;
    let caller = received.caller(cx).await?;
    count(cx, &received, &caller)?;
    grant::issue_token(cx, &caller, &received.form, received.certificate.as_ref()).await
}

/// `POST` on the introspection endpoint: describes a token.
///
/// # Errors
/// The problem that rejects the request.
pub(crate) async fn introspect(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let members = describe(&cx, request).await?;
    Ok(answer::json(StatusCode::OK, &members))
}

async fn describe(
    cx: &Context<'_>,
    request: Request<Body>,
) -> Result<Map<String, Value>, TokenError> {
    let received = TokenRequest::take(request)?;
    let asker = received.asker(cx).await?;
    introspection::introspect(cx, &asker, &received.form).await
}

/// `POST` on the revocation endpoint: revokes a token.
///
/// # Errors
/// The problem that rejects the request.
pub(crate) async fn revoke(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    end(&cx, request).await?;
    Ok(answer::empty(StatusCode::OK))
}

async fn end(cx: &Context<'_>, request: Request<Body>) -> Result<(), TokenError> {
    let received = TokenRequest::take(request)?;
    let caller = received.caller(cx).await?;
    introspection::revoke(cx, &caller, &received.form).await
}

/// `GET`: returns the public keys of this server. They change rarely, so they may be cached.
pub(crate) async fn jwks(State(service): State<Arc<Service>>) -> Response {
    let mut response = answer::json(StatusCode::OK, &**service.jwks.load());
    response.headers_mut().insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response.headers_mut().remove(PRAGMA);
    response
}

/// A request that was read completely.
struct TokenRequest {
    author: Author,
    authorization: Authorization,
    form: Form,
    certificate: Option<ClientCertificate>,
    attestation: AttestationHeaders,
}

impl TokenRequest {
    fn take(request: Request<Body>) -> Result<Self, FormError> {
        let (mut parts, _) = request.into_parts();
        Ok(Self {
            form: Form::take(&mut parts)?,
            author: refusal::stranger(&parts),
            authorization: credentials::authorization(&parts.headers),
            certificate: parts.extensions.get().cloned(),
            attestation: AttestationHeaders::of(&parts.headers),
        })
    }

    async fn caller(&self, cx: &Context<'_>) -> Result<Authenticated, TokenError> {
        let certificate = self.certificate.as_ref();
        let shown = PresentedCredentials {
            authorization: &self.authorization,
            form: &self.form,
            certificate,
            attestation: &self.attestation,
            author: &self.author,
        };
        let caller = authenticate(cx, &shown).await?;
        if caller.is_proven {
            let client = caller.client.client();
            telemetry::concerns(client.id.as_str(), client.provenance.trust_level.as_str());
            let (uses, now) = (&cx.service.store.uses, cx.service.clock.now());
            uses.note(&client.id, now);
        }
        Ok(caller)
    }

    /// Determines the party that introspects: an authenticated client, or the bearer of an access token (RFC
    /// 7662 section 2.1).
    async fn asker(&self, cx: &Context<'_>) -> Result<introspection::Asker, TokenError> {
        if let Authorization::Bearer(token) = &self.authorization {
            return self.bearer(cx, token).await;
        }
        let who = self.caller(cx).await?;
        if !who.is_proven {
            return Err(TokenError::Client { by_header: false });
        }
        let client = who.client.client();
        let scope = client.metadata.metadata().text("scope").unwrap_or_default();
        Ok(introspection::Asker::new(cx, client, scope))
    }

    async fn bearer(
        &self,
        cx: &Context<'_>,
        token: &Secret,
    ) -> Result<introspection::Asker, TokenError> {
        let found = find_bearer(cx, token.expose(), self.certificate.as_ref()).await?;
        let Some(bearer) = found else {
            return Err(TokenError::Bearer(BadCredentials::Invalid));
        };
        Ok(introspection::Asker::new(
            cx,
            bearer.client.client(),
            &bearer.token.scope,
        ))
    }
}

/// Counts a token for `caller` against the quota of its address. Administrators have no such quota, since
/// they must be able to change it.
fn count(
    cx: &Context<'_>,
    received: &TokenRequest,
    caller: &Authenticated,
) -> Result<(), TokenError> {
    let (client, author) = (caller.client.client(), &received.author);
    let address = match author.address {
        Some(address) if !client.is_operators() => address,
        _ => return Ok(()),
    };
    let Err(limited) = cx.snapshot.limits.count_token(address) else {
        return Ok(());
    };
    let (id, problem) = (client.id.as_str(), Problem::from(limited));
    refusal::audit(cx, author, Action::TokenRefused, id, &problem);
    Err(limited.into())
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let description = error.to_string();
        let refused = |code: &'static str| Self::new(StatusCode::BAD_REQUEST, code, &description);
        match error {
            TokenError::Form(FormError::Body(error)) => {
                refusal::unreadable(&error, "invalid_request")
            }
            TokenError::Form(_) | TokenError::Request(_) => refused("invalid_request"),
            TokenError::Client { by_header } => unauthenticated(by_header, &description),
            TokenError::Unauthorised | TokenError::Dpop => refused("unauthorized_client"),
            TokenError::GrantType => refused("unsupported_grant_type"),
            TokenError::Scope(_) => refused("invalid_scope"),
            TokenError::Bearer(presented) => Self::unauthorised(presented),
            TokenError::TooOften(limited) => limited.into(),
            TokenError::Attestation(error) => (*error).into(),
            // A conflict too: RFC 6749 section 5.2 has no code for it, and clients retry after 503.
            TokenError::Store(error) => refusal::store_unavailable(&error),
            TokenError::Randomness(_) | TokenError::Seal(_) => {
                tracing::error!(
                    cause = description,
                    "no token could be created, or a client secret could not be opened"
                );
                Self::server_error()
            }
        }
    }
}

/// RFC 6749 section 5.2: the challenge names the scheme that the client used.
fn unauthenticated(by_header: bool, description: &str) -> Problem {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "invalid_client", description);
    if by_header {
        problem.header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Basic realm="registrar""#),
        )
    } else {
        problem
    }
}
