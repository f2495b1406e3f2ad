//! Attestation results in the form EAR (draft-ietf-rats-ear, with the trustworthiness vector of
//! draft-ietf-rats-ar4si): what a verifier says of evidence, judged by what is expected.
//!
//! Pure: signature and times are verified before ([`crate::jose`]). Deployed verifiers write names
//! with dots and hyphens, the draft of today with underscores; both are read.

mod expectations;
mod failure;
mod judge;
mod nonce;
mod result;
#[cfg(test)]
mod tests;
mod tier;
mod vector;

pub use expectations::{Expectations, Floor};
pub use failure::{Check, Failure};
pub use judge::judge;
pub use result::{AttestationResult, Submodule, VerifierId, jwk_of_text};
pub use tier::Tier;
