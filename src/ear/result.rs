//! An attestation result with uniform names, whichever verifier wrote it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{AppraisalFailure, Check, Tier, vector};
use crate::x509;

/// The maximum number of submodules of one result.
const MOST_SUBMODULES: usize = 32;

/// An attestation result that was accepted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AttestationResult {
    /// The worst status of its submodules.
    pub status: Tier,
    /// `eat_profile`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `iat`
    pub issued_at: u64,
    /// The verifier that appraised the evidence.
    pub verifier: VerifierId,
    /// The policies that it applied.
    pub policies: Vec<String>,
    /// The attested public keys, as JWKs.
    pub keys: Vec<Value>,
    /// The submodules by name.
    pub submods: BTreeMap<String, Submodule>,
}

/// The verifier, as it identifies itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct VerifierId {
    /// The organisation that made it.
    pub developer: String,
    /// The version of its software.
    pub build: String,
}

/// The result for one submodule of the attester.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Submodule {
    /// Its trust tier.
    pub status: Tier,
    /// The claims of its trustworthiness vector, with underscores in their names.
    pub vector: BTreeMap<String, i8>,
    /// The policies that were applied to it.
    pub policies: Vec<String>,
    /// The attested public key, as a JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// The verifier's annotations of the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotated_evidence: Option<Value>,
    /// Whether the verifier reports that the evidence has a different nonce.
    #[serde(skip)]
    pub(super) is_stale: bool,
}

/// Returns a name in its uniform spelling: `ear.verifier-id` and `ear_verifier_id` become
/// `verifier_id`.
pub(super) fn plain(name: &str) -> String {
    let name = name.replace(['.', '-'], "_");
    name.strip_prefix("ear_").map(str::to_owned).unwrap_or(name)
}

/// Returns `members` by their uniform names, or an error if two names become the same.
fn plainly(members: &Map<String, Value>) -> Result<BTreeMap<String, &Value>, AppraisalFailure> {
    let mut named = BTreeMap::new();
    for (name, value) in members {
        if named.insert(plain(name), value).is_some() {
            return Err(malformed(&format!(
                "the result contains `{}` twice",
                plain(name)
            )));
        }
    }
    Ok(named)
}

pub(super) fn malformed(message: &str) -> AppraisalFailure {
    AppraisalFailure::new(Check::Form, message)
}

/// Reads the claims of a result. Unknown claims are ignored.
pub(super) fn read(claims: &Map<String, Value>) -> Result<AttestationResult, AppraisalFailure> {
    let named = plainly(claims)?;
    let submods = submodules(named.get("submods").copied())?;
    // A submodule without information is ranked as the worst, so that it cannot hide behind another.
    let worst = submods.values().max_by_key(|part| rank(part.status));
    let mut policies = BTreeSet::new();
    let mut keys = Vec::new();
    for part in submods.values() {
        policies.extend(part.policies.iter().cloned());
        keys.extend(part.key.clone());
    }
    let profile = named.get("eat_profile").and_then(|value| value.as_str());
    let issued_at = claims.get("iat").and_then(Value::as_u64);
    Ok(AttestationResult {
        status: worst.map_or(Tier::None, |part| part.status),
        profile: profile.map(str::to_owned),
        issued_at: issued_at.unwrap_or_default(),
        verifier: verifier(named.get("verifier_id").copied())?,
        policies: policies.into_iter().collect(),
        keys,
        submods,
    })
}

fn submodules(value: Option<&Value>) -> Result<BTreeMap<String, Submodule>, AppraisalFailure> {
    let all = value.and_then(Value::as_object);
    let Some(all) = all.filter(|all| (1..=MOST_SUBMODULES).contains(&all.len())) else {
        return Err(malformed(
            "the result must have 1 to 32 submodules in `submods`",
        ));
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
    let Some(value) = value else {
        return Ok(VerifierId::default());
    };
    let text = |name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    match value {
        Value::Object(_) => Ok(VerifierId {
            developer: text("developer"),
            build: text("build"),
        }),
        Value::String(name) => Ok(VerifierId {
            developer: name.clone(),
            build: String::new(),
        }),
        _ => Err(malformed("`verifier-id` of the result is malformed")),
    }
}

fn submodule(name: &str, value: &Value) -> Result<Submodule, AppraisalFailure> {
    let members = value
        .as_object()
        .ok_or_else(|| malformed(&format!("{name} is not an object")))?;
    let named = plainly(members)?;
    let status = named.get("status").and_then(|value| Tier::of_status(value));
    let status = status.ok_or_else(|| malformed(&format!("{name} has no known status")))?;
    let problem = named
        .get("veraison_policy_claims")
        .and_then(|claims| claims.get("problem"));
    Ok(Submodule {
        status,
        vector: vector::read(name, named.get("trustworthiness_vector").copied())?,
        policies: policies(&named),
        key: key(name, named.get("veraison_key_attestation").copied())?,
        annotated_evidence: named
            .get("veraison_annotated_evidence")
            .map(|value| (*value).clone()),
        is_stale: problem.and_then(Value::as_str).is_some_and(is_about_nonce),
    })
}

/// Reads the single policy in `appraisal-policy-id`, or several in `appraisal_policy_ids`.
fn policies(named: &BTreeMap<String, &Value>) -> Vec<String> {
    let one = named.get("appraisal_policy_id").copied().into_iter();
    let several = named
        .get("appraisal_policy_ids")
        .and_then(|value| value.as_array())
        .into_iter()
        .flatten();
    one.chain(several)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
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
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = text.replace('-', "+").replace('_', "/");
    let der = GeneralPurpose::new(&alphabet::STANDARD, LENIENT)
        .decode(standard)
        .ok()?;
    x509::jwk_of_spki(&der).map(Value::Object)
}
