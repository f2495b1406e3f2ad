//! A client attestation as the credential of a registration (OAuth 2.0 Attestation-Based Client
//! Authentication). An attester that the operator trusts attests a client and its key, and the client proves
//! that it holds the key.
//!
//! `tokens.rs` verifies the two tokens, and [`apply`] applies the result to the metadata: the attested key is
//! registered, the attested software is the software of the client, and the client authenticates with that
//! key. The token endpoint accepts the same two tokens as the method `attest_jwt_client_auth`.

mod tokens;

use hyper::header::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

use super::evidence;
use crate::base::{Secret, Violation, absent};
use crate::jose;
use crate::registration::{RegisterError, Use};
use crate::service::Context;
use crate::store::StoreError;

/// The header that carries a client attestation.
pub(crate) const ATTESTATION_HEADER: HeaderName =
    HeaderName::from_static("oauth-client-attestation");
/// The header that carries the proof of possession of its key.
pub(crate) const PROOF_HEADER: HeaderName = HeaderName::from_static("oauth-client-attestation-pop");
/// The header of a response that carries the challenge for such a proof.
pub(crate) const CHALLENGE_HEADER: HeaderName =
    HeaderName::from_static("oauth-client-attestation-challenge");

/// Why a client attestation is rejected. Each reason has its own error code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientAttestationError {
    /// `invalid_client_attestation`
    #[error("{0}")]
    Invalid(String),
    /// `use_fresh_attestation`: the attestation was valid, and has expired.
    #[error("the client attestation has expired; get a new one from its issuer")]
    Expired,
    /// `use_attestation_challenge`, with the challenge.
    #[error("the proof of the client attestation must contain the challenge in this response")]
    Challenge(Secret),
}

/// The values of the two headers of a request. Either header may be missing or repeated.
#[derive(Default)]
pub(crate) struct AttestationHeaders {
    attestation: Vec<String>,
    proof: Vec<String>,
}

impl AttestationHeaders {
    /// Reads the headers from the head of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self {
            attestation: all_values(headers, &ATTESTATION_HEADER),
            proof: all_values(headers, &PROOF_HEADER),
        }
    }

    /// Whether both headers are missing.
    pub(crate) const fn are_absent(&self) -> bool {
        self.attestation.is_empty() && self.proof.is_empty()
    }
}

/// Returns the values of the header `name`. A value that is not text is not a token either.
fn all_values(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let mut values = Vec::new();
    for value in headers.get_all(name) {
        values.push(value.to_str().unwrap_or_default().to_owned());
    }
    values
}

/// A client that was attested, and has proved that it holds its key.
#[derive(Debug, Clone)]
pub(crate) struct AttestedClient {
    /// The issuer of the attestation.
    issuer: String,
    /// The name that the issuer gives it; no `client_id` exists yet.
    subject: String,
    /// Its public key.
    key: Value,
    /// The single use of its proof.
    proof: Use,
}

impl AttestedClient {
    /// What scripts see of the attestation, and what the server records.
    pub(in crate::registration) fn shown(&self) -> Value {
        json!({"verifier": self.issuer, "subject": self.subject, "key": self.key})
    }

    /// Returns the issuer of the attestation.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the name that the issuer gives the client.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// Uses up the proof. Returns whether it was still unused.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn use_proof(&self, cx: &Context<'_>) -> Result<bool, StoreError> {
        self.proof.claim(cx).await
    }

    /// Returns the single use of its proof.
    pub(in crate::registration) fn uses(&self) -> Use {
        self.proof.clone()
    }
}

/// Verifies both headers if the operator trusts an attester. Returns none if both are missing.
///
/// # Errors
/// When the headers are invalid, or the keys of the attester cannot be fetched.
pub(crate) async fn verify_attestation(
    cx: &Context<'_>,
    headers: &AttestationHeaders,
) -> Result<Option<AttestedClient>, RegisterError> {
    if cx.snapshot.trust.attesters.is_empty() || headers.are_absent() {
        return Ok(None);
    }
    let (Some(attestation), Some(proof)) = (only(&headers.attestation), only(&headers.proof))
    else {
        let rule = "OAuth-Client-Attestation and OAuth-Client-Attestation-PoP must each be sent exactly once";
        return Err(ClientAttestationError::Invalid(rule.to_owned()).into());
    };
    let attested = tokens::verify_attestation(cx, attestation).await?;
    let proven = tokens::verify_proof(cx, proof, &attested.key)?;
    if let Some(problem) = tokens::check_challenge(cx, proven.challenge.as_deref()).await? {
        return Err(problem);
    }
    Ok(Some(AttestedClient {
        issuer: attested.issuer,
        subject: attested.subject,
        key: attested.key,
        proof: proven.uses,
    }))
}

fn only(values: &[String]) -> Option<&str> {
    match values {
        [one] => Some(one),
        _ => None,
    }
}

/// Returns a challenge for a proof, or none if the operator trusts no attester.
pub(in crate::registration) async fn challenge(
    cx: &Context<'_>,
) -> Result<Option<Secret>, RegisterError> {
    if cx.snapshot.trust.attesters.is_empty() {
        return Ok(None);
    }
    evidence::new_nonce(cx).await.map(Some)
}

/// The methods by which a client can authenticate with the attested key, in order of preference.
const METHODS: [&str; 2] = ["attest_jwt_client_auth", "private_key_jwt"];

/// Puts the attested values into `members`.
pub(in crate::registration) fn apply(
    cx: &Context<'_>,
    attested: Option<&AttestedClient>,
    mut members: Map<String, Value>,
) -> Result<Map<String, Value>, RegisterError> {
    let Some(attested) = attested else {
        return Ok(members);
    };
    name(attested, &mut members)?;
    add_key(attested, &mut members)?;
    let supported = &cx.settings().token_endpoint_auth_methods_supported;
    let is_supported = |method: &&str| supported.iter().any(|one| one == method);
    if is_absent(&members, AUTH_METHOD)
        && let Some(method) = METHODS.into_iter().find(is_supported)
    {
        members.insert(AUTH_METHOD.to_owned(), method.into());
    }
    Ok(members)
}

const AUTH_METHOD: &str = "token_endpoint_auth_method";

fn is_absent(members: &Map<String, Value>, name: &str) -> bool {
    match members.get(name) {
        Some(value) => absent::is_absent(value),
        None => true,
    }
}

/// Sets `software_id` from the `sub` of the attestation: no `client_id` exists yet that the `sub` could be.
fn name(attested: &AttestedClient, members: &mut Map<String, Value>) -> Result<(), RegisterError> {
    if is_absent(members, "software_id") {
        members.insert("software_id".to_owned(), attested.subject.as_str().into());
    }
    if members.get("software_id").and_then(Value::as_str) == Some(&attested.subject) {
        return Ok(());
    }
    Err(refused(
        "software_id",
        "must be the `sub` of the client attestation, or absent",
    ))
}

fn add_key(
    attested: &AttestedClient,
    members: &mut Map<String, Value>,
) -> Result<(), RegisterError> {
    if !is_absent(members, "jwks_uri") {
        let rule = "cannot be used with a client attestation, because the attested key is registered in jwks";
        return Err(refused("jwks_uri", rule));
    }
    if is_absent(members, "jwks") {
        members.insert("jwks".to_owned(), json!({ "keys": [attested.key] }));
        return Ok(());
    }
    let Some(jwks) = members.get_mut("jwks") else {
        return Ok(());
    };
    // A value that is not a JWK Set is rejected by the rules for metadata.
    if !jose::key_is_in(&attested.key, jwks)
        && let Some(Value::Array(keys)) = jwks.get_mut("keys")
    {
        keys.push(attested.key.clone());
    }
    Ok(())
}

fn refused(member: &str, rule: &str) -> RegisterError {
    RegisterError::Unproven(Violation::metadata(member, rule))
}
