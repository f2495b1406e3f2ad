//! Checks of the issuers of software statements and signed requests, and of the client attesters: whose keys
//! are trusted, and where they come from.

use crate::config::Registration;
use crate::config::trust::{
    ClientAttester, SsaValidationConfig, SsaValidationType, StatementValidation,
};
use crate::config::verdict::Verdict;

pub(super) fn check(registration: &Registration, verdict: &mut Verdict) {
    statements(registration, verdict);
    let entries = &registration.dcr_ssa_validation_configs;
    for (at, entry) in entries.iter().enumerate() {
        let key = format!("registration.dcrSsaValidationConfigs[{at}]");
        let mut earlier = entries.iter().take(at);
        if earlier.any(|earlier| earlier.id == entry.id) {
            let reason = format!("'{}' is a duplicate; each id must be unique", entry.id);
            verdict.refuse(&format!("{key}.id"), reason);
        }
        issuer(entry, &key, verdict);
    }
    let entries = &registration.trusted_client_attesters;
    for (at, entry) in entries.iter().enumerate() {
        let key = format!("registration.trustedClientAttesters[{at}]");
        let mut earlier = entries.iter().take(at);
        if entry.issuer.is_empty() || earlier.any(|earlier| earlier.issuer == entry.issuer) {
            let reason = "must not be empty, and must be unique";
            verdict.refuse(&format!("{key}.issuer"), reason);
        }
        attester(entry, &key, verdict);
    }
    if registration.evidence_nonce_lifetime == 0 {
        verdict.refuse("registration.evidenceNonceLifetime", "must be 1 or more");
    }
}

/// Checks where the keys for software statements come from.
fn statements(registration: &Registration, verdict: &mut Verdict) {
    let claim = &registration.software_statement_validation_claim_name;
    match registration.software_statement_validation_type {
        StatementValidation::Jwks | StatementValidation::JwksUri if claim.is_none() => {
            let key = "registration.softwareStatementValidationClaimName";
            let reason =
                "is missing: softwareStatementValidationType takes the keys from this claim";
            verdict.refuse(key, reason);
        }
        StatementValidation::Jwks | StatementValidation::JwksUri => {
            let key = "registration.softwareStatementValidationType";
            let reason =
                "takes the keys from the statement itself, which does not prove who issued it";
            verdict.warn(key, reason);
        }
        StatementValidation::Builtin => {
            let mut entries = registration.dcr_ssa_validation_configs.iter();
            if !entries.any(|entry| entry.r#type == SsaValidationType::Ssa) {
                let key = "registration.dcrSsaValidationConfigs";
                let reason =
                    "must have an entry of type SSA: softwareStatementValidationType is builtin";
                verdict.refuse(key, reason);
            }
        }
        StatementValidation::None | StatementValidation::Script => {}
    }
}

/// Checks an entry of `dcrSsaValidationConfigs`.
fn issuer(entry: &SsaValidationConfig, key: &str, verdict: &mut Verdict) {
    let has_keys = entry.jwks.is_some()
        || entry.jwks_uri.is_some()
        || entry.configuration_endpoint.is_some()
        || entry.shared_secret.is_some()
        || entry.trust_anchors.is_some();
    if !has_keys {
        let reason = "needs jwks, jwksUri, configurationEndpoint, sharedSecret or trustAnchors";
        verdict.refuse(key, reason);
    }
    // Otherwise each certificate of these authorities would be valid for every issuer.
    if entry.trust_anchors.is_some() != entry.certificate_san.is_some() {
        let reason = "must have both trustAnchors and certificateSan = \"iss\", or neither";
        verdict.refuse(key, reason);
    }
}

/// Checks the keys of an entry of `trustedClientAttesters`.
fn attester(entry: &ClientAttester, key: &str, verdict: &mut Verdict) {
    if entry.jwks.is_some() && entry.jwks_uri.is_some() {
        verdict.refuse(key, "has both jwks and jwksUri; remove one of them");
    }
    if entry.jwks.is_none() && entry.jwks_uri.is_none() && entry.trust_anchors.is_none() {
        verdict.refuse(key, "needs jwks, jwksUri or trustAnchors");
    }
    if entry.certificate_san.is_some() && entry.trust_anchors.is_none() {
        let reason = "has no effect without trustAnchors; set both or neither";
        verdict.refuse(&format!("{key}.certificateSan"), reason);
    }
}
