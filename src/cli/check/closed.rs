//! Configurations with which the server starts but nobody can register.

use crate::config::trust::{SsaValidationType, StatementValidation};
use crate::config::{Live, Registration};
use crate::script::Hook;

/// Returns what is odd about `live`, as the option and the reason. `has` returns whether any script defines a
/// hook.
pub(super) fn oddities(live: &Live, has: &dyn Fn(Hook) -> bool) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let settings = &live.registration;
    found.extend(
        statements(settings, has).map(|reason| ("registration.softwareStatementRequired", reason)),
    );
    found.extend(
        requests(settings, has)
            .map(|reason| ("registration.dcrSignatureValidationEnabled", reason)),
    );
    found.extend(
        evidence(settings, has)
            .map(|reason| ("registration.dcrAttestationEvidenceRequired", reason)),
    );
    found.extend(granted(live).map(|reason| ("registration.trustedSsaIssuers", reason)));
    found
}

fn statements(settings: &Registration, has: &dyn Fn(Hook) -> bool) -> Option<String> {
    let by_script = settings.software_statement_validation_type == StatementValidation::Script;
    let has_keys = has(Hook::GetSoftwareStatementJwks) || has(Hook::GetSoftwareStatementHmacSecret);
    (settings.software_statement_required && by_script && !has_keys).then(|| {
        "nobody can register: softwareStatementValidationType is script, but no script has \
         getSoftwareStatementJwks or getSoftwareStatementHmacSecret"
            .to_owned()
    })
}

fn requests(settings: &Registration, has: &dyn Fn(Hook) -> bool) -> Option<String> {
    let by_entry = settings
        .dcr_ssa_validation_configs
        .iter()
        .any(|entry| entry.r#type == SsaValidationType::Dcr);
    let has_keys = by_entry
        || settings.dcr_signature_validation_jwks.is_some()
        || settings.dcr_signature_validation_jwks_uri.is_some()
        || settings.dcr_signature_validation_shared_secret.is_some()
        || settings
            .dcr_signature_validation_software_statement_jwks_uri_claim
            .is_some()
        || settings
            .dcr_signature_validation_software_statement_jwks_claim
            .is_some()
        || has(Hook::GetDcrJwks)
        || has(Hook::GetDcrHmacSecret);
    (settings.dcr_signature_validation_enabled && !has_keys).then(|| {
        "nobody can register: there are no keys for signed requests; set dcrSignatureValidationJwks or a \
         similar option, add an entry to dcrSsaValidationConfigs, or define getDcrJwks in a script"
            .to_owned()
    })
}

fn evidence(settings: &Registration, has: &dyn Fn(Hook) -> bool) -> Option<String> {
    if !settings.dcr_attestation_evidence_required || has(Hook::VerifyEvidence) {
        return None;
    }
    Some(if has(Hook::CreateClient) {
        "no script has verifyEvidence: nobody can register unless createClient sets context.attestation"
            .to_owned()
    } else {
        "nobody can register: no script has verifyEvidence".to_owned()
    })
}

/// Returns a reason for each scope that an issuer grants but no client can have.
fn granted(live: &Live) -> impl Iterator<Item = String> {
    let is_defined = move |name: &str| live.scopes.iter().any(|scope| scope.defines(name));
    live.registration.trusted_ssa_issuers.iter().flat_map(move |(issuer, entry)| {
        let unknown = entry.automatically_granted_scopes.iter().filter(move |name| !is_defined(name));
        unknown.map(move |name| {
            format!("automaticallyGrantedScopes of {issuer} has '{name}', which is not in [[scopes]]")
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Checks that `registration`, with scripts that have `hooks`, gives the reasons `expected`.
    #[track_caller]
    fn check(registration: &Value, hooks: &[Hook], expected: &[&str]) {
        let live: Live = serde_json::from_value(json!({
            "registration": registration, "scopes": [{"id": "openid"}],
        }))
        .unwrap();
        let said = oddities(&live, &|hook| hooks.contains(&hook));
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for ((key, reason), expected) in said.iter().zip(expected) {
            assert!(
                format!("{key}: {reason}").contains(expected),
                "{key}: {reason}"
            );
        }
    }

    #[test]
    fn keys_must_have_a_source() {
        let required = || json!({"softwareStatementRequired": true});
        check(&json!({}), &[], &[]);
        check(
            &required(),
            &[],
            &["softwareStatementRequired: nobody can register"],
        );
        check(&required(), &[Hook::GetSoftwareStatementJwks], &[]);
        check(
            &json!({"softwareStatementRequired": true, "softwareStatementValidationType": "none"}),
            &[],
            &[],
        );
        let signed =
            |more: &str, value: Value| json!({"dcrSignatureValidationEnabled": true, more: value});
        check(
            &signed("softwareStatementRequired", json!(false)),
            &[Hook::GetSoftwareStatementJwks],
            &["dcrSignatureValidationEnabled: nobody can register"],
        );
        check(
            &signed("softwareStatementRequired", json!(false)),
            &[Hook::GetDcrHmacSecret],
            &[],
        );
        check(
            &signed(
                "dcrSignatureValidationJwksUri",
                json!("https://a.example/jwks"),
            ),
            &[],
            &[],
        );
        let entry = json!([{"id": "a", "type": "DCR", "jwksUri": "https://a.example/jwks"}]);
        check(&signed("dcrSsaValidationConfigs", entry), &[], &[]);
    }

    #[test]
    fn evidence_needs_an_appraiser() {
        let required = || json!({"dcrAttestationEvidenceRequired": true});
        check(
            &required(),
            &[],
            &["nobody can register: no script has verifyEvidence"],
        );
        check(
            &required(),
            &[Hook::CreateClient],
            &["unless createClient sets context.attestation"],
        );
        check(&required(), &[Hook::VerifyEvidence], &[]);
    }

    #[test]
    fn granted_scopes_must_be_defined() {
        let granted =
            json!({"https://a.example": {"automaticallyGrantedScopes": ["openid", "accounts"]}});
        check(
            &json!({"trustedSsaIssuers": granted}),
            &[],
            &["trustedSsaIssuers: automaticallyGrantedScopes of https://a.example has 'accounts'"],
        );
    }
}
