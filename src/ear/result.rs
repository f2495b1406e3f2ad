//! An attestation result, read: one name for each thing, whoever wrote it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Check, Failure, Tier, vector};
use crate::x509;

/// Parts of one result.
const MOST_SUBMODULES: usize = 32;

/// An attestation result that was taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttestationResult {
    /// The worst status of its parts.
    pub status: Tier,
    /// `eat_profile`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `iat`
    pub issued_at: u64,
    /// Who appraised.
    pub verifier: VerifierId,
    /// The policies by which it appraised.
    pub policies: Vec<String>,
    /// The public keys that are attested, as JWKs.
    pub keys: Vec<Value>,
    /// The parts by their names.
    pub submods: BTreeMap<String, Submodule>,
}

/// Who appraised, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifierId {
    /// Who made it.
    pub developer: String,
    /// Which of its versions it is.
    pub build: String,
}

/// The result for one part of the attester.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Submodule {
    /// How far it can be trusted.
    pub status: Tier,
    /// The claims of its trustworthiness vector, with underscores in their names.
    pub vector: BTreeMap<String, i8>,
    /// The policies by which it was appraised.
    pub policies: Vec<String>,
    /// The public key that is attested, as a JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// What the verifier read in the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotated_evidence: Option<Value>,
    /// Whether the verifier says that the nonce in the evidence is another one.
    #[serde(skip)]
    pub(super) is_stale: bool,
}

/// A name without what differs between those who write it: `ear.verifier-id` and
/// `ear_verifier_id` are `verifier_id`.
pub(super) fn plain(name: &str) -> String {
    let name = name.replace(['.', '-'], "_");
    name.strip_prefix("ear_").map(str::to_owned).unwrap_or(name)
}

/// `members` by their plain names; refused when two of them are one.
fn plainly(members: &Map<String, Value>) -> Result<BTreeMap<String, &Value>, Failure> {
    let mut named = BTreeMap::new();
    for (name, value) in members {
        if named.insert(plain(name), value).is_some() {
            return Err(malformed(&format!("the result has `{}` twice", plain(name))));
        }
    }
    Ok(named)
}

pub(super) fn malformed(message: &str) -> Failure {
    Failure::new(Check::Form, message)
}

/// Reads the claims of a result. What is not known is passed over.
pub(super) fn read(claims: &Map<String, Value>) -> Result<AttestationResult, Failure> {
    let named = plainly(claims)?;
    let submods = named.get("submods").and_then(|value| value.as_object());
    let submods = submods.filter(|all| (1..=MOST_SUBMODULES).contains(&all.len()));
    let submods = submods.ok_or_else(|| malformed("the result needs 1 to 32 parts in `submods`"))?;
    let submods: BTreeMap<String, Submodule> = submods
        .iter()
        .map(|(name, value)| Ok((name.clone(), submodule(name, value)?)))
        .collect::<Result<_, Failure>>()?;
    let mut policies: Vec<String> = submods.values().flat_map(|part| part.policies.clone()).collect();
    policies.sort_unstable();
    policies.dedup();
    Ok(AttestationResult {
        // What says nothing is the worst of all, so that no part hides behind another one.
        status: submods.values().map(|part| part.status).max_by_key(|tier| rank(*tier)).unwrap_or(Tier::None),
        profile: named.get("eat_profile").and_then(|value| value.as_str()).map(str::to_owned),
        issued_at: claims.get("iat").and_then(Value::as_u64).unwrap_or_default(),
        verifier: verifier(named.get("verifier_id").copied())?,
        policies,
        keys: submods.values().filter_map(|part| part.key.clone()).collect(),
        submods,
    })
}

const fn rank(tier: Tier) -> u8 {
    match tier {
        Tier::Affirming => 0,
        Tier::Warning => 1,
        Tier::None => 2,
        Tier::Contraindicated => 3,
    }
}

fn verifier(value: Option<&Value>) -> Result<VerifierId, Failure> {
    let Some(value) = value else { return Ok(VerifierId::default()) };
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match value {
        Value::Object(_) => Ok(VerifierId { developer: text("developer"), build: text("build") }),
        Value::String(name) => Ok(VerifierId { developer: name.clone(), build: String::new() }),
        _ => Err(malformed("`verifier-id` of the result is malformed")),
    }
}

fn submodule(name: &str, value: &Value) -> Result<Submodule, Failure> {
    let members = value.as_object().ok_or_else(|| malformed(&format!("{name} is not an object")))?;
    let named = plainly(members)?;
    let status = named.get("status").and_then(|value| Tier::of_status(value));
    let status = status.ok_or_else(|| malformed(&format!("{name} has no status that is known")))?;
    let problem = named.get("veraison_policy_claims").and_then(|claims| claims.get("problem"));
    Ok(Submodule {
        status,
        vector: vector::read(name, named.get("trustworthiness_vector").copied())?,
        policies: policies(&named),
        key: key(name, named.get("veraison_key_attestation").copied())?,
        annotated_evidence: named.get("veraison_annotated_evidence").map(|value| (*value).clone()),
        is_stale: problem.and_then(Value::as_str).is_some_and(is_about_nonce),
    })
}

/// One policy in `appraisal-policy-id`, or several in `appraisal_policy_ids`.
fn policies(named: &BTreeMap<String, &Value>) -> Vec<String> {
    let one = named.get("appraisal_policy_id").copied().into_iter();
    let several = named.get("appraisal_policy_ids").and_then(|value| value.as_array()).into_iter().flatten();
    one.chain(several).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A verifier says in words what is wrong with evidence. The words may repeat both nonces, so
/// they are not shown to anybody.
fn is_about_nonce(problem: &str) -> bool {
    let problem = problem.to_ascii_lowercase();
    problem.contains("freshness") || problem.contains("nonce")
}

/// `akpub`: a `SubjectPublicKeyInfo` in base64url.
fn key(name: &str, value: Option<&Value>) -> Result<Option<Value>, Failure> {
    let Some(akpub) = value.and_then(|value| value.get("akpub")) else { return Ok(None) };
    let unreadable = || malformed(&format!("the attested key of {name} can not be read"));
    let jwk = akpub.as_str().and_then(jwk_of_text).ok_or_else(unreadable)?;
    Ok(Some(jwk))
}

/// The public key that `text` stands for, a `SubjectPublicKeyInfo` in base64 or base64url, as a JWK.
pub fn jwk_of_text(text: &str) -> Option<Value> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = text.replace('-', "+").replace('_', "/");
    let der = GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(standard).ok()?;
    x509::jwk_of_spki(&der).map(Value::Object)
}
