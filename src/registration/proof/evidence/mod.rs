//! Step 9: attestation evidence (draft-tschofenig-oauth-attested-dclient-reg). It precedes the rules for
//! metadata, so that a first, minimal request obtains the nonce for its evidence.
//!
//! Only a script can appraise evidence: `verifyEvidence` in this step, or `createClient` and `updateClient`
//! in step 12, which set `context.attestation`. Where evidence is required and no script has appraised it,
//! the request is rejected: a script that lets a request pass may not have checked its evidence.

mod challenge;
mod origin;

use std::sync::Arc;

use serde_json::Value;

use crate::base::Violation;
use crate::client::{Metadata, ScriptRef, TrustLevel};
use crate::registration::RegisterError;
use crate::registration::attempt::{Attempt, Proven};
use crate::registration::single_use::{self, Use};
use crate::script::{Answered, Decision, Hook, HookError, Proofs};
use crate::service::Context;

pub(in crate::registration) use challenge::{new_nonce, stale};
pub(in crate::registration) use origin::AppraisalOrigin;

/// Members that concern the evidence. They are never part of an answer about the client.
pub(in crate::registration) const MEMBERS: [&str; 3] =
    ["evidence", "evidence_nonce", "evidence_type"];

/// The outcome of the evidence of a request.
#[derive(Default)]
pub(in crate::registration) struct Appraised {
    /// The verdict of `verifyEvidence`.
    verdict: Option<Answered>,
    /// Whether a script must still appraise the evidence.
    pub(in crate::registration) is_owed: bool,
    /// The single use of the evidence.
    pub(in crate::registration) uses: Option<Use>,
}

impl Appraised {
    /// Returns the script that appraised the evidence.
    pub(in crate::registration) fn by(&self) -> Option<ScriptRef> {
        self.verdict.as_ref().map(|verdict| verdict.by.clone())
    }

    /// Returns what later hooks see: `proofs` with this appraisal.
    pub(in crate::registration) fn added_to(&self, proofs: Arc<Proofs>) -> Arc<Proofs> {
        match &self.verdict {
            Some(verdict) => attested(proofs, &verdict.value),
            None => proofs,
        }
    }
}

/// Appraises the evidence of a request, if there is any, and requires evidence where it is mandatory.
pub(in crate::registration) async fn appraise(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    requested: &Metadata,
) -> Result<Appraised, RegisterError> {
    let cx = attempt.cx;
    let is_required = cx.settings().dcr_attestation_evidence_required;
    let evidence = match read(cx, requested)? {
        Some(evidence) => evidence,
        None if is_required => return Err(stale(attempt, proofs, requested).await),
        None => return Ok(Appraised::default()),
    };
    let uses = Use::of_evidence(evidence, cx.service.clock.now());
    if single_use::is_used(cx, &uses).await? {
        return Err(stale(attempt, proofs, requested).await);
    }
    let verdict = verdict(attempt, proofs, requested).await?;
    let is_owed = is_required && verdict.is_none();
    if is_owed && !cx.snapshot.scripts.has(attempt.purpose.decision_hook()) {
        return Err(unappraised());
    }
    Ok(Appraised {
        verdict,
        is_owed,
        uses: Some(uses),
    })
}

/// Returns the evidence: a string that is not longer than a string in a script may be.
fn read<'a>(cx: &Context<'_>, requested: &'a Metadata) -> Result<Option<&'a str>, RegisterError> {
    let most = cx.service.settings.scripts.limits.string_bytes;
    match requested.get("evidence") {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= most => Ok(Some(text)),
        Some(Value::String(text)) => Err(refused(format!(
            "has {} bytes; at most {most} are allowed",
            text.len()
        ))),
        Some(_) => Err(refused(
            "must be a string; encode binary evidence in base64url",
        )),
    }
}

/// Returns the verdict of `verifyEvidence`; none if no script defines it, or each script leaves the decision
/// to the next one.
async fn verdict(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    requested: &Metadata,
) -> Result<Option<Answered>, RegisterError> {
    let (scripts, hook) = (&attempt.cx.snapshot.scripts, Hook::VerifyEvidence);
    if !scripts.has(hook) {
        return Ok(None);
    }
    let facts = attempt.facts(proofs, requested.clone());
    match scripts.ask(hook, facts, requested.clone()).await {
        Ok(said) => Ok(said),
        Err(HookError::Refused { script }) => {
            tracing::info!(script, "a script rejected the evidence");
            Err(refused(
                "was appraised and does not meet the requirements of this server",
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends step 12: applies the appraisal of `createClient` or `updateClient`, and rejects the request if an
/// appraisal was required and no script made one.
pub(in crate::registration) fn settle(
    proven: Proven,
    decided: &Decision,
) -> Result<Proven, RegisterError> {
    match &decided.attestation {
        Some(said) => Ok(Proven {
            proofs: attested(proven.proofs, said),
            ..proven
        }),
        None if proven.is_evidence_owed => Err(unappraised()),
        None => Ok(proven),
    }
}

/// The verdict is `true`, or a map that later hooks see.
fn attested(mut proofs: Arc<Proofs>, said: &Value) -> Arc<Proofs> {
    let changed = Arc::make_mut(&mut proofs);
    changed.trust_level = changed.trust_level.max(TrustLevel::Attested);
    if said.is_object() {
        changed.attestation = Some(said.clone());
    }
    proofs
}

/// The operator has to fix this configuration. Until then, registrations that need an appraisal are rejected.
fn unappraised() -> RegisterError {
    tracing::error!(
        "evidence is required, but no script appraised it: define verifyEvidence, or set \
         context.attestation in createClient"
    );
    refused("is required, but this server has no script that appraises it")
}

fn refused(rule: impl Into<String>) -> RegisterError {
    RegisterError::Unproven(Violation::metadata("evidence", rule))
}
