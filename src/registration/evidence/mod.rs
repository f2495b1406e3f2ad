//! Step 9: attestation evidence (draft-tschofenig-oauth-attested-dclient-reg). It comes before the
//! metadata rules, so that a first, minimal request learns the nonce that evidence is made with.
//!
//! What evidence is worth only a script can say: `verifyEvidence` here, or `createClient` and
//! `updateClient` at step 12, which set `context.attestation`. Where evidence is required and
//! neither says so, the request is refused: a script that let it pass may not have looked.

mod challenge;
mod origin;

use serde_json::Value;

use super::hooks::{self, Shown};
use super::once::{self, Use};
use super::{Caller, Proven, Purpose, RegisterError};
use crate::client::{Metadata, ScriptRef, TrustLevel};
use crate::model::Violation;
use crate::script::{Answered, Decision, Hook, HookError};
use crate::service::Context;

pub(super) use challenge::{new_nonce, stale};
pub(super) use origin::Origin;

/// Members that are about the evidence; nobody is told them after the answer.
pub(super) const MEMBERS: [&str; 3] = ["evidence", "evidence_nonce", "evidence_type"];

/// What became of the evidence of a request.
#[derive(Default)]
pub(super) struct Appraised {
    /// What `verifyEvidence` said of it.
    verdict: Option<Answered>,
    /// Whether a script must still say what it is worth.
    pub(super) is_owed: bool,
    /// That it is used.
    pub(super) uses: Option<Use>,
}

impl Appraised {
    /// The script that appraised it.
    pub(super) fn by(&self) -> Option<ScriptRef> {
        self.verdict.as_ref().map(|verdict| verdict.by.clone())
    }

    /// What later hooks see.
    pub(super) fn over(&self, shown: Shown) -> Shown {
        match &self.verdict {
            Some(verdict) => attested(shown, &verdict.value),
            None => shown,
        }
    }
}

/// Appraises the evidence of a request, if it has any, and demands it where it is required.
pub(super) async fn appraise(
    cx: &Context<'_>,
    caller: &Caller,
    purpose: Purpose<'_>,
    shown: &Shown,
    requested: &Metadata,
) -> Result<Appraised, RegisterError> {
    let is_required = cx.settings().dcr_attestation_evidence_required;
    let evidence = match read(cx, requested)? {
        Some(evidence) => evidence,
        None if is_required => return Err(stale(cx, caller, shown, requested).await),
        None => return Ok(Appraised::default()),
    };
    let uses = Use::of_evidence(evidence, cx.service.clock.now());
    if once::is_used(cx, &uses).await? {
        return Err(stale(cx, caller, shown, requested).await);
    }
    let verdict = verdict(cx, caller, shown, requested).await?;
    let is_owed = is_required && verdict.is_none();
    if is_owed && !cx.snapshot.scripts.has(purpose.decision_hook()) {
        return Err(unappraised());
    }
    Ok(Appraised { verdict, is_owed, uses: Some(uses) })
}

/// The evidence: a text, no longer than a script can hold.
fn read<'a>(cx: &Context<'_>, requested: &'a Metadata) -> Result<Option<&'a str>, RegisterError> {
    let most = cx.service.settings.scripts.limits.string_bytes;
    match requested.get("evidence") {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= most => Ok(Some(text)),
        Some(Value::String(text)) => Err(refused(format!("has {} bytes; {most} are allowed", text.len()))),
        Some(_) => Err(refused("must be a string; write evidence that is no text in base64url")),
    }
}

/// What `verifyEvidence` says; none when no script has it, or each leaves it to the next one.
async fn verdict(
    cx: &Context<'_>,
    caller: &Caller,
    shown: &Shown,
    requested: &Metadata,
) -> Result<Option<Answered>, RegisterError> {
    let (scripts, hook) = (&cx.snapshot.scripts, Hook::VerifyEvidence);
    if !scripts.has(hook) {
        return Ok(None);
    }
    let facts = hooks::facts(cx, caller, shown, requested.clone());
    match scripts.ask(hook, facts, requested.clone()).await {
        Ok(said) => Ok(said),
        Err(HookError::Refused { script }) => {
            tracing::info!(script, "evidence was refused");
            Err(refused("was appraised and is not good enough for this server"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Step 12 is over: takes what `createClient` or `updateClient` said of the evidence, and refuses
/// when somebody had to and nobody did.
pub(super) fn settle(proven: Proven, decided: &Decision) -> Result<Proven, RegisterError> {
    match &decided.attestation {
        Some(said) => Ok(Proven { shown: attested(proven.shown, said), ..proven }),
        None if proven.is_evidence_owed => Err(unappraised()),
        None => Ok(proven),
    }
}

/// `true`, or a map that later hooks see.
fn attested(shown: Shown, said: &Value) -> Shown {
    let attestation = Some(said.clone()).filter(Value::is_object).or(shown.attestation);
    Shown { trust_level: shown.trust_level.max(TrustLevel::Attested), attestation, ..shown }
}

/// The operator's mistake, and it must not cost more than a registration.
fn unappraised() -> RegisterError {
    tracing::error!(
        "evidence is required, and no script appraised it: define verifyEvidence, or set context.attestation in createClient"
    );
    refused("is required, and this server has nothing that appraises it")
}

fn refused(rule: impl Into<String>) -> RegisterError {
    RegisterError::Unproven(Violation::metadata("evidence", rule))
}
