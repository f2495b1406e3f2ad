//! The errors of a registration.

use crate::base::{JsonError, NoRandomness, SealError, Secret, Violation};
use crate::fetch::FetchError;
use crate::http::{BadCredentials, BodyError};
use crate::registration::{ClientAttestationError, FrontError};
use crate::script::HookError;
use crate::service::Limited;
use crate::store::StoreError;

impl RegisterError {
    /// Whether a client attestation or its proof is invalid. One that has expired, or lacks a challenge, does
    /// not count.
    pub(crate) const fn is_invalid_attestation(&self) -> bool {
        matches!(
            self,
            Self::ClientAttestation(ClientAttestationError::Invalid(_))
        )
    }
}

/// Why a registration or an update is rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    /// `dynamicRegistrationEnabled` is false.
    #[error("client registration is currently disabled on this server")]
    Disabled,
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is not one JSON object.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A required initial access token is missing, or the token is invalid.
    #[error("the initial access token is missing or invalid")]
    Unauthorised(BadCredentials),
    /// The `Authorization` header has no valid initial access token, and none is required.
    #[error(
        "the Authorization header has no valid initial access token; this server registers clients without one: omit \
         the header, or send a valid token as `Bearer`"
    )]
    NeedlessToken,
    /// An access token of the token endpoint was sent instead of an initial access token.
    #[error("this access token cannot register clients; use an initial access token")]
    OtherToken,
    /// The address, or the bearer of the token, has registered too often.
    #[error(transparent)]
    TooOften(#[from] Limited),
    /// `dcrAuthorizationWithMTLS`: the request came without a client certificate.
    #[error(
        "a client certificate is required: connect with one signed by an authority that this server trusts"
    )]
    NoCertificate,
    /// `dcrAuthorizationWithMTLS`: the certificate is not trusted.
    #[error(
        "the client certificate is not trusted: it has expired, or is not signed by an authority that this \
         server trusts"
    )]
    UntrustedCertificate,
    /// The metadata names a subject other than the subject of the certificate.
    #[error("{member}: must match the client certificate, whose subject is {subject}")]
    OtherCertificate {
        /// The member.
        member: &'static str,
        /// The subject of the certificate.
        subject: String,
    },
    /// The certificate does not belong to the client.
    #[error("the client certificate does not belong to this client")]
    ForeignCertificate,
    /// Evidence is missing or is not fresh (draft-tschofenig-oauth-attested-dclient-reg section 4). Holds the
    /// nonce for new evidence.
    #[error("The provided evidence is not current.")]
    StaleEvidence(Secret),
    /// The number of outstanding nonces has reached its limit.
    #[error("too many outstanding nonces; retry later")]
    TooManyNonces {
        /// Seconds until a nonce may be available.
        retry_after: u64,
    },
    /// Another request has used the last of what a script reserved.
    #[error("a limit of this server for registrations was reached; retry later")]
    NothingLeft {
        /// Seconds until the limit begins anew.
        retry_after: u64,
    },
    /// A client attestation is rejected.
    #[error(transparent)]
    ClientAttestation(#[from] ClientAttestationError),
    /// A credential is not accepted, or a required one is missing.
    #[error("{0}")]
    Unproven(Violation),
    /// Keys at a location that the operator configured are currently unavailable.
    #[error("the keys that verify this request are currently unavailable: {0}")]
    NoKeys(FetchError),
    /// The metadata breaks these rules; there is at least one.
    #[error("{}", describe(.0))]
    Metadata(Vec<Violation>),
    /// A script rejected the request, failed, or could not run.
    #[error("a script stopped the request")]
    Hook(#[from] HookError),
    /// Scripts changed the metadata so that it breaks these rules. The operator has to fix the scripts.
    #[error("scripts left metadata that breaks the rules: {}", describe(.violations))]
    SpoiledByScript {
        /// The scripts that ran.
        scripts: Vec<String>,
        /// The broken rules.
        violations: Vec<Violation>,
    },
    /// A script holds the request, and no request waits on this server.
    #[error(
        "an administrator must approve this request, and requests do not wait for approval on this server"
    )]
    NotApproved,
    /// Another update of the client waits for approval.
    #[error(
        "an update of this client already waits for approval; cancel it, or wait for the decision"
    )]
    UpdateWaits,
    /// As many requests wait for approval as are allowed.
    #[error("too many registrations wait for approval; retry later")]
    TooManyPending,
    /// Another request changed the client first.
    #[error("another request changed the client at the same time; read it and retry")]
    Conflict,
    /// The store could not store the client.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// No identifier or secret could be created.
    #[error("no secret could be created")]
    Randomness(#[from] NoRandomness),
    /// A secret could not be sealed or opened.
    #[error("a client secret could not be sealed or opened")]
    Seal(#[from] SealError),
    /// The upstream server has not done it.
    #[error(transparent)]
    Upstream(#[from] FrontError),
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

/// Rejects the request if there are `violations`.
///
/// # Errors
/// All of them.
pub(super) fn reject_any(violations: Vec<Violation>) -> Result<(), RegisterError> {
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations.into())
    }
}

/// The maximum length of a description in bytes: enough for a dozen violations, and small enough for any
/// client.
const MAXIMUM_DESCRIPTION: usize = 2_000;

/// The number of members that break the same rule and are all named.
const MOST_NAMED: usize = 8;

/// Joins as many violations as fit into one line. Members that break the same rule share its text.
fn describe(violations: &[Violation]) -> String {
    let (mut text, mut left) = (String::new(), violations.len());
    for (members, rule) in grouped(violations) {
        let next = group(&members, rule);
        if !text.is_empty() && text.len() + next.len() > MAXIMUM_DESCRIPTION {
            return format!("{text}; and {left} more");
        }
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&next);
        left = left.saturating_sub(members.len());
    }
    text
}

/// Returns the members that break each rule, in the order of the first of them.
fn grouped(violations: &[Violation]) -> Vec<(Vec<&str>, &str)> {
    let mut groups: Vec<(Vec<&str>, &str)> = Vec::new();
    for Violation { member, rule, .. } in violations {
        match groups.iter_mut().find(|(_, other)| other == rule) {
            Some((members, _)) => members.push(member),
            None => groups.push((vec![member], rule)),
        }
    }
    groups
}

fn group(members: &[&str], rule: &str) -> String {
    let (named, more) = members.split_at(members.len().min(MOST_NAMED));
    let more = match more.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    match named {
        [""] => rule.to_owned(),
        _ => format!("{}{more}: {rule}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_are_reported_in_one_line_of_limited_length() {
        let two = [
            Violation::metadata("a", "must be b"),
            Violation::redirect_uri("c[0]", "must be d"),
        ];
        assert_eq!(describe(&two), "a: must be b; c[0]: must be d");
        let many: Vec<Violation> = (0..1_000)
            .map(|at| Violation::metadata("member", format!("rule {at}")))
            .collect();
        let text = describe(&many);
        assert!(text.len() < 2_100 && text.ends_with(" more"), "{text}");
        let told = text.matches("member").count();
        assert!(
            text.ends_with(&format!("and {} more", 1_000 - told)),
            "{text}"
        );
    }

    #[test]
    fn members_that_break_the_same_rule_share_its_text() {
        let at = |index: usize, rule: &str| Violation::redirect_uri(format!("c[{index}]"), rule);
        let mixed = [
            at(0, "one"),
            at(1, "other"),
            at(2, "one"),
            Violation::metadata("", "whole"),
        ];
        assert_eq!(describe(&mixed), "c[0], c[2]: one; c[1]: other; whole");
        let many: Vec<Violation> = (0..32).map(|index| at(index, "one")).collect();
        let eight = "c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]";
        assert_eq!(describe(&many), format!("{eight} and 24 more: one"));
    }
}
