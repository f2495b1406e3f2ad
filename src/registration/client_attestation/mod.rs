//! A client attestation as the credential of a registration (OAuth 2.0 Attestation-Based Client
//! Authentication): somebody whom the operator trusts attests a client and its key, and the client
//! proves that it holds the key.
//!
//! `attestation.rs` is about the first, `proof.rs` about the second token; `members.rs` is what
//! follows for the metadata. The token endpoint takes the same as the method `attest_jwt_client_auth`.

mod attestation;
mod error;
mod members;
mod proof;

use hyper::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::endpoint::{ATTESTATION, PROOF};
use super::once::Use;
use super::{RegisterError, evidence};
use crate::secret::Secret;
use crate::service::Context;
use crate::store::StoreError;

pub use error::ClientAttestationError;
pub(super) use members::apply;

/// The two headers of a request, each as often as it is there.
pub struct Headers {
    attestation: Vec<String>,
    proof: Vec<String>,
}

impl Headers {
    /// Those in the head of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        // What is no text is no token either.
        let all = |name: &HeaderName| {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap_or_default().to_owned()).collect()
        };
        Self { attestation: all(&ATTESTATION), proof: all(&PROOF) }
    }

    /// Whether neither is there.
    pub const fn are_absent(&self) -> bool {
        self.attestation.is_empty() && self.proof.is_empty()
    }
}

/// A client that was attested, and has proved that it holds its key.
#[derive(Debug, Clone)]
pub struct AttestedClient {
    /// Who attests it.
    issuer: String,
    /// Its name there: no `client_id` exists yet.
    subject: String,
    /// Its public key.
    key: Value,
    /// That its proof is used.
    proof: Use,
}

impl AttestedClient {
    /// What scripts see of it, and what is remembered.
    pub(super) fn shown(&self) -> Value {
        json!({"verifier": self.issuer, "subject": self.subject, "key": self.key})
    }

    /// Who attests it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What it is called there.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Uses up its proof; whether that was good until now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn use_proof(&self, cx: &Context<'_>) -> Result<bool, StoreError> {
        self.proof.claim(cx).await
    }

    /// That its proof is used.
    pub(super) fn uses(&self) -> Use {
        self.proof.clone()
    }
}

/// Verifies both headers, where the operator trusts anybody who attests clients; none when they
/// are not there.
///
/// # Errors
/// When they are not good, or the keys of the attester cannot be had.
pub async fn verify(cx: &Context<'_>, headers: &Headers) -> Result<Option<AttestedClient>, RegisterError> {
    if cx.snapshot.trust.attesters.is_empty() || headers.are_absent() {
        return Ok(None);
    }
    let (Some(attestation), Some(proof)) = (only(&headers.attestation), only(&headers.proof)) else {
        let rule = "OAuth-Client-Attestation and OAuth-Client-Attestation-PoP must be there once each";
        return Err(ClientAttestationError::Invalid(rule.to_owned()).into());
    };
    let attested = attestation::verify(cx, attestation).await?;
    let proven = proof::verify(cx, proof, &attested.key)?;
    if let Some(problem) = proof::check_challenge(cx, proven.challenge.as_deref()).await? {
        return Err(problem);
    }
    let attestation::Attested { issuer, subject, key } = attested;
    Ok(Some(AttestedClient { issuer, subject, key, proof: proven.uses }))
}

fn only(values: &[String]) -> Option<&str> {
    match values {
        [one] => Some(one),
        _ => None,
    }
}

/// A challenge for a proof; none when nobody is trusted to attest clients.
pub(super) async fn challenge(cx: &Context<'_>) -> Result<Option<Secret>, RegisterError> {
    if cx.snapshot.trust.attesters.is_empty() {
        return Ok(None);
    }
    evidence::new_nonce(cx).await.map(Some)
}
