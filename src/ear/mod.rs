//! Attestation results in the EAR format (draft-ietf-rats-ear, with the trustworthiness vector of
//! draft-ietf-rats-ar4si): a verifier's appraisal of evidence, and its comparison with the
//! expectations.
//!
//! This module is pure. Signature and times are verified beforehand ([`crate::jose`]). Deployed
//! verifiers write names with dots and hyphens, and the current draft writes underscores. Both are
//! accepted.

mod expectations;
mod failure;
mod judge;
mod result;
#[cfg(test)]
mod tests;

pub(crate) use expectations::AppraisalExpectations;
pub(crate) use expectations::Tier;
pub(crate) use failure::{AppraisalFailure, Check};
pub(crate) use judge::judge;
pub(crate) use result::{AttestationResult, jwk_of_text};
