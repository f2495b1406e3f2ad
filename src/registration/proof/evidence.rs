//! Step 9: attestation evidence (draft-tschofenig-oauth-attested-dclient-reg). It precedes the rules for
//! metadata, so that a first, minimal request obtains the nonce for its evidence.
//!
//! Only a script can appraise evidence: `verifyEvidence` in this step, or `createClient` and `updateClient`
//! in step 12, which set `context.attestation`. Where evidence is required and no script has appraised it,
//! the request is rejected: a script that lets a request pass may not have checked its evidence.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{Secret, Violation, printable, sha256_hex};
use crate::client::{Metadata, ScriptRef, TrustLevel};
use crate::registration::{Attempt, Proven, RegisterError, Use, single_use};
use crate::script::{Answered, Decision, Hook, HookError, Proofs};
use crate::service::Context;
use crate::store::expiring::nonces::NonceError;

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

/// Returns `stale_evidence` with a nonce: the verifier's nonce if a script obtains one, else a nonce of this
/// server. Returns the reason if no nonce can be issued.
pub(in crate::registration) async fn stale(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    requested: &Metadata,
) -> RegisterError {
    match nonce(attempt, proofs, requested).await {
        Ok(nonce) => RegisterError::StaleEvidence(nonce),
        Err(error) => error,
    }
}

async fn nonce(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    requested: &Metadata,
) -> Result<Secret, RegisterError> {
    let (scripts, hook) = (&attempt.cx.snapshot.scripts, Hook::GetEvidenceNonce);
    if scripts.has(hook) {
        let facts = attempt.facts(proofs, requested.clone());
        let said = scripts.ask(hook, facts, requested.clone()).await?;
        if let Some(Answered {
            value: Value::String(nonce),
            ..
        }) = said
        {
            return Ok(Secret::new(nonce));
        }
    }
    new_nonce(attempt.cx).await
}

/// Issues a nonce that this server remembers.
pub(in crate::registration) async fn new_nonce(cx: &Context<'_>) -> Result<Secret, RegisterError> {
    let lifetime = cx.settings().evidence_nonce_lifetime;
    let most = cx.service.settings.limits.evidence_nonces;
    let (nonces, now) = (&cx.service.store.nonces, cx.service.clock.now());
    match nonces.issue(now, lifetime, most).await {
        Ok(nonce) => Ok(Secret::new(nonce)),
        Err(NonceError::TooMany { retry_after }) => {
            Err(RegisterError::TooManyNonces { retry_after })
        }
        Err(NonceError::Store(error)) => Err(error.into()),
        Err(NonceError::Randomness(error)) => Err(error.into()),
    }
}

/// The maximum length of the name of a verifier or a policy, in bytes.
const NAME_BYTES: usize = 512;

/// What the server records of an appraisal: who made it, by which policy, and a digest of the result. The
/// evidence itself reveals more about a device than is needed later.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::registration) struct AppraisalOrigin {
    /// SHA-256 of the result as JSON, in hex.
    pub(in crate::registration) digest: Option<String>,
    pub(in crate::registration) verifier: Option<String>,
    pub(in crate::registration) policy: Option<String>,
}

impl AppraisalOrigin {
    /// Reads the facts from the verdict of a script.
    pub(in crate::registration) fn of(attestation: Option<&Value>) -> Self {
        let Some(said @ Value::Object(members)) = attestation else {
            return Self::default();
        };
        Self {
            digest: Some(sha256_hex(said.to_string().as_bytes())),
            verifier: first_name(members, &["verifier"]),
            policy: first_name(members, &["policy", "policies"]),
        }
    }
}

/// Returns the name in the first of `members` that has one.
fn first_name(said: &Map<String, Value>, members: &[&str]) -> Option<String> {
    for member in members {
        if let Some(value) = said.get(*member)
            && let Some(name) = name_of(value)
        {
            return Some(name);
        }
    }
    None
}

/// Returns a name. Several names are joined into one text: a verifier has a developer and a build
/// (draft-ietf-rats-ear), and there may be several policies.
fn name_of(value: &Value) -> Option<String> {
    let parts: Vec<&Value> = match value {
        Value::String(_) => vec![value],
        Value::Array(all) => all.iter().collect(),
        // Maps of scripts are unordered, so this list sets the order of the EAR.
        Value::Object(all) => ["developer", "build"]
            .iter()
            .filter_map(|part| all.get(*part))
            .collect(),
        _ => return None,
    };
    let texts: Vec<&str> = parts.into_iter().filter_map(Value::as_str).collect();
    let text = texts.join(" ");
    let name: String = printable(text.trim()).chars().take(NAME_BYTES).collect();
    if name.is_empty() { None } else { Some(name) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_verifier_is_recorded_in_every_form() {
        let names = |said: Value| {
            let AppraisalOrigin {
                digest,
                verifier,
                policy,
            } = AppraisalOrigin::of(Some(&said));
            assert_eq!(digest.map(|digest| digest.len()), Some(64));
            (verifier.unwrap_or_default(), policy.unwrap_or_default())
        };
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            names(json!({"verifier": "v", "policy": "p"})),
            pair("v", "p")
        );
        let ear = json!({"verifier": {"build": "1", "developer": "acme"}, "policies": ["a", "b"]});
        assert_eq!(names(ear), pair("acme 1", "a b"));
        assert_eq!(
            names(json!({"verifier": 5, "policies": [], "policy": "\u{e9}\n"})),
            pair("", "?")
        );
        assert_eq!(names(json!({"verifier": "v".repeat(1_000)})).0.len(), 512);
        assert_eq!(
            AppraisalOrigin::of(Some(&json!(true))),
            AppraisalOrigin::default()
        );
        assert_eq!(AppraisalOrigin::of(None), AppraisalOrigin::default());
    }
}
