//! `POST` on the token, introspection and revocation endpoints, `GET` of the public keys, and the HTTP form
//! of each error.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::introspection::Asker;
use super::{Authenticated, Shown, TokenError, authenticate, bearer};
use crate::base::secret::Secret;
use crate::http::ClientCertificate;
use crate::http::answer::{self, Presented, Problem};
use crate::http::body::BodyError;
use crate::http::credentials::{self, Authorization};
use crate::http::form::{Form, FormError};
use crate::http::observe::CorrelationId;
use crate::http::peer;
use crate::registration::{self, AttestationHeaders};
use crate::service::{Context, Service};
use crate::store::audit::{Action, Author};
use crate::store::outage;
use crate::telemetry;

/// `POST` on the token endpoint: issues an access token.
///
/// # Errors
/// The problem that rejects the request.
pub async fn token(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let outcome = async {
        let received = Received::read(&cx, request).await?;
        let caller = received.caller(&cx).await?;
        count(&cx, &received, &caller)?;
        super::grant::grant(&cx, &caller, &received.form, received.certificate.as_ref()).await
    };
    outcome
        .await
        .map(|members| answer::json(StatusCode::OK, &members))
        .map_err(problem)
}

/// `POST` on the introspection endpoint: describes a token.
///
/// # Errors
/// The problem that rejects the request.
pub async fn introspect(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let outcome = async {
        let received = Received::read(&cx, request).await?;
        let asker = received.asker(&cx).await?;
        super::introspection::introspect(&cx, &asker, &received.form).await
    };
    outcome
        .await
        .map(|members| answer::json(StatusCode::OK, &members))
        .map_err(problem)
}

/// `POST` on the revocation endpoint: revokes a token.
///
/// # Errors
/// The problem that rejects the request.
pub async fn revoke(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let outcome = async {
        let received = Received::read(&cx, request).await?;
        let caller = received.caller(&cx).await?;
        super::revocation::revoke(&cx, &caller, &received.form).await
    };
    outcome
        .await
        .map(|()| answer::empty(StatusCode::OK))
        .map_err(problem)
}

/// `GET`: returns the public keys of this server. They change only with a restart, so they may be cached.
pub async fn jwks(State(service): State<Arc<Service>>) -> Response {
    let mut response = answer::json(StatusCode::OK, &service.jwks);
    response.headers_mut().insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response.headers_mut().remove(PRAGMA);
    response
}

/// A request that was read completely.
struct Received {
    author: Author,
    authorization: Authorization,
    form: Form,
    certificate: Option<ClientCertificate>,
    attestation: AttestationHeaders,
}

impl Received {
    async fn read(cx: &Context<'_>, request: Request<Body>) -> Result<Self, FormError> {
        let (parts, body) = request.into_parts();
        let limits = &cx.service.settings.limits;
        let form = Form::read(
            &parts.headers,
            body,
            limits.body_bytes,
            limits.body_timeout_ms,
        )
        .await?;
        let authorization = credentials::authorization(&parts.headers);
        let certificate = parts.extensions.get().cloned();
        let attestation = AttestationHeaders::of(&parts.headers);
        Ok(Self {
            author: author(cx, &parts),
            authorization,
            form,
            certificate,
            attestation,
        })
    }

    async fn caller(&self, cx: &Context<'_>) -> Result<Authenticated, TokenError> {
        let certificate = self.certificate.as_ref();
        let shown = Shown {
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
            cx.service
                .store
                .uses
                .note(&client.id, cx.service.clock.now());
        }
        Ok(caller)
    }

    /// Determines the party that introspects: an authenticated client, or the bearer of an access token (RFC
    /// 7662 section 2.1).
    async fn asker(&self, cx: &Context<'_>) -> Result<Asker, TokenError> {
        if let Authorization::Bearer(token) = &self.authorization {
            return self.bearer(cx, token).await;
        }
        let who = self.caller(cx).await?;
        if !who.is_proven {
            return Err(TokenError::Client { by_header: false });
        }
        let client = who.client.client();
        let scope = client.metadata.metadata().text("scope").unwrap_or_default();
        Ok(Asker::new(cx, client, scope))
    }

    async fn bearer(&self, cx: &Context<'_>, token: &Secret) -> Result<Asker, TokenError> {
        let found = bearer::find(cx, token.expose(), self.certificate.as_ref()).await?;
        let found = found.ok_or(TokenError::Bearer(Presented::Invalid))?;
        Ok(Asker::new(cx, found.client.client(), &found.token.scope))
    }
}

/// Returns the origin of a request whose sender is not known yet.
fn author(cx: &Context<'_>, parts: &Parts) -> Author {
    Author {
        actor: None,
        address: Some(peer::of(parts, &cx.service.settings.server.trusted_proxies)),
        correlation_id: parts
            .extensions
            .get::<CorrelationId>()
            .map(|id| id.0.to_string()),
    }
}

/// Counts a token for `caller` against the quota of its address. Administrators have no such quota, since
/// they must be able to change it.
fn count(cx: &Context<'_>, received: &Received, caller: &Authenticated) -> Result<(), TokenError> {
    let (client, author) = (caller.client.client(), &received.author);
    let Some(address) = author.address.filter(|_| !client.is_operators()) else {
        return Ok(());
    };
    Ok(cx.snapshot.limits.count_token(address).inspect_err(|_| {
        let event = author.did(
            Action::TokenRefused,
            client.id.as_str(),
            cx.service.clock.now(),
        );
        cx.service
            .refusals
            .leave(event.refused("too_many_requests").with("status", 429));
    })?)
}

fn problem(error: TokenError) -> Problem {
    let description = error.to_string();
    let refused = |code: &'static str| Problem::new(StatusCode::BAD_REQUEST, code, &description);
    match error {
        TokenError::Form(error) => {
            Problem::new(form_status(&error), "invalid_request", &description)
        }
        TokenError::Request(_) => refused("invalid_request"),
        TokenError::Client { by_header } => unauthenticated(by_header, &description),
        TokenError::Unauthorised | TokenError::Dpop => refused("unauthorized_client"),
        TokenError::GrantType => refused("unsupported_grant_type"),
        TokenError::Scope(_) => refused("invalid_scope"),
        TokenError::Bearer(presented) => Problem::unauthorised(presented),
        TokenError::TooOften(limited) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            &description,
        )
        .retry_after(limited.retry_after),
        TokenError::Attestation(error) => registration::endpoint::problem(*error),
        TokenError::Store(error) => {
            outage::tell(&error);
            Problem::unavailable("the store is currently unavailable; retry later", 5)
        }
        TokenError::Randomness(_) | TokenError::Seal(_) => {
            tracing::error!(
                cause = description,
                "no token could be created, or a client secret could not \
                                                  be opened"
            );
            Problem::server_error()
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

fn form_status(error: &FormError) -> StatusCode {
    match error {
        FormError::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        FormError::Body(BodyError::TooSlow { .. }) => StatusCode::REQUEST_TIMEOUT,
        FormError::Body(_) | FormError::MediaType | FormError::Twice | FormError::TooMany => {
            StatusCode::BAD_REQUEST
        }
    }
}
