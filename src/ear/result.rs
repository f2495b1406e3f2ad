//! An attestation result with uniform names, whichever verifier wrote it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ear::{AppraisalFailure, Check, Tier};
use crate::x509;

/// The maximum number of submodules of one result.
const MOST_SUBMODULES: usize = 32;

/// An attestation result that was accepted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AttestationResult {
    /// The worst status of its submodules.
    pub(crate) status: Tier,
    /// `eat_profile`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    /// `iat`
    pub(crate) issued_at: u64,
    /// The verifier that appraised the evidence.
    pub(crate) verifier: VerifierId,
    /// The policies that it applied.
    pub(crate) policies: Vec<String>,
    /// The attested public keys, as JWKs.
    pub(crate) keys: Vec<Value>,
    /// The submodules by name.
    pub(crate) submods: BTreeMap<String, Submodule>,
}

/// The verifier, as it identifies itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct VerifierId {
    /// The organisation that made it.
    pub(crate) developer: String,
    /// The version of its software.
    pub(crate) build: String,
}

/// The result for one submodule of the attester.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Submodule {
    /// Its trust tier.
    pub(crate) status: Tier,
    /// The claims of its trustworthiness vector, with underscores in their names.
    pub(crate) vector: BTreeMap<String, i8>,
    /// The policies that were applied to it.
    pub(crate) policies: Vec<String>,
    /// The attested public key, as a JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Value>,
    /// The verifier's annotations of the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) annotated_evidence: Option<Value>,
    /// Whether the verifier reports that the evidence has a different nonce.
    #[serde(skip)]
    pub(super) is_stale: bool,
}

/// Returns a name in its uniform spelling: `ear.verifier-id` and `ear_verifier_id` become
/// `verifier_id`.
pub(super) fn plain(name: &str) -> String {
    let name = name.replace(['.', '-'], "_");
    match name.strip_prefix("ear_") {
        Some(short) => short.to_owned(),
        None => name,
    }
}

/// Returns `members` by their uniform names, or an error if two names become the same.
fn plainly(members: &Map<String, Value>) -> Result<BTreeMap<String, &Value>, AppraisalFailure> {
    let mut named = BTreeMap::new();
    for (name, value) in members {
        if named.insert(plain(name), value).is_some() {
            let name = plain(name);
            return Err(malformed(&format!("the result contains `{name}` twice")));
        }
    }
    Ok(named)
}

fn malformed(message: &str) -> AppraisalFailure {
    AppraisalFailure::new(Check::Form, message)
}

/// Reads the claims of a result. Unknown claims are ignored.
pub(super) fn read(claims: &Map<String, Value>) -> Result<AttestationResult, AppraisalFailure> {
    let named = plainly(claims)?;
    let submods = submodules(named.get("submods").copied())?;
    let mut status = Tier::None;
    let mut policies = BTreeSet::new();
    let mut keys = Vec::new();
    // A submodule without information is ranked as the worst, so that it cannot hide behind another.
    if let Some(worst) = submods.values().max_by_key(|part| rank(part.status)) {
        status = worst.status;
    }
    for part in submods.values() {
        policies.extend(part.policies.iter().cloned());
        keys.extend(part.key.clone());
    }
    Ok(AttestationResult {
        status,
        profile: text(&named, "eat_profile"),
        issued_at: claims.get("iat").and_then(Value::as_u64).unwrap_or(0),
        verifier: verifier(named.get("verifier_id").copied())?,
        policies: policies.into_iter().collect(),
        keys,
        submods,
    })
}

fn text(named: &BTreeMap<String, &Value>, name: &str) -> Option<String> {
    match named.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn submodules(value: Option<&Value>) -> Result<BTreeMap<String, Submodule>, AppraisalFailure> {
    let all = match value {
        Some(Value::Object(all)) if (1..=MOST_SUBMODULES).contains(&all.len()) => all,
        _ => {
            return Err(malformed(
                "the result must have 1 to 32 submodules in `submods`",
            ));
        }
    };
    let mut submods = BTreeMap::new();
    for (name, value) in all {
        submods.insert(name.clone(), submodule(name, value)?);
    }
    Ok(submods)
}

const fn rank(tier: Tier) -> u8 {
    match tier {
        Tier::Affirming => 0,
        Tier::Warning => 1,
        Tier::None => 2,
        Tier::Contraindicated => 3,
    }
}

fn verifier(value: Option<&Value>) -> Result<VerifierId, AppraisalFailure> {
    match value {
        None => Ok(VerifierId::default()),
        Some(Value::Object(members)) => {
            let text = |name: &str| match members.get(name) {
                Some(Value::String(text)) => text.clone(),
                _ => String::new(),
            };
            Ok(VerifierId {
                developer: text("developer"),
                build: text("build"),
            })
        }
        Some(Value::String(name)) => Ok(VerifierId {
            developer: name.clone(),
            build: String::new(),
        }),
        Some(_) => Err(malformed("`verifier-id` of the result is malformed")),
    }
}

fn submodule(name: &str, value: &Value) -> Result<Submodule, AppraisalFailure> {
    let Value::Object(members) = value else {
        return Err(malformed(&format!("{name} is not an object")));
    };
    let named = plainly(members)?;
    let Some(status) = named.get("status").and_then(|value| Tier::of_status(value)) else {
        return Err(malformed(&format!("{name} has no known status")));
    };
    let claims = named.get("veraison_policy_claims");
    let problem = claims.and_then(|claims| claims.get("problem")?.as_str());
    let evidence = named.get("veraison_annotated_evidence");
    Ok(Submodule {
        status,
        vector: vector(name, named.get("trustworthiness_vector").copied())?,
        policies: policies(&named),
        key: key(name, named.get("veraison_key_attestation").copied())?,
        annotated_evidence: evidence.map(|evidence| Value::clone(evidence)),
        is_stale: problem.is_some_and(is_about_nonce),
    })
}

/// Reads the claims of a trustworthiness vector (draft-ietf-rats-ar4si section 2.3.4) by their uniform names.
fn vector(
    submodule: &str,
    value: Option<&Value>,
) -> Result<BTreeMap<String, i8>, AppraisalFailure> {
    let mut vector = BTreeMap::new();
    let Some(value) = value else {
        return Ok(vector);
    };
    let malformed = || {
        malformed(&format!(
            "the trustworthiness vector of {submodule} is malformed"
        ))
    };
    for (name, value) in value.as_object().ok_or_else(malformed)? {
        let value = value.as_i64().ok_or_else(malformed)?;
        let value = i8::try_from(value).map_err(|_| malformed())?;
        vector.insert(plain(name), value);
    }
    Ok(vector)
}

/// Reads the single policy in `appraisal-policy-id`, or several in `appraisal_policy_ids`.
fn policies(named: &BTreeMap<String, &Value>) -> Vec<String> {
    let mut policies = Vec::new();
    policies.extend(text(named, "appraisal_policy_id"));
    if let Some(Value::Array(several)) = named.get("appraisal_policy_ids") {
        for policy in several {
            if let Value::String(policy) = policy {
                policies.push(policy.clone());
            }
        }
    }
    policies
}

/// Whether a verifier's description of a problem concerns the nonce. The description may repeat
/// both nonces, so it is never shown.
fn is_about_nonce(problem: &str) -> bool {
    let problem = problem.to_ascii_lowercase();
    problem.contains("freshness") || problem.contains("nonce")
}

/// Reads `akpub`, a `SubjectPublicKeyInfo` in base64url.
fn key(name: &str, value: Option<&Value>) -> Result<Option<Value>, AppraisalFailure> {
    let Some(akpub) = value.and_then(|value| value.get("akpub")) else {
        return Ok(None);
    };
    match akpub.as_str().and_then(jwk_of_text) {
        Some(jwk) => Ok(Some(jwk)),
        None => Err(malformed(&format!(
            "the attested key of {name} cannot be read"
        ))),
    }
}

/// Returns as a JWK the public key in `text`, a `SubjectPublicKeyInfo` in base64 or base64url.
pub(crate) fn jwk_of_text(text: &str) -> Option<Value> {
    Some(Value::Object(x509::jwk_of_spki(&octets(text)?)?))
}

/// Decodes base64 or base64url, with or without padding.
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = text.replace('-', "+").replace('_', "/");
    let engine = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    engine.decode(standard).ok()
}
