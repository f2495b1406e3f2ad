//! Why an attestation result is rejected.

use crate::base::printable;

/// The check that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Whether the text is a token.
    Token,
    /// Whether it is signed with an accepted algorithm.
    Algorithm,
    /// Whether a key of the verifier verifies its signature.
    Signature,
    /// Its times, its type, its audience.
    Claims,
    /// Whether it has the format of an EAR.
    Form,
    /// Whether it concerns evidence with the expected nonce.
    Nonce,
    /// Whether all required submodules were appraised.
    Submodules,
    /// The status of a submodule.
    Status,
    /// A claim of a trustworthiness vector.
    Trust,
    /// Which verifier appraised the evidence.
    Verifier,
    /// Which policy the evidence was appraised against.
    Policy,
    /// Whether the attested key is the client's.
    Key,
    /// Whether the expectations themselves are valid.
    Expectations,
}

impl Check {
    /// Returns its name, for scripts.
    pub(crate) const fn as_str(self) -> &'static str {
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

/// Why an attestation result is rejected. The text contains no evidence and no nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct AppraisalFailure {
    /// The check that failed.
    pub(crate) check: Check,
    /// What is wrong.
    pub(crate) message: String,
}

impl AppraisalFailure {
    /// Returns a failure whose text is printable.
    pub(crate) fn new(check: Check, message: impl AsRef<str>) -> Self {
        Self {
            check,
            message: printable(message.as_ref()),
        }
    }
}
