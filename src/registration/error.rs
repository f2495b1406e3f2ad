//! Why a registration is refused.

use super::ClientAttestationError;
use crate::fetch::FetchError;
use crate::http::answer::Presented;
use crate::http::body::BodyError;
use crate::model::Violation;
use crate::model::json::JsonError;
use crate::random::NoRandomness;
use crate::script::HookError;
use crate::secret::{SealError, Secret};
use crate::service::limits::Limited;
use crate::store::StoreError;

impl RegisterError {
    /// Whether a client attestation or its proof is wrong, and not only old or without a challenge.
    pub const fn is_invalid_attestation(&self) -> bool {
        matches!(self, Self::ClientAttestation(ClientAttestationError::Invalid(_)))
    }
}

/// Why a registration or an update is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// `dynamicRegistrationEnabled` is off.
    #[error("this server registers no clients at present")]
    Disabled,
    /// The body can not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is not one JSON object.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// No initial access token where one is needed, or one that is not good.
    #[error("the initial access token is missing or not valid")]
    Unauthorised(Presented),
    /// An access token of the token endpoint, where an initial access token is meant.
    #[error("this access token registers no clients; an initial access token does")]
    OtherToken,
    /// The address, or the holder of the token, registered too often.
    #[error(transparent)]
    TooOften(#[from] Limited),
    /// `dcrAuthorizationWithMTLS`: no client certificate came with the request.
    #[error("a client certificate is needed: connect with one that an authority of this server signed")]
    NoCertificate,
    /// `dcrAuthorizationWithMTLS`: nobody vouches for the certificate.
    #[error(
        "the client certificate is not trusted: it has expired, or no authority of this server signed it"
    )]
    UntrustedCertificate,
    /// The metadata names another subject than that of the certificate.
    #[error("{member}: must be that of the client certificate, whose subject is {subject}")]
    OtherCertificate {
        /// The member.
        member: &'static str,
        /// The subject of the certificate.
        subject: String,
    },
    /// The certificate is not that of the client.
    #[error("the client certificate is not that of this client")]
    ForeignCertificate,
    /// Evidence is needed, or what came is not fresh: draft-tschofenig-oauth-attested-dclient-reg
    /// section 4, with the nonce to make evidence with.
    #[error("The provided evidence is not current.")]
    StaleEvidence(Secret),
    /// As many nonces are out as may be.
    #[error("too many nonces are out; ask again later")]
    TooManyNonces {
        /// Seconds until there may be one.
        retry_after: u64,
    },
    /// A client attestation is not taken.
    #[error(transparent)]
    ClientAttestation(#[from] ClientAttestationError),
    /// The request offers or owes a credential that is not accepted.
    #[error("{0}")]
    Unproven(Violation),
    /// Keys that the operator named can not be had at present.
    #[error("the keys that verify this request can not be had at present: {0}")]
    NoKeys(FetchError),
    /// The metadata breaks these rules: at least one.
    #[error("{}", describe(.0))]
    Metadata(Vec<Violation>),
    /// A script refused, failed, or could not run.
    #[error("a script decided")]
    Hook(#[from] HookError),
    /// Scripts changed the metadata so that it breaks these rules: the operator's mistake.
    #[error("scripts left metadata that breaks the rules: {}", describe(.violations))]
    SpoiledByScript {
        /// The scripts that ran.
        scripts: Vec<String>,
        /// The rules.
        violations: Vec<Violation>,
    },
    /// Another change of the client came first.
    #[error("the client was changed by another request at the same time")]
    Conflict,
    /// The store could not take the client.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// No identifier or secret could be made.
    #[error("no secret could be made")]
    Randomness(#[from] NoRandomness),
    /// A secret could not be sealed or opened.
    #[error("a client secret could not be sealed or opened")]
    Seal(#[from] SealError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            other => Self::Store(other),
        }
    }
}

impl From<Vec<Violation>> for RegisterError {
    fn from(violations: Vec<Violation>) -> Self {
        Self::Metadata(violations)
    }
}

/// Bytes of a description: enough for a dozen violations, too few to be a burden.
const MAXIMUM_DESCRIPTION: usize = 2_000;

/// All violations in one line, as many as fit.
fn describe(violations: &[Violation]) -> String {
    let mut text = String::new();
    for (told, violation) in violations.iter().enumerate() {
        let next = violation.to_string();
        if !text.is_empty() && text.len() + next.len() > MAXIMUM_DESCRIPTION {
            let left = violations.len().saturating_sub(told);
            return format!("{text}; and {left} more");
        }
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_are_told_in_one_line_of_bounded_length() {
        let two = [Violation::metadata("a", "must be b"), Violation::redirect_uri("c[0]", "must be d")];
        assert_eq!(describe(&two), "a: must be b; c[0]: must be d");
        let many: Vec<Violation> = (0..1_000).map(|_| Violation::metadata("member", "a rule")).collect();
        let text = describe(&many);
        assert!(text.len() < 2_100 && text.ends_with(" more"), "{text}");
    }
}
