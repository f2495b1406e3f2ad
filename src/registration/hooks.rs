//! Steps 12, 13, 15 and 16: the decisions of scripts, their effects, and the notifications to scripts.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::Violation;
use crate::client::{Approved, Client, Metadata, Valid};
use crate::registration::{
    Attempt, Caller, ClientInformation, Course, Proven, RegisterError, Sanctioned, evidence, sector,
};
use crate::script::{Decision, Facts, Hook, HookError, Proofs, SharedByScripts};
use crate::service::Context;

/// Returns a JWT as scripts see it.
pub(super) fn jwt(header: &Map<String, Value>, claims: &Map<String, Value>) -> Value {
    json!({ "header": header, "claims": claims })
}

/// Step 12: the scripts decide on `valid`.
pub(super) async fn decide(
    attempt: Attempt<'_>,
    proven: &Proven,
    valid: &Valid,
) -> Result<Decision, RegisterError> {
    attempt.caller.reach_hooks();
    let (scripts, hook) = (
        &attempt.cx.snapshot.scripts,
        attempt.purpose.decision_hook(),
    );
    let mut client = valid.metadata().clone();
    if !scripts.has(hook) {
        return Ok(Decision {
            client,
            decided_by: Vec::new(),
            attestation: None,
            changed: Vec::new(),
            reserved: Vec::new(),
            held: None,
        });
    }
    if let Some(existing) = attempt.existing() {
        existing.name(&mut client);
    }
    let facts = attempt.facts(&proven.proofs, proven.requested.metadata().clone());
    let mut decision = scripts.decide(hook, facts, client).await?;
    // The identifiers of a client are shown to scripts, but are not metadata that could be approved.
    for member in NAMES {
        decision.client.remove(member);
    }
    Ok(decision)
}

/// Step 13: validates the metadata that the scripts changed, including the file of its sector.
pub(super) async fn approve(
    cx: &Context<'_>,
    proven: &Proven,
    valid: Valid,
    decided: Decision,
) -> Result<Sanctioned, RegisterError> {
    let (scripts, changed, reserved) = (decided.decided_by, decided.changed, decided.reserved);
    let checked = sector::Claim::of(valid.metadata());
    let approved = match valid.approve_changed(decided.client, &proven.rules(cx)) {
        Ok(metadata) => check_again(cx, checked.as_ref(), metadata).await,
        Err(violations) => Err(violations),
    };
    match approved {
        Ok(metadata) => Ok(Sanctioned {
            metadata,
            scripts,
            changed,
            reserved,
            course: Course::Immediate,
        }),
        Err(violations) => {
            let scripts = scripts.into_iter().map(|script| script.name).collect();
            Err(RegisterError::SpoiledByScript {
                scripts,
                violations,
            })
        }
    }
}

/// Checks the sector that `metadata` claims, unless it is the one that was `checked` before.
async fn check_again(
    cx: &Context<'_>,
    checked: Option<&sector::Claim>,
    metadata: Approved,
) -> Result<Approved, Vec<Violation>> {
    let claim = sector::Claim::of(metadata.metadata());
    match claim {
        Some(claim) if checked != Some(&claim) => Box::pin(claim.check(cx)).await?,
        _ => {}
    }
    Ok(metadata)
}

/// Step 15: lets the scripts change the response, except its credentials.
///
/// # Errors
/// When a script fails.
pub(crate) async fn modify(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    hook: Hook,
    answer: ClientInformation,
) -> Result<ClientInformation, HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(hook) {
        return Ok(answer);
    }
    let proofs = Arc::new(Proofs::none(answer.trust_level));
    let facts = Arc::new(caller.facts(cx, &proofs, Metadata::default()));
    let (mut client, members) = (answer.metadata.clone(), answer.members());
    for name in NAMES {
        if let Some(value) = members.get(name) {
            client.set(name, value.clone());
        }
    }
    let members = scripts
        .modify_response(hook, members, facts, client)
        .await?;
    Ok(answer.saying(members))
}

/// Lets the scripts decide whether `client` may be deleted.
///
/// # Errors
/// When a script rejects the deletion or fails.
pub(super) async fn before_deletion(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    client: &Client,
) -> Result<(), HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(Hook::DeleteClient) {
        return Ok(());
    }
    // A request can delete many clients, and the scripts of one deletion share no values with those of another.
    let facts = Arc::new(Facts {
        shared: SharedByScripts::default(),
        ..facts_about(cx, caller, client)
    });
    let decided = scripts.decide(Hook::DeleteClient, facts, client.shown(None));
    decided.await?;
    Ok(())
}

/// Returns what a hook sees of a request that contains no metadata and concerns `client`.
pub(super) fn facts_about(cx: &Context<'_>, caller: &Caller<'_>, client: &Client) -> Facts {
    let proofs = Arc::new(Proofs::none(client.provenance.trust_level));
    Facts {
        stored: Some(client.shown(None)),
        ..caller.facts(cx, &proofs, Metadata::default())
    }
}

/// Step 16: returns what the scripts that are notified of the change will see of the request; none if no script
/// wants to be.
pub(super) fn remembered(attempt: Attempt<'_>, proven: &Proven) -> Option<Box<Value>> {
    remembered_for(attempt, proven, attempt.purpose.notification_hook())
}

/// Returns the same for scripts that have `hook`.
pub(super) fn remembered_for(
    attempt: Attempt<'_>,
    proven: &Proven,
    hook: Hook,
) -> Option<Box<Value>> {
    if !attempt.cx.snapshot.scripts.has(hook) {
        return None;
    }
    let mut request = proven.requested.metadata().clone();
    // Evidence is not stored.
    for name in evidence::MEMBERS {
        request.remove(name);
    }
    let facts = attempt.caller.facts(attempt.cx, &proven.proofs, request);
    Some(Box::new(facts.remembered()))
}

/// Returns the same about the deletion of `client`.
pub(super) fn remembered_deletion(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    client: &Client,
) -> Option<Box<Value>> {
    if !cx.snapshot.scripts.has(Hook::ClientDeleted) {
        return None;
    }
    Some(Box::new(facts_about(cx, caller, client).remembered()))
}

/// The members that identify a registered client.
const NAMES: [&str; 2] = ["client_id", "client_id_issued_at"];
