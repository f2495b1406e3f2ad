//! `POST` on the registration endpoint, and the HTTP form of each error.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use hyper::header::{ETAG, HeaderValue};
use hyper::{Request, StatusCode};
use serde_json::Map;

use crate::base::ErrorCode;
use crate::config::RegistrationApproval;
use crate::http::{BadCredentials, BodyError, Problem, answer, body, entity_tag, peer};
use crate::registration::{
    self, AttestationHeaders, CHALLENGE_HEADER, Caller, ClientAttestationError, ClientInformation,
    FrontError, PollAnswer, PollError, Received, RegisterError, Registered, certificate,
    client_attestation, initial_access, poll, verify_attestation,
};
use crate::service::{Context, Service, refusal};
use crate::store::Action;

/// `POST`: registers a client.
///
/// # Errors
/// The problem that rejects the request.
pub(crate) async fn post(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::of_client(&service);
    let (mut parts, _) = request.into_parts();
    let body = body::take(&mut parts);
    let caller = Caller::of(&parts);
    match admit(&cx, caller, body).await {
        Ok(registered) => Ok(registered.into_response()),
        // A client that waits has done nothing wrong yet.
        Err(error @ PollError::TooSoon { .. }) => Err(error.into()),
        Err(error) => {
            let (problem, stranger) = (Problem::from(error), refusal::stranger(&parts));
            refusal::audit(&cx, &stranger, Action::RegistrationRefused, "", &problem);
            Err(problem)
        }
    }
}

impl Registered {
    /// Returns the response.
    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::New(information) | Self::Polled(PollAnswer::Registered(information)) => {
                information.into_response(StatusCode::CREATED)
            }
            Self::There(information) | Self::Polled(PollAnswer::Updated(information)) => {
                information.into_response(StatusCode::OK)
            }
            Self::Deferred(codes) => answer::json(StatusCode::ACCEPTED, &codes),
            Self::Polled(PollAnswer::Waiting(members)) => {
                answer::json(StatusCode::ACCEPTED, &members)
            }
            Self::Polled(PollAnswer::Cancelled) => answer::empty(StatusCode::NO_CONTENT),
        }
    }
}

/// Steps 1 to 4: the switch, the limits, the quota of the address, the credentials.
async fn admit(
    cx: &Context<'_>,
    caller: Caller<'_>,
    body: Result<Bytes, BodyError>,
) -> Result<Registered, PollError> {
    check_caller(cx, &caller)?;
    let received = Received::new(caller.headers(), body);
    let received = cx
        .step("body")
        .done(received.map_err(RegisterError::from))?;
    if let Some(polled) = answer_poll(cx, &caller, &received).await? {
        return Ok(polled);
    }
    let caller = authenticate(cx, caller).await?;
    Ok(registration::register(cx, &caller, received).await?)
}

/// Step 4: finds the credentials of the caller, which count for its quota.
async fn authenticate<'a>(
    cx: &Context<'_>,
    mut caller: Caller<'a>,
) -> Result<Caller<'a>, RegisterError> {
    let step = cx.step("initial_access_token");
    let shown = initial_access::find(cx, &caller).await;
    let counted = match &shown {
        Ok(Some(token)) => Some(token),
        _ => None,
    };
    initial_access::count(cx, &caller, counted)?;
    let attestation = AttestationHeaders::of(caller.headers());
    let attesting = cx.step("client_attestation");
    let attested = verify_attestation(cx, &attestation).await;
    caller.attested = attesting.done(attested)?;
    let shown = match shown {
        Err(error) if may_lack_token(&caller, &error) => Ok(None),
        shown => shown,
    };
    caller.initial_access = step.done(shown)?;
    Ok(caller)
}

/// Answers a client that asks whether its registration was approved; none if this is another request.
async fn answer_poll(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    received: &Received,
) -> Result<Option<Registered>, PollError> {
    let Some(members) = poll::asked(received) else {
        return Ok(None);
    };
    // What waits when approval is switched off can still be decided and collected.
    let is_off = cx.settings().registration_approval == RegistrationApproval::Off;
    if is_off && !Box::pin(poll::is_known(cx, &members)).await? {
        return Ok(None);
    }
    // In a box, so that every other registration does not carry the space of this future.
    let polled = Box::pin(poll::answer(cx, caller, &members)).await?;
    Ok(Some(Registered::Polled(polled)))
}

/// Whether the caller needs no initial access token, and presented none. That holds for an attested client.
const fn may_lack_token(caller: &Caller<'_>, error: &RegisterError) -> bool {
    let presented_none = matches!(error, RegisterError::Unauthorised(BadCredentials::Nothing));
    presented_none && caller.attested.is_some()
}

/// The first two steps.
fn check_caller(cx: &Context<'_>, caller: &Caller<'_>) -> Result<(), RegisterError> {
    cx.step("enabled").done(check_enabled(cx))?;
    let step = cx.step("client_certificate");
    step.done(certificate::demand(cx, caller))
}

fn check_enabled(cx: &Context<'_>) -> Result<(), RegisterError> {
    if cx.settings().dynamic_registration_enabled {
        Ok(())
    } else {
        Err(RegisterError::Disabled)
    }
}

/// `POST` on the challenge endpoint: issues a challenge for the proof of a client attestation.
///
/// # Errors
/// When the operator trusts no attester, or no challenge can currently be issued.
pub(crate) async fn challenge(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let address = peer::client_address(&request.into_parts().0);
    cx.snapshot.limits.count_challenge(address)?;
    match client_attestation::challenge(&cx).await? {
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

impl ClientInformation {
    /// Returns the response that carries this information, with the revision as its `ETag`.
    pub(crate) fn into_response(self, status: StatusCode) -> Response {
        let mut response = answer::json_text(status, self.json());
        if let Ok(tag) = HeaderValue::from_str(&entity_tag(self.revision)) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Body(error) => {
                refusal::unreadable(&error, ErrorCode::InvalidClientMetadata.as_str())
            }
            RegisterError::ClientAttestation(error) => attestation_problem(error),
            RegisterError::TooOften(limited) => limited.into(),
            RegisterError::Hook(error) => error.into(),
            RegisterError::Store(error) => error.into(),
            RegisterError::Json(_)
            | RegisterError::Unproven(_)
            | RegisterError::Metadata(_)
            | RegisterError::StaleEvidence(_) => bad_request(&error),
            RegisterError::TooManyNonces { .. }
            | RegisterError::NothingLeft { .. }
            | RegisterError::TooManyPending
            | RegisterError::UpdateWaits
            | RegisterError::Conflict => retry(&error),
            RegisterError::Upstream(error) => upstream_problem(error),
            RegisterError::NoKeys(_)
            | RegisterError::SpoiledByScript { .. }
            | RegisterError::Randomness(_)
            | RegisterError::Seal(_) => failure(&error),
            RegisterError::Disabled
            | RegisterError::NotApproved
            | RegisterError::Unauthorised(_)
            | RegisterError::NeedlessToken
            | RegisterError::OtherToken
            | RegisterError::NoCertificate
            | RegisterError::UntrustedCertificate
            | RegisterError::OtherCertificate { .. }
            | RegisterError::ForeignCertificate => not_permitted(&error),
        }
    }
}

/// Seconds after which a client may find room among the requests that wait for approval.
const PENDING_RETRY: u64 = 60;

impl From<PollError> for Problem {
    fn from(error: PollError) -> Self {
        let description = error.to_string();
        let rejected = |code: &'static str| Self::new(StatusCode::BAD_REQUEST, code, &description);
        match error {
            PollError::Register(error) => error.into(),
            PollError::Malformed => rejected(ErrorCode::InvalidClientMetadata.as_str()),
            PollError::Unknown | PollError::Outdated => rejected("invalid_registration"),
            PollError::Ended => rejected("expired_token"),
            PollError::Denied => rejected(ErrorCode::AccessDenied.as_str()),
            PollError::TooSoon { retry_after } => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Self::new(status, "slow_down", &description).retry_after(retry_after)
            }
        }
    }
}

/// The content of the request is rejected (RFC 7591 section 3.2.2).
fn bad_request(error: &RegisterError) -> Problem {
    let code = match error {
        RegisterError::Unproven(violation) => violation.code,
        RegisterError::Metadata(violations) => match violations.first() {
            Some(first) => first.code,
            None => ErrorCode::InvalidClientMetadata,
        },
        RegisterError::StaleEvidence(_) => ErrorCode::StaleEvidence,
        _ => ErrorCode::InvalidClientMetadata,
    };
    let problem = Problem::new(StatusCode::BAD_REQUEST, code.as_str(), &error.to_string());
    match error {
        RegisterError::StaleEvidence(nonce) => problem.member("nonce", nonce.expose()),
        _ => problem,
    }
}

/// The same request can succeed later.
fn retry(error: &RegisterError) -> Problem {
    let description = error.to_string();
    match error {
        RegisterError::TooManyNonces { retry_after }
        | RegisterError::NothingLeft { retry_after } => {
            refusal::too_many_requests(&description, *retry_after)
        }
        RegisterError::TooManyPending => Problem::unavailable(&description, PENDING_RETRY),
        _ => Problem::new(StatusCode::CONFLICT, "conflict", &description),
    }
}

/// The caller does not have the credentials for its request, or nobody may make it.
fn not_permitted(error: &RegisterError) -> Problem {
    let description = error.to_string();
    match error {
        RegisterError::Unauthorised(BadCredentials::Nothing) => Problem::token_needed(NEEDS_TOKEN),
        RegisterError::Unauthorised(presented) => Problem::unauthorised(*presented),
        RegisterError::ForeignCertificate => {
            Problem::unauthorised(BadCredentials::OtherCertificate)
        }
        RegisterError::NeedlessToken => Problem::invalid_token(&description),
        RegisterError::OtherToken => Problem::insufficient_scope(None, &description),
        RegisterError::NoCertificate | RegisterError::UntrustedCertificate => {
            Problem::certificate_needed(&description)
        }
        _ => {
            let code = ErrorCode::AccessDenied.as_str();
            Problem::new(StatusCode::FORBIDDEN, code, &description)
        }
    }
}

const NEEDS_TOKEN: &str = "an initial access token is required: ask the operator of this server for one, and \
                           send it as a bearer token";

/// Logs a failure of this server. Its cause is not shown to the client.
fn failure(error: &RegisterError) -> Problem {
    match error {
        RegisterError::NoKeys(cause) => {
            tracing::error!(%cause, "cannot fetch the keys that the configuration names");
            let description =
                "the keys that verify this request are currently unavailable; retry later";
            return Problem::unavailable(description, 5);
        }
        RegisterError::SpoiledByScript { scripts, .. } => tracing::error!(
            scripts = scripts.join(", "),
            cause = %error,
            "a script left metadata that breaks the rules for client metadata"
        ),
        _ => tracing::error!(cause = %error, "client credentials could not be created"),
    }
    Problem::server_error()
}

/// Seconds after which a client may retry what the upstream server has not done.
const UPSTREAM_RETRY: u64 = 30;

/// The upstream server has not done what a client asked for.
fn upstream_problem(error: FrontError) -> Problem {
    let description = error.to_string();
    match error {
        FrontError::Rejected { code, .. } => {
            let code = passed_on(&code).unwrap_or(ErrorCode::InvalidClientMetadata);
            Problem::new(StatusCode::BAD_REQUEST, code.as_str(), &description)
        }
        FrontError::Unavailable { cause } => {
            tracing::error!(
                cause,
                "the upstream server cannot register or change clients"
            );
            Problem::unavailable(&description, UPSTREAM_RETRY)
        }
        FrontError::Unconfirmed => Problem::unavailable(&description, UPSTREAM_RETRY),
        FrontError::Unusable(_) => {
            Problem::new(StatusCode::BAD_GATEWAY, "server_error", &description)
        }
        FrontError::Busy | FrontError::Lost => {
            Problem::new(StatusCode::CONFLICT, "conflict", &description)
        }
        FrontError::NotManageable => {
            let code = ErrorCode::AccessDenied.as_str();
            Problem::new(StatusCode::FORBIDDEN, code, &description)
        }
        FrontError::Gone => Problem::unauthorised(BadCredentials::Invalid),
        FrontError::Store(error) => error.into(),
    }
}

/// Returns the error codes of a registration that mean the same here (RFC 7591 section 3.2.2).
fn passed_on(code: &str) -> Option<ErrorCode> {
    let codes = [
        ErrorCode::InvalidRedirectUri,
        ErrorCode::InvalidClientMetadata,
        ErrorCode::InvalidSoftwareStatement,
        ErrorCode::UnapprovedSoftwareStatement,
    ];
    codes.into_iter().find(|known| known.as_str() == code)
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
                Ok(challenge) => problem.header(CHALLENGE_HEADER, challenge),
                Err(_) => problem,
            }
        }
    }
}
