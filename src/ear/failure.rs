//! Why an attestation result is not taken.

use crate::model::violation::printable;

/// What was looked at when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Whether it is a token at all.
    Token,
    /// Whether it is signed as it should be.
    Algorithm,
    /// Whether a key of the verifier signed it.
    Signature,
    /// Its times, its type, its audience.
    Claims,
    /// Whether it has the form of an EAR.
    Form,
    /// Whether it is about evidence with our nonce.
    Nonce,
    /// Whether all parts were appraised that must be.
    Submodules,
    /// The status of a part.
    Status,
    /// A claim of a trustworthiness vector.
    Trust,
    /// Who appraised.
    Verifier,
    /// By which policy.
    Policy,
    /// Whether the attested key is the client's.
    Key,
    /// What is expected is not written as it should be.
    Expectations,
}

impl Check {
    /// Its name, for scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Form => "form",
            Self::Nonce => "nonce",
            Self::Submodules => "submodules",
            Self::Status => "status",
            Self::Trust => "trust",
            Self::Verifier => "verifier",
            Self::Policy => "policy",
            Self::Key => "key",
            Self::Expectations => "expectations",
        }
    }
}

/// Why an attestation result is not taken. Its text shows nothing of evidence and no nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What was looked at.
    pub check: Check,
    /// What is wrong.
    pub message: String,
}

impl Failure {
    /// A failure whose text is printable.
    pub fn new(check: Check, message: impl AsRef<str>) -> Self {
        Self { check, message: printable(message.as_ref()) }
    }
}
