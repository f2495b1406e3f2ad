//! Steps 12, 13 and 15: what scripts say, and what becomes of it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Caller, ClientInformation, Proven, Purpose, RegisterError};
use crate::client::{Approved, Client, ScriptRef, TrustLevel, Valid};
use crate::http::ClientCertificate;
use crate::script::{Decision, Facts, Hook, HookError};
use crate::service::Context;

/// What the scripts decided, ready to be stored.
pub(super) struct Sanctioned {
    pub(super) metadata: Approved,
    pub(super) scripts: Vec<ScriptRef>,
}

/// Step 12: the scripts decide on `valid`.
pub(super) async fn decide(
    cx: &Context<'_>,
    caller: &Caller,
    purpose: Purpose<'_>,
    proven: &Proven,
    valid: &Valid,
) -> Result<Decision, RegisterError> {
    let hook = purpose.decision_hook();
    let client = valid.metadata().clone();
    if !cx.snapshot.scripts.has(hook) {
        return Ok(Decision { client, decided_by: Vec::new() });
    }
    let request = proven.requested.metadata().as_object().clone();
    let facts = facts(cx, caller, proven.trust_level, request);
    cx.snapshot.scripts.decide(hook, facts, client).await.map_err(RegisterError::Hook)
}

/// Step 13: what the scripts changed keeps the same rules.
pub(super) fn approve(
    cx: &Context<'_>,
    valid: Valid,
    decided: Decision,
) -> Result<Sanctioned, RegisterError> {
    let scripts = decided.decided_by;
    match valid.approve_changed(decided.client, &cx.rules()) {
        Ok(metadata) => Ok(Sanctioned { metadata, scripts }),
        Err(violations) => {
            let scripts = scripts.into_iter().map(|script| script.name).collect();
            Err(RegisterError::SpoiledByScript { scripts, violations })
        }
    }
}

/// Step 15: the scripts may change the answer, but not its credentials.
///
/// # Errors
/// When a script fails.
pub async fn modify(
    cx: &Context<'_>,
    caller: &Caller,
    hook: Hook,
    answer: ClientInformation,
) -> Result<ClientInformation, HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(hook) {
        return Ok(answer);
    }
    let facts = facts(cx, caller, answer.trust_level, Map::new());
    let client = answer.metadata.clone();
    let members = scripts.modify_response(hook, answer.members, facts, client).await?;
    Ok(ClientInformation { members, ..answer })
}

/// The scripts decide whether `client` may be deleted.
///
/// # Errors
/// When a script refuses or fails.
pub async fn before_deletion(cx: &Context<'_>, caller: &Caller, client: &Client) -> Result<(), HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(Hook::DeleteClient) {
        return Ok(());
    }
    let facts = facts(cx, caller, client.provenance.trust_level, Map::new());
    let metadata = client.metadata.metadata().clone();
    scripts.decide(Hook::DeleteClient, facts, metadata).await.map(drop)
}

fn facts(
    cx: &Context<'_>,
    caller: &Caller,
    trust_level: TrustLevel,
    register_request: Map<String, Value>,
) -> Arc<Facts> {
    Arc::new(Facts {
        register_request,
        http_request: caller.request.clone(),
        trust_level,
        custom_attributes: cx.settings().dynamic_registration_custom_attributes.clone(),
        software_statement: None,
        dcr: None,
        evidence: None,
        attestation: None,
        certificate: caller.certificate.as_ref().map(shown),
        initial_access_token: None,
    })
}

/// The certificate as scripts see it: with whether anybody vouches for it.
fn shown(presented: &ClientCertificate) -> Value {
    let mut members = presented.certificate.to_json();
    members.insert("trusted".to_owned(), presented.is_trusted.into());
    members.into()
}
