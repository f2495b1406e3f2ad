//! Why a client attestation is not taken.

use crate::secret::Secret;

/// Why a client attestation is not taken: each has a code of its own.
#[derive(Debug, thiserror::Error)]
pub enum ClientAttestationError {
    /// `invalid_client_attestation`
    #[error("{0}")]
    Invalid(String),
    /// `use_fresh_attestation`: it was good once.
    #[error("the client attestation has expired; get a new one from its issuer")]
    Expired,
    /// `use_attestation_challenge`, with the challenge.
    #[error("the proof of the client attestation needs the challenge of this answer")]
    Challenge(Secret),
}
