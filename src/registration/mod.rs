//! Registration: RFC 7591 and OpenID Connect Dynamic Client Registration 1.0, and the part of RFC 7592 that
//! replaces a registration, which runs the same steps on the same code.
//!
//! [`register`] and [`replace`] follow the table of steps in `src/ARCHITECTURE.md`. Nothing here depends on
//! how a request is routed; only [`endpoint`] answers in HTTP.

mod answer;
pub(crate) mod approval;
mod attempt;
pub(crate) mod client_document;
pub(crate) mod decision;
mod documents;
pub(crate) mod endpoint;
mod error;
pub(crate) mod hooks;
mod identity;
mod issue;
mod lost_scopes;
mod metadata;
mod operator;
mod origins;
pub(crate) mod overdue;
mod poll;
pub(crate) mod proof;
mod reservations;
mod shared_client;
mod single_use;
mod update;
pub(crate) mod upstream;

pub(crate) use answer::ClientInformation;
pub(crate) use approval::DeferredAnswer;
pub(crate) use attempt::Caller;
pub(crate) use attempt::{HookMark, Received, Registered};
pub(crate) use error::RegisterError;
pub(crate) use issue::rotate_token;
pub(crate) use operator::{
    CredentialKind, IssuedClient, RotationError, create_as_operator, rotate,
};
pub(crate) use poll::{PollAnswer, PollError};
pub(crate) use proof::certificate;
pub(crate) use proof::client_attestation::{
    AttestationHeaders, AttestedClient, CHALLENGE_HEADER, ClientAttestationError,
    verify_attestation,
};
pub(crate) use proof::initial_access::NamedToken;
pub(crate) use update::replace_as_operator;
pub(crate) use upstream::FrontError;

use tracing::Instrument as _;

use crate::base::Secret;
use crate::client::{Client, Valid};
use crate::service::Context;
use crate::store::{Along, Change, PendingKind, Stored};
use crate::telemetry::{self, ClientChange, PendingChange, traces};

use approval::Course;
use attempt::{Attempt, Issued, Offered, Proven, Purpose, Sanctioned};
use documents::PublicationChange;
use error::reject_any;
use identity::Identity;
use metadata::{Parsed, merge, sector};
use origins::MemberSources;

use proof::client_attestation::{ATTESTATION_HEADER, PROOF_HEADER};
use proof::{
    SelfMade, SignedRequest, Statement, TokenPolicy, client_attestation, evidence, initial_access,
    prove, statement, udap,
};
use shared_client::SharedClient;
use single_use::Use;

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
        None => create(attempt, offered, Change::default()).await,
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
) -> Result<Registered, RegisterError> {
    let attempt = Attempt::replace(cx, caller, stored);
    let offered = read(attempt, &received).await?;
    put_back(attempt, offered, stored, token).await
}

/// Deletes the client, with `also` in the same change. Its identifier, secret and tokens are invalid when
/// this function returns.
///
/// # Errors
/// When a script rejects the deletion, the store fails, or another request changes the client at the same
/// time.
pub(crate) async fn remove(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    stored: &Stored,
    also: Change,
) -> Result<(), RegisterError> {
    let client = stored.client();
    hooks::before_deletion(cx, caller, client).await?;
    let event = issue::deleted(cx, caller, client);
    let document = PublicationChange::of(Some(client), None);
    let also = also.and(documents::event(cx, caller, client, document)?);
    let denial = client_document::denial_of_deleted(cx, caller, client).await?;
    let also = also.and(denial);
    let mut along = Along::audited(&event, caller.reason()).and(also);
    along.cause.context = hooks::remembered_deletion(cx, caller, client);
    cx.service.store.clients.remove(stored, along).await?;
    upstream::delete(cx, client).await;
    report_removed(cx, client, document);
    Ok(())
}

/// Writes the deletion to the log and the metrics.
fn report_removed(cx: &Context<'_>, client: &Client, document: Option<PublicationChange>) {
    let trust_level = client.provenance.trust_level.as_str();
    cx.count(ClientChange::Deleted, trust_level);
    documents::count(cx, document);
    tracing::info!("client deleted");
}

/// Runs steps 5 and 6.
async fn read(attempt: Attempt<'_>, received: &Received) -> Result<Offered, RegisterError> {
    let (cx, step) = (attempt.cx, attempt.cx.step("parse"));
    let parsed = traces::step("parse").in_scope(|| metadata::parse(received));
    let parsed = step.done(parsed)?;
    let step = cx.step("software_statement");
    let statement = statement::verify(attempt, &parsed)
        .instrument(traces::step("statement"))
        .await;
    let statement = step.done(statement)?;
    Ok(Offered { parsed, statement })
}

/// Runs steps 7 to 16 of a registration that creates a client, with `also` in the same change.
async fn create(
    attempt: Attempt<'_>,
    offered: Offered,
    also: Change,
) -> Result<Registered, RegisterError> {
    let (proven, sanctioned) = decide(attempt, offered).await?;
    match sanctioned.course.clone() {
        Course::Immediate => {
            let created = create_now(attempt, &proven, sanctioned, also).await?;
            Ok(Registered::New(created))
        }
        Course::Disabled(reason) => {
            let created = create_disabled(attempt, &proven, sanctioned, also, reason);
            Ok(Registered::New(Box::pin(created).await?))
        }
        Course::Deferred(reason) => {
            let issued = issue_client(attempt, &proven, sanctioned, None)?;
            deferred(attempt, &proven, issued, reason).await
        }
    }
}

/// Lets the request wait for an administrator.
async fn deferred(
    attempt: Attempt<'_>,
    proven: &Proven,
    issued: Issued,
    reason: Option<String>,
) -> Result<Registered, RegisterError> {
    // In a box, so that every other request does not carry the space of this future.
    let deferred = Box::pin(approval::defer(attempt, proven, issued, reason));
    Ok(Registered::Deferred(deferred.await?))
}

/// Creates a client that can be used at once, or finds the one that it shares.
async fn create_now(
    attempt: Attempt<'_>,
    proven: &Proven,
    sanctioned: Sanctioned,
    also: Change,
) -> Result<ClientInformation, RegisterError> {
    let cx = attempt.cx;
    let mut shared = SharedClient::of(cx, proven, sanctioned.metadata.metadata());
    if let Some(existing) = shared.answer(attempt).await? {
        return Ok(existing);
    }
    let issued = issue_client(attempt, proven, sanctioned, shared.digest.clone())?;
    let (issued, upstream) = upstream::register(cx, issued).await?;
    let also = shared.alone().and(also).and(upstream.settled());
    let stored = answer_and_store(attempt, &issued, proven, also).await;
    match upstream.conclude(cx, stored).await {
        Ok(answer) => {
            report_created(cx, &issued.client);
            Ok(answer)
        }
        // Another request may have registered the same metadata at the same time. After any other failure, a
        // client found now may be a part of this one.
        Err(RegisterError::Conflict) => {
            let existing = shared.answer(attempt).await?;
            existing.ok_or(RegisterError::Conflict)
        }
        Err(error) => Err(error),
    }
}

/// Builds the answer, which scripts can change, and then stores the client.
async fn answer_and_store(
    attempt: Attempt<'_>,
    issued: &Issued,
    proven: &Proven,
    also: Change,
) -> Result<ClientInformation, RegisterError> {
    let answer = answer(attempt, issued).await?;
    store(attempt, issued, proven, also).await?;
    Ok(answer)
}

/// Creates a client that is disabled until an administrator approves it.
async fn create_disabled(
    attempt: Attempt<'_>,
    proven: &Proven,
    sanctioned: Sanctioned,
    also: Change,
    reason: Option<String>,
) -> Result<ClientInformation, RegisterError> {
    let issued = issue_client(attempt, proven, sanctioned, None)?;
    let answer = answer(attempt, &issued).await?;
    let waits = approval::disabled(attempt, proven, &issued.client, reason).await?;
    store(attempt, &issued, proven, also.and(waits)).await?;
    let waits = PendingKind::DisabledClient.into();
    attempt.cx.count_pending(waits, PendingChange::Pending);
    report_created(attempt.cx, &issued.client);
    Ok(answer)
}

/// Creates the client with its credentials.
fn issue_client(
    attempt: Attempt<'_>,
    proven: &Proven,
    sanctioned: Sanctioned,
    shared_as: Option<String>,
) -> Result<Issued, RegisterError> {
    let step = attempt.cx.step("credentials");
    step.done(issue::create(attempt, proven, sanctioned, shared_as))
}

/// Runs step 14 of a registration.
async fn store(
    attempt: Attempt<'_>,
    issued: &Issued,
    proven: &Proven,
    also: Change,
) -> Result<(), RegisterError> {
    let step = attempt.cx.step("store");
    let inserted = issue::insert(attempt, issued, proven, also);
    step.done(inserted.instrument(traces::step("store")).await)
}

/// Writes the new client to the log and the metrics.
fn report_created(cx: &Context<'_>, client: &Client) {
    let trust_level = client.provenance.trust_level.as_str();
    telemetry::concerns(client.id.as_str(), trust_level);
    cx.count(ClientChange::Registered, trust_level);
    tracing::debug!(revision = client.revision, "client registered");
}

/// Runs steps 7 to 16 of an update.
async fn put_back(
    attempt: Attempt<'_>,
    offered: Offered,
    stored: &Stored,
    token: Option<&Secret>,
) -> Result<Registered, RegisterError> {
    let (proven, sanctioned) = decide(attempt, offered).await?;
    let course = sanctioned.course.clone();
    let (cx, step) = (attempt.cx, attempt.cx.step("credentials"));
    let issued = step.done(issue::update(attempt, stored, token, &proven, sanctioned))?;
    if let Course::Deferred(reason) = course {
        return deferred(attempt, &proven, issued, reason).await;
    }
    let (issued, upstream) = upstream::replace(cx, stored.client(), issued).await?;
    let replaced = answer_and_replace(attempt, stored, &issued, &proven, upstream.settled()).await;
    let answer = upstream.conclude(cx, replaced).await?;
    cx.count(ClientChange::Updated, proven.proofs.trust_level.as_str());
    tracing::debug!(revision = issued.client.revision, "client updated");
    Ok(Registered::There(answer))
}

/// Builds the answer to an update, which scripts can change, and then stores the next revision.
async fn answer_and_replace(
    attempt: Attempt<'_>,
    stored: &Stored,
    issued: &Issued,
    proven: &Proven,
    also: Change,
) -> Result<ClientInformation, RegisterError> {
    let answer = answer(attempt, issued).await?;
    let step = attempt.cx.step("store");
    let put_back = issue::put_back(attempt, stored, issued, proven, also);
    step.done(put_back.instrument(traces::step("store")).await)?;
    Ok(answer)
}

/// Runs steps 7 to 13.
async fn decide(
    attempt: Attempt<'_>,
    offered: Offered,
) -> Result<(Proven, Sanctioned), RegisterError> {
    let cx = attempt.cx;
    let proven = prove(attempt, offered).await?;
    let valid = check(cx, &proven).instrument(traces::step("rules")).await?;
    let bound = certificate::bind(attempt, valid.metadata());
    cx.step("certificate_subject").done(bound)?;
    let step = cx.step("scripts");
    let mut decided = step.done(hooks::decide(attempt, &proven, &valid).await)?;
    let proven = evidence::settle(proven, &decided);
    let proven = cx.step("evidence_appraised").done(proven)?;
    let course = approval::settle(attempt, &proven, &mut decided)?;
    let step = cx.step("script_changes");
    let sanctioned = hooks::approve(cx, &proven, valid, decided).await;
    let sanctioned = step.done(sanctioned)?.with(course);
    Ok((proven, sanctioned))
}

/// Runs steps 10 and 11: every rule, and the file at the `sector_identifier_uri`.
async fn check(cx: &Context<'_>, proven: &Proven) -> Result<Valid, RegisterError> {
    let step = cx.step("rules");
    let valid = proven.rules(cx).validate(proven.requested.clone());
    let valid = step.done(valid.map_err(RegisterError::from))?;
    if let Some(claim) = sector::Claim::of(valid.metadata()) {
        let step = cx.step("sector_identifier");
        // In a box, so that a request without this URI does not carry the space of its future.
        let checked = Box::pin(claim.check(cx)).await;
        step.done(checked.map_err(RegisterError::from))?;
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
    let step = cx.step("response");
    cx.note_origins(&issued.client);
    let answer = answer::build(cx, issued, purpose);
    let modified = hooks::modify(cx, caller, purpose.response_hook(), answer).await;
    Ok(step.done(modified)?)
}
