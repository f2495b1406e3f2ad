//! A client attestation as the credential of a registration (OAuth 2.0 Attestation-Based Client
//! Authentication). An attester that the operator trusts attests a client and its key, and the client proves
//! that it holds the key.
//!
//! `attestation.rs` verifies the first token, `proof.rs` the second one. `members.rs` applies the result to
//! the metadata. The token endpoint accepts the same two tokens as the method `attest_jwt_client_auth`.

mod attestation;
mod error;
mod members;
mod proof;

use hyper::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::evidence;
use crate::base::Secret;
use crate::registration::RegisterError;
use crate::registration::endpoint::{ATTESTATION, PROOF};
use crate::registration::single_use::Use;
use crate::service::Context;
use crate::store::StoreError;

pub(crate) use error::ClientAttestationError;
pub(in crate::registration) use members::apply;

/// The values of the two headers of a request. Either header may be missing or repeated.
pub(crate) struct Headers {
    attestation: Vec<String>,
    proof: Vec<String>,
}

impl Headers {
    /// Reads the headers from the head of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        // A value that is not text is not a token either.
        let all = |name: &HeaderName| {
            let values = headers.get_all(name).iter();
            values
                .map(|value| value.to_str().unwrap_or_default().to_owned())
                .collect()
        };
        Self {
            attestation: all(&ATTESTATION),
            proof: all(&PROOF),
        }
    }

    /// Whether both headers are missing.
    pub(crate) const fn are_absent(&self) -> bool {
        self.attestation.is_empty() && self.proof.is_empty()
    }
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
pub(crate) async fn verify(
    cx: &Context<'_>,
    headers: &Headers,
) -> Result<Option<AttestedClient>, RegisterError> {
    if cx.snapshot.trust.attesters.is_empty() || headers.are_absent() {
        return Ok(None);
    }
    let (Some(attestation), Some(proof)) = (only(&headers.attestation), only(&headers.proof))
    else {
        let rule = "OAuth-Client-Attestation and OAuth-Client-Attestation-PoP must each be sent exactly once";
        return Err(ClientAttestationError::Invalid(rule.to_owned()).into());
    };
    let attested = attestation::verify(cx, attestation).await?;
    let proven = proof::verify(cx, proof, &attested.key)?;
    if let Some(problem) = proof::check_challenge(cx, proven.challenge.as_deref()).await? {
        return Err(problem);
    }
    let attestation::Attested {
        issuer,
        subject,
        key,
    } = attested;
    Ok(Some(AttestedClient {
        issuer,
        subject,
        key,
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
