//! What RFC 7592 section 2.2 requires of an update beyond the rules for a registration, and the update by an
//! administrator, which runs the steps of any update without those that verify proofs.
//!
//! An administrator presents no statement, evidence or certificate of the client, and none is required. The
//! trust level of the client stays as it was. The limits of its initial access token still apply, since they
//! apply to the client's own next update. `updateClient` is called as usual, sees the path of the admin API
//! in `context.httpRequest`, and may reject the update.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{Violation, absent};
use crate::client::{Client, MemberOrigin, Provenance, Requested, TrustLevel};
use crate::registration::{
    Attempt, Caller, Issued, MemberSources, Proven, RegisterError, Sanctioned, TokenPolicy, check,
    hooks, issue, reject_any, upstream,
};
use crate::script::Proofs;
use crate::service::Context;
use crate::store::{Change, Stored};
use crate::telemetry::ClientChange;

/// The members that a client must not send in an update.
pub(super) const FORBIDDEN: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Checks the members by which an update identifies its client, and the members that it must not contain.
pub(super) fn screen(
    cx: &Context<'_>,
    client: &Client,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    let mut violations = own_members(cx, client, members)?;
    if !members.contains_key("client_id") {
        violations.insert(0, Violation::metadata("client_id", OWN_ID));
    }
    reject_any(violations)
}

/// Checks an update by an administrator, whose URL already identifies the client. A statement speaks only for
/// the client that presents it, so an administrator may only repeat the registered one.
fn screen_operator(
    cx: &Context<'_>,
    client: &Client,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    let mut violations = own_members(cx, client, members)?;
    let name = "software_statement";
    let sent = members.get(name);
    if sent.is_some() && sent != client.metadata.metadata().get(name) {
        let rule = "must be omitted, or be the registered statement of the client: only the client itself \
                    can present another one";
        violations.push(Violation::metadata(name, rule));
    }
    reject_any(violations)
}

const OWN_ID: &str = "must be present and be the identifier of this client";

/// Returns what is wrong with the members that identify the client, or that only this server sets.
fn own_members(
    cx: &Context<'_>,
    client: &Client,
    members: &Map<String, Value>,
) -> Result<Vec<Violation>, RegisterError> {
    let mut violations = Vec::new();
    let id = client.id.as_str();
    if let Some(sent) = members.get("client_id")
        && sent.as_str() != Some(id)
    {
        violations.push(Violation::metadata("client_id", OWN_ID));
    }
    if cx.settings().refuse_server_members_in_update {
        for name in FORBIDDEN {
            if members.contains_key(name) {
                violations.push(Violation::metadata(name, "must not be sent in an update"));
            }
        }
    }
    if let Some(value) = members.get("client_secret")
        && !is_current_secret(cx, client, value)?
    {
        let rule = "must be the current secret if it is sent; a client cannot choose its secret";
        violations.push(Violation::metadata("client_secret", rule));
    }
    Ok(violations)
}

fn is_current_secret(
    cx: &Context<'_>,
    client: &Client,
    sent: &Value,
) -> Result<bool, RegisterError> {
    let (Some(secret), Some(text)) = (&client.secret, sent.as_str()) else {
        return Ok(false);
    };
    let key = &cx.service.store.sealing_keys;
    let current = key.open(&secret.sealed, client.id.as_str())?;
    Ok(current.matches(text))
}

/// Replaces the metadata of `stored` by `members`, and returns the updated client. Members that only the
/// operator may set are applied, and deleted if they are omitted. `also` is a part of the same change.
///
/// # Errors
/// The error of the first step that rejects the update. The client is then unchanged.
pub(crate) async fn replace_as_operator(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    members: Map<String, Value>,
    stored: &Stored,
    also: Change,
) -> Result<Client, RegisterError> {
    let attempt = Attempt::replace(cx, caller, stored);
    let members = absent::present(members);
    screen_operator(cx, stored.client(), &members)?;
    let proven = unproven(attempt, members);
    let sanctioned = sanction(attempt, &proven).await?;
    let mut issued = issue::update(attempt, stored, None, &proven, sanctioned)?;
    issued.client.provenance = kept(&stored.client().provenance, issued.client.provenance);
    put_back(attempt, stored, issued, &proven, also).await
}

/// Stores the update of an administrator, at the upstream server too.
async fn put_back(
    attempt: Attempt<'_>,
    stored: &Stored,
    issued: Issued,
    proven: &Proven,
    also: Change,
) -> Result<Client, RegisterError> {
    let cx = attempt.cx;
    let (issued, upstream) = upstream::replace_changed(cx, stored.client(), issued).await?;
    let also = also.and(upstream.settled());
    let put_back = issue::put_back(attempt, stored, &issued, proven, also).await;
    upstream.conclude(cx, put_back).await?;
    let (client, trust_level) = (issued.client, proven.proofs.trust_level);
    cx.count(ClientChange::Updated, trust_level.as_str());
    tracing::info!(
        revision = client.revision,
        "client updated by an administrator"
    );
    Ok(client)
}

/// Runs the steps that need no proof: every rule, then the scripts.
pub(super) async fn sanction(
    attempt: Attempt<'_>,
    proven: &Proven,
) -> Result<Sanctioned, RegisterError> {
    let valid = check(attempt.cx, proven).await?;
    let decided = hooks::decide(attempt, proven, &valid).await?;
    hooks::approve(attempt.cx, proven, valid, decided).await
}

/// Builds the request of an administrator, with the proofs that the client once presented, if it exists already.
pub(super) fn unproven(attempt: Attempt<'_>, members: Map<String, Value>) -> Proven {
    let client = attempt.existing();
    let custom = &attempt.cx.settings().dynamic_registration_custom_attributes;
    let initial_access = TokenPolicy::of(attempt);
    let trust_level = client.map_or(TrustLevel::Open, |client| client.provenance.trust_level);
    let mut proofs = Proofs::none(trust_level);
    if let Some(token) = &initial_access {
        token.show_in(&mut proofs);
    }
    let requested = Requested::read_as_operator(members, custom);
    Proven {
        document: attempt.document(&requested),
        requested,
        proofs: Arc::new(proofs),
        statement: None,
        initial_access,
        registered: client.map(|client| client.metadata.metadata().clone()),
        is_certified: client.is_some_and(Client::is_certified),
        is_evidence_owed: false,
        scripts: Vec::new(),
        uses: Vec::new(),
        sources: MemberSources::all_from(MemberOrigin::Administrator),
    }
}

/// Keeps the origin and the proofs of the client, and records the scripts and the configuration that decided
/// now.
fn kept(before: &Provenance, now: Provenance) -> Provenance {
    Provenance {
        scripts: now.scripts,
        script_version: now.script_version,
        configuration: now.configuration,
        approval: now.approval,
        ..before.clone()
    }
}
