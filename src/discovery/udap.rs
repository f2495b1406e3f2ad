//! The UDAP metadata (HL7 FHIR "Security for Scalable Registration, Authentication, and Authorization"
//! section 2.2), built from the document of this server and its trusted keys.

use serde_json::{Map, Value};

use crate::config::{Registration, StatementValidation};
use crate::discovery::put;
use crate::jose::{Algorithm, SigningKeyError};
use crate::service::{Context, MetadataDocument};

/// The endpoints that the signed metadata contains.
const ENDPOINTS: [&str; 3] = [
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
];
/// The grant types of UDAP.
const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// Returns the UDAP document, built from `ours`; none if clients cannot register by a certificate.
pub(super) fn document(
    cx: &Context<'_>,
    ours: &MetadataDocument,
) -> Option<Result<MetadataDocument, SigningKeyError>> {
    let settings = cx.settings();
    let is_builtin = settings.software_statement_validation_type == StatementValidation::Builtin;
    let has_endpoint = ours.contains_key("registration_endpoint");
    if !is_builtin || !cx.snapshot.trust.has_certified() || !has_endpoint {
        return None;
    }
    let mut document = MetadataDocument::default();
    let grants = grants(ours);
    let mut profiles = vec!["udap_dcr", "udap_authn"];
    if grants.contains(&"client_credentials") {
        profiles.push("udap_authz");
    }
    put(&mut document, "udap_versions_supported", vec!["1"]);
    put(&mut document, "udap_profiles_supported", profiles);
    put_named(cx, &mut document);
    put(&mut document, "grant_types_supported", grants);
    for name in ENDPOINTS.into_iter().chain(["scopes_supported"]) {
        if let Some(value) = ours.get(name) {
            put(&mut document, name, value.clone());
        }
    }
    put_algorithms(settings, &mut document);
    Some(signed(cx, document))
}

/// Adds how a client signs its assertions and its software statements.
fn put_algorithms(settings: &Registration, document: &mut MetadataDocument) {
    let assertions = &settings.token_endpoint_auth_signing_alg_values_supported;
    let statements = &settings.software_statement_signing_alg_values_supported;
    put(
        document,
        "token_endpoint_auth_methods_supported",
        vec!["private_key_jwt"],
    );
    put(
        document,
        "token_endpoint_auth_signing_alg_values_supported",
        asymmetric(assertions),
    );
    put(
        document,
        "registration_endpoint_jwt_signing_alg_values_supported",
        asymmetric(statements),
    );
}

/// Adds the members that only the operator knows. A list of supported values comes with a list of required
/// values.
fn put_named(cx: &Context<'_>, document: &mut MetadataDocument) {
    let named = cx.settings().udap_metadata.clone().unwrap_or_default();
    for (name, supported, required) in [
        (
            "certifications",
            named.certifications_supported,
            named.certifications_required,
        ),
        (
            "authorization_extensions",
            named.authorization_extensions_supported,
            named.authorization_extensions_required,
        ),
    ] {
        if !supported.is_empty() {
            put(document, &format!("udap_{name}_required"), required);
        }
        put(document, &format!("udap_{name}_supported"), supported);
    }
}

fn grants(ours: &MetadataDocument) -> Vec<&str> {
    let Some(Value::Array(all)) = ours.get("grant_types_supported") else {
        return Vec::new();
    };
    let mut grants: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
    grants.retain(|grant| GRANTS.contains(grant));
    grants
}

fn asymmetric(names: &[String]) -> Vec<&str> {
    let mut found = Vec::new();
    for name in names {
        if let Some(algorithm) = Algorithm::parse(name)
            && !algorithm.is_symmetric()
        {
            found.push(name.as_str());
        }
    }
    found
}

/// Returns the document with its signed part, if this server has a key for it.
fn signed(
    cx: &Context<'_>,
    mut document: MetadataDocument,
) -> Result<MetadataDocument, SigningKeyError> {
    let Some(signer) = &cx.snapshot.trust.metadata_signer else {
        return Ok(document);
    };
    let mut claims = Map::new();
    for name in ENDPOINTS {
        if let Some(value) = document.get(name) {
            claims.insert(name.to_owned(), value.clone());
        }
    }
    let token = signer.sign(claims, cx.service.clock.now())?;
    put(&mut document, "signed_metadata", &*token);
    Ok(document)
}
