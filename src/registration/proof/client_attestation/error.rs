//! The errors of client attestations.

use crate::base::Secret;

/// Why a client attestation is rejected. Each reason has its own error code.
#[derive(Debug, thiserror::Error)]
pub enum ClientAttestationError {
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
