//! `POST` on the registration endpoint, and the HTTP form of each error.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::header::{
    AUTHORIZATION, COOKIE, ETAG, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value};

use super::proof::{certificate, client_attestation, initial_access};
use super::{
    Caller, ClientAttestationError, ClientInformation, Received, RegisterError, Registered,
};
use crate::base::model::violation::ErrorCode;
use crate::http::answer::{self, Presented, Problem};
use crate::http::body::{self, BodyError};
use crate::http::observe::CorrelationId;
use crate::http::{credentials, peer};
use crate::script::{Fault, HookError, HttpRequest};
use crate::service::{Context, Service};
use crate::store::audit::{Action, Author};
use crate::store::{StoreError, outage};

/// `POST`: registers a client.
///
/// # Errors
/// The problem that rejects the request.
pub async fn post(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, body) = request.into_parts();
    let caller = Caller::of(&cx, &parts);
    let author = caller.author(None);
    match admit(&cx, caller, (&parts.headers, body)).await {
        Ok(Registered::New(information)) => Ok(information.into_response(StatusCode::CREATED)),
        Ok(Registered::There(information)) => Ok(information.into_response(StatusCode::OK)),
        Err(error) => Err(refused(
            &cx,
            (&author, Action::RegistrationRefused, ""),
            problem(error),
        )),
    }
}

/// Records in the audit log that `action` of `author` on `subject` was rejected.
pub fn refused(
    cx: &Context<'_>,
    (author, action, subject): (&Author, Action, &str),
    problem: Problem,
) -> Problem {
    let event = author.did(action, subject, cx.service.clock.now());
    cx.service.refusals.leave(
        event
            .refused(problem.code())
            .with("status", problem.status().as_u16()),
    );
    problem
}

/// Steps 1 to 4: the switch, the limits, the quota of the address, the credentials.
async fn admit(
    cx: &Context<'_>,
    mut caller: Caller,
    (headers, body): (&HeaderMap, Body),
) -> Result<Registered, RegisterError> {
    if !cx.settings().dynamic_registration_enabled {
        return Err(RegisterError::Disabled);
    }
    certificate::demand(cx, &caller)?;
    let received = Received::read(cx, headers, body).await?;
    let shown = initial_access::find(cx, credentials::bearer(headers)).await;
    initial_access::count(cx, &caller, shown.as_ref().ok().and_then(Option::as_ref))?;
    caller.attested =
        client_attestation::verify(cx, &client_attestation::Headers::of(headers)).await?;
    caller.initial_access = match shown {
        // An attested client needs no initial access token.
        Err(RegisterError::Unauthorised(Presented::Nothing)) if caller.attested.is_some() => None,
        shown => shown?,
    };
    super::register(cx, &caller, received).await
}

/// `POST` on the challenge endpoint: issues a challenge for the proof of a client attestation.
///
/// # Errors
/// When the operator trusts no attester, or no challenge can currently be issued.
pub async fn challenge(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let caller = Caller::of(&cx, &request.into_parts().0);
    cx.snapshot
        .limits
        .count_challenge(caller.address)
        .map_err(|limited| problem(limited.into()))?;
    match client_attestation::challenge(&cx).await.map_err(problem)? {
        None => Err(Problem::not_found()),
        Some(challenge) => {
            let member = (
                "attestation_challenge".to_owned(),
                challenge.expose().into(),
            );
            Ok(answer::json(StatusCode::OK, &Map::from_iter([member])))
        }
    }
}

impl Received {
    /// Reads `body`, whose media type must be one of a registration.
    ///
    /// # Errors
    /// When the media type is another one, or the body is too large or too slow.
    pub async fn read(
        cx: &Context<'_>,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, BodyError> {
        let media_type = body::media_type(headers)?;
        let limits = &cx.service.settings.limits;
        Ok(Self {
            media_type,
            bytes: body::read(body, limits.body_bytes, limits.body_timeout_ms).await?,
        })
    }
}

/// Headers that carry credentials. Scripts do not see them.
const CREDENTIALS: [HeaderName; 5] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    ATTESTATION,
    PROOF,
];

/// The header that carries a client attestation.
pub const ATTESTATION: HeaderName = HeaderName::from_static("oauth-client-attestation");
/// The header that carries the proof of possession of its key.
pub const PROOF: HeaderName = HeaderName::from_static("oauth-client-attestation-pop");
/// The header of a response that carries the challenge for such a proof.
pub const CHALLENGE: HeaderName = HeaderName::from_static("oauth-client-attestation-challenge");

impl Caller {
    /// Describes the caller from the head of a request.
    pub fn of(cx: &Context<'_>, parts: &Parts) -> Self {
        let address = peer::of(parts, &cx.service.settings.server.trusted_proxies);
        let shown = parts
            .headers
            .iter()
            .filter(|(name, _)| !CREDENTIALS.contains(name));
        let headers = shown
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let request = HttpRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers: headers.collect(),
            ip_address: Some(address),
        };
        let certificate = parts.extensions.get().cloned();
        let correlation_id = parts
            .extensions
            .get::<CorrelationId>()
            .map(|id| id.0.to_string());
        Self {
            address,
            certificate,
            initial_access: None,
            attested: None,
            request,
            correlation_id,
            administrator: None,
        }
    }
}

impl ClientInformation {
    /// Returns the response that carries this information, with the revision as its `ETag`.
    pub fn into_response(self, status: StatusCode) -> Response {
        let mut response = answer::json(status, &self);
        if let Ok(tag) = HeaderValue::from_str(&entity_tag(self.revision)) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// Returns the `ETag` of a client's revision (RFC 9110 section 8.8.3).
pub fn entity_tag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// Converts an error into an HTTP problem.
pub fn problem(error: RegisterError) -> Problem {
    let description = error.to_string();
    let client_error =
        |code: ErrorCode| Problem::new(StatusCode::BAD_REQUEST, code.as_str(), &description);
    match error {
        RegisterError::Disabled | RegisterError::OtherCertificate { .. } => Problem::new(
            StatusCode::FORBIDDEN,
            ErrorCode::AccessDenied.as_str(),
            &description,
        ),
        RegisterError::Body(error) => unreadable(&error),
        RegisterError::Json(_) => client_error(ErrorCode::InvalidClientMetadata),
        RegisterError::TooOften(limited) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            &description,
        )
        .retry_after(limited.retry_after),
        RegisterError::Unauthorised(Presented::Nothing) => Problem::token_needed(
            "an initial access token is required: ask the operator of this server for one, and send it as a \
             bearer token",
        ),
        RegisterError::Unauthorised(presented) => Problem::unauthorised(presented),
        RegisterError::OtherToken => Problem::insufficient_scope(None, &description),
        RegisterError::NoCertificate | RegisterError::UntrustedCertificate => {
            Problem::certificate_needed(&description)
        }
        RegisterError::ForeignCertificate => Problem::unauthorised(Presented::OtherCertificate),
        RegisterError::StaleEvidence(nonce) => {
            client_error(ErrorCode::StaleEvidence).member("nonce", nonce.expose())
        }
        RegisterError::TooManyNonces { retry_after } => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            &description,
        )
        .retry_after(retry_after),
        RegisterError::ClientAttestation(error) => attestation_problem(error),
        RegisterError::Unproven(violation) => client_error(violation.code),
        RegisterError::Metadata(violations) => {
            let first = violations.first().map(|violation| violation.code);
            client_error(first.unwrap_or(ErrorCode::InvalidClientMetadata))
        }
        RegisterError::NoKeys(cause) => {
            tracing::error!(%cause, "cannot fetch the keys that the configuration names");
            Problem::unavailable(
                "the keys that verify this request are currently unavailable; retry later",
                5,
            )
        }
        RegisterError::Hook(error) => hook_problem(error),
        RegisterError::SpoiledByScript { .. } => {
            tracing::error!(
                cause = description,
                "a script left metadata that breaks the rules for client \
                                                  metadata"
            );
            Problem::server_error()
        }
        RegisterError::Conflict => Problem::new(StatusCode::CONFLICT, "conflict", &description),
        RegisterError::Store(error) => store_problem(&error),
        RegisterError::Randomness(_) | RegisterError::Seal(_) => {
            tracing::error!(
                cause = description,
                "client credentials could not be created"
            );
            Problem::server_error()
        }
    }
}

/// The error codes of OAuth 2.0 Attestation-Based Client Authentication.
fn attestation_problem(error: ClientAttestationError) -> Problem {
    let description = error.to_string();
    let refused = |code: &'static str| Problem::new(StatusCode::BAD_REQUEST, code, &description);
    match error {
        ClientAttestationError::Invalid(_) => refused("invalid_client_attestation"),
        ClientAttestationError::Expired => refused("use_fresh_attestation"),
        ClientAttestationError::Challenge(challenge) => {
            let problem = refused("use_attestation_challenge");
            match HeaderValue::from_str(challenge.expose()) {
                Ok(challenge) => problem.header(CHALLENGE, challenge),
                Err(_) => problem,
            }
        }
    }
}

fn unreadable(error: &BodyError) -> Problem {
    let status = match error {
        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
        BodyError::GaveWay => return Problem::unavailable(&error.to_string(), 1),
        BodyError::Broken => StatusCode::BAD_REQUEST,
        BodyError::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    Problem::new(
        status,
        ErrorCode::InvalidClientMetadata.as_str(),
        &error.to_string(),
    )
}

/// Converts the outcome of a script that stopped the request into an HTTP problem.
pub fn hook_problem(error: HookError) -> Problem {
    match error {
        HookError::Answered {
            script,
            status,
            entity,
        } => {
            tracing::info!(script, status, "a script answered the request");
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answered(status, entity)
        }
        HookError::Refused { script } => {
            tracing::info!(script, "a script rejected the request");
            let description = "the policy of this server does not allow this registration";
            let code = ErrorCode::InvalidClientMetadata.as_str();
            Problem::new(StatusCode::BAD_REQUEST, code, description)
        }
        HookError::Fault(fault) => {
            log_fault(&fault);
            Problem::server_error()
        }
        HookError::Busy => Problem::unavailable("too many scripts are running; retry later", 1),
    }
}

/// Seconds until the client may retry, when a script answers with 503 or 429 without `retry_after`.
const USUAL_WAIT: u64 = 5;
/// The longest `retry_after` of a script, in seconds.
const LONGEST_WAIT: u64 = 86_400;

/// Builds the response of a script. A response that asks the client to retry says when, by `retry_after` in
/// seconds.
fn answered(status: StatusCode, mut entity: Map<String, Value>) -> Problem {
    if !matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    ) {
        return Problem::with_body(status, entity);
    }
    let said = entity
        .shift_remove("retry_after")
        .and_then(|seconds| seconds.as_u64());
    let seconds = said.map_or(USUAL_WAIT, |seconds| seconds.clamp(1, LONGEST_WAIT));
    Problem::with_body(status, entity).retry_after(seconds)
}

fn log_fault(fault: &Fault) {
    let Fault {
        script,
        hook,
        message,
        line,
        column,
        calls,
    } = fault;
    tracing::error!(
        script,
        hook,
        line,
        column,
        calls,
        cause = message,
        "script failed"
    );
}

/// Converts a failure of the store into an HTTP problem.
pub fn store_problem(error: &StoreError) -> Problem {
    outage::tell(error);
    Problem::unavailable("the store is currently unavailable; retry later", 5)
}
