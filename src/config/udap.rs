//! `registration.udapMetadata`: the content of `/.well-known/udap` that other options do not provide.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Registration, StatementIdentity, StatementValidation, Verdict};

/// `registration.udapMetadata` (HL7 FHIR "Security for Scalable Registration, Authentication, and
/// Authorization" section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UdapMetadata {
    /// The base URL of the FHIR server: `iss` of the signed metadata.
    pub base_url: Option<String>,
    /// A PEM file with the private key that signs the metadata.
    pub signing_key: Option<PathBuf>,
    /// A PEM file with the certificate of that key, followed by its intermediate certificates.
    pub certificates: Option<PathBuf>,
    /// URIs of certifications that this server supports.
    pub certifications_supported: Vec<String>,
    /// URIs of certifications that every registration must have.
    pub certifications_required: Vec<String>,
    /// Keys of extension objects that the token endpoint supports, such as `hl7-b2b`.
    pub authorization_extensions_supported: Vec<String>,
    /// Keys of extension objects that every token request must have.
    pub authorization_extensions_required: Vec<String>,
}

/// Checks the options of UDAP. A client can be identified by its certificates only if an entry has trust
/// anchors.
pub(super) fn check(registration: &Registration, verdict: &mut Verdict) {
    let entries = &registration.dcr_ssa_validation_configs;
    let is_certified = registration.software_statement_validation_type
        == StatementValidation::Builtin
        && entries.iter().any(|entry| entry.trust_anchors.is_some());
    if registration.software_statement_identity == StatementIdentity::Subject && !is_certified {
        let reason = "has no effect; set softwareStatementValidationType = \"builtin\", and trustAnchors in an \
                      entry of dcrSsaValidationConfigs";
        verdict.warn("registration.softwareStatementIdentity", reason);
    }
    if let Some(settings) = &registration.udap_metadata {
        metadata(settings, verdict);
        if !is_certified {
            let reason = "has no effect: /.well-known/udap is published only if an entry of type SSA has trustAnchors";
            verdict.warn("registration.udapMetadata", reason);
        }
    }
}

fn metadata(settings: &UdapMetadata, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.udapMetadata.{name}");
    let signs = [
        ("baseUrl", settings.base_url.is_some()),
        ("signingKey", settings.signing_key.is_some()),
        ("certificates", settings.certificates.is_some()),
    ];
    let is_signed = signs.iter().any(|(_, is_there)| *is_there);
    for (name, is_there) in signs {
        if is_signed && !is_there {
            let reason =
                "is missing: to sign the metadata, set all of baseUrl, signingKey and certificates";
            verdict.refuse(&key(name), reason);
        }
    }
    let lists = [
        (
            "certificationsRequired",
            &settings.certifications_required,
            "certificationsSupported",
            &settings.certifications_supported,
        ),
        (
            "authorizationExtensionsRequired",
            &settings.authorization_extensions_required,
            "authorizationExtensionsSupported",
            &settings.authorization_extensions_supported,
        ),
    ];
    for (name, required, other, supported) in lists {
        if let Some(value) = required.iter().find(|value| !supported.contains(value)) {
            verdict.refuse(&key(name), format!("'{value}' must also be in {other}"));
        }
    }
}
