//! Registration: RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, and the part of RFC 7592 that
//! replaces a registration, which runs the same steps on the same code.
//!
//! [`register`] and [`replace`] follow the table of steps in `src/ARCHITECTURE.md`. Nothing here depends on
//! how a request is routed; only [`endpoint`] answers in HTTP.

mod answer;
mod attempt;
pub(crate) mod endpoint;
mod error;
pub(crate) mod hooks;
mod identity;
mod issue;
mod metadata;
mod operator;
pub(crate) mod proof;
mod remove;
mod shared_client;
mod single_use;
mod update;

pub(crate) use answer::ClientInformation;
pub use attempt::Caller;
pub(crate) use attempt::{Received, Registered};
pub(crate) use error::RegisterError;
pub(crate) use operator::replace_as_operator;
pub(crate) use proof::client_attestation::{
    AttestedClient, ClientAttestationError, Headers as AttestationHeaders,
    verify as verify_attestation,
};
pub(crate) use remove::remove;

use tracing::Instrument as _;

use crate::base::Secret;
use crate::client::Valid;
use crate::service::Context;
use crate::store::{Change, Stored};
use crate::telemetry;
use crate::telemetry::meter::{self, ClientChange};
use crate::telemetry::traces::step;

use attempt::{Attempt, Issued, Offered, Proven, Sanctioned};
use identity::Identity;
use metadata::{parse, sector};
use proof::{certificate, evidence, prove, statement};
use shared_client::SharedClient;

/// Runs steps 5 to 16 of a registration.
///
/// # Errors
/// The error of the first step that rejects the request. Nothing of a rejected request is stored.
pub(crate) async fn register(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    received: Received,
) -> Result<Registered, RegisterError> {
    let attempt = Attempt::create(cx, caller);
    let offered = read(attempt, &received).await?;
    match Identity::of(cx, offered.statement.as_ref()) {
        None => create(attempt, offered, Change::default())
            .await
            .map(Registered::New),
        Some(identity) => Box::pin(identity.register(attempt, offered)).await,
    }
}

/// Runs steps 5 to 16 of an update. `stored` is the client, and `token` the registration access token, if the
/// client presented one.
///
/// # Errors
/// The error of the first step that rejects the request. The client is then unchanged.
pub(crate) async fn replace(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    received: Received,
    stored: &Stored,
    token: Option<&Secret>,
) -> Result<ClientInformation, RegisterError> {
    let attempt = Attempt::replace(cx, caller, stored);
    let offered = read(attempt, &received).await?;
    put_back(attempt, offered, stored, token).await
}

/// Runs steps 5 and 6.
async fn read(attempt: Attempt<'_>, received: &Received) -> Result<Offered, RegisterError> {
    let parsed = step("parse").in_scope(|| parse::body(received))?;
    let statement = statement::verify(attempt, &parsed)
        .instrument(step("statement"))
        .await?;
    Ok(Offered { parsed, statement })
}

/// Runs steps 7 to 16 of a registration that creates a client, with `also` in the same change.
async fn create(
    attempt: Attempt<'_>,
    offered: Offered,
    also: Change,
) -> Result<ClientInformation, RegisterError> {
    let cx = attempt.cx;
    let (proven, sanctioned) = decide(attempt, offered).await?;
    let mut shared = SharedClient::of(cx, &proven, sanctioned.metadata.metadata());
    if let Some(existing) = shared.find(cx).await? {
        return shared_client::answer(attempt, existing).await;
    }
    let issued = issue::create(attempt, &proven, sanctioned, shared.digest.clone())?;
    let answer = answer(attempt, &issued).await?;
    let also = shared.alone().and(also);
    let inserted = issue::insert(attempt, &issued, &proven, also);
    let inserted = inserted.instrument(step("store")).await;
    if matches!(inserted, Err(RegisterError::Conflict)) {
        // Another request may have registered the same metadata at the same time. After any other failure, a
        // client found now may be a part of this one.
        let existing = shared.find(cx).await?.ok_or(RegisterError::Conflict)?;
        return shared_client::answer(attempt, existing).await;
    }
    inserted?;
    let trust_level = proven.proofs.trust_level.as_str();
    telemetry::concerns(issued.client.id.as_str(), trust_level);
    meter::client(ClientChange::Registered, trust_level);
    tracing::debug!(revision = issued.client.revision, "client registered");
    Ok(answer)
}

/// Runs steps 7 to 16 of an update.
async fn put_back(
    attempt: Attempt<'_>,
    offered: Offered,
    stored: &Stored,
    token: Option<&Secret>,
) -> Result<ClientInformation, RegisterError> {
    let (proven, sanctioned) = decide(attempt, offered).await?;
    let issued = issue::update(attempt, stored, token, &proven, sanctioned)?;
    let answer = answer(attempt, &issued).await?;
    let put_back = issue::put_back(attempt, stored, &issued, &proven);
    put_back.instrument(step("store")).await?;
    meter::client(ClientChange::Updated, proven.proofs.trust_level.as_str());
    tracing::debug!(revision = issued.client.revision, "client updated");
    Ok(answer)
}

/// Runs steps 7 to 13.
async fn decide(
    attempt: Attempt<'_>,
    offered: Offered,
) -> Result<(Proven, Sanctioned), RegisterError> {
    let proven = prove(attempt, offered).await?;
    let valid = check(attempt.cx, &proven).instrument(step("rules")).await?;
    certificate::bind(attempt, valid.metadata())?;
    let decided = hooks::decide(attempt, &proven, &valid).await?;
    let proven = evidence::settle(proven, &decided)?;
    let sanctioned = hooks::approve(attempt.cx, &proven, valid, decided).await?;
    Ok((proven, sanctioned))
}

/// Runs steps 10 and 11: every rule, and the file at the `sector_identifier_uri`.
async fn check(cx: &Context<'_>, proven: &Proven) -> Result<Valid, RegisterError> {
    let valid = proven.rules(cx).validate(proven.requested.clone())?;
    if let Some(claim) = sector::Claim::of(valid.metadata()) {
        claim.check(cx).await?;
    }
    Ok(valid)
}

/// Runs step 15.
async fn answer(attempt: Attempt<'_>, issued: &Issued) -> Result<ClientInformation, RegisterError> {
    let Attempt {
        cx,
        caller,
        purpose,
    } = attempt;
    let answer = answer::build(cx, issued, purpose);
    Ok(hooks::modify(cx, caller, purpose.response_hook(), answer).await?)
}
