//! What a client attestation means for the metadata: the attested key is registered, the attested software is
//! the software of the client, and the client authenticates with that key.

use serde_json::{Map, Value, json};

use super::AttestedClient;
use crate::base::{Violation, absent};
use crate::jose;
use crate::registration::RegisterError;
use crate::service::Context;

/// The methods by which a client can authenticate with the attested key, in order of preference.
const METHODS: [&str; 2] = ["attest_jwt_client_auth", "private_key_jwt"];

/// Puts the attested values into `members`.
pub(in crate::registration) fn apply(
    cx: &Context<'_>,
    attested: Option<&AttestedClient>,
    mut members: Map<String, Value>,
) -> Result<Map<String, Value>, RegisterError> {
    let Some(attested) = attested else {
        return Ok(members);
    };
    name(attested, &mut members)?;
    add_key(attested, &mut members)?;
    let supported = &cx.settings().token_endpoint_auth_methods_supported;
    let method = METHODS
        .into_iter()
        .find(|method| supported.iter().any(|one| one == method));
    if let (Some(method), true) = (method, is_absent(&members, "token_endpoint_auth_method")) {
        members.insert("token_endpoint_auth_method".to_owned(), method.into());
    }
    Ok(members)
}

fn is_absent(members: &Map<String, Value>, name: &str) -> bool {
    members.get(name).is_none_or(absent::is_absent)
}

/// Sets `software_id` from the `sub` of the attestation: no `client_id` exists yet that the `sub` could be.
fn name(attested: &AttestedClient, members: &mut Map<String, Value>) -> Result<(), RegisterError> {
    if is_absent(members, "software_id") {
        members.insert("software_id".to_owned(), attested.subject.as_str().into());
    }
    if members.get("software_id").and_then(Value::as_str) == Some(&attested.subject) {
        return Ok(());
    }
    Err(refused(
        "software_id",
        "must be the `sub` of the client attestation, or absent",
    ))
}

fn add_key(
    attested: &AttestedClient,
    members: &mut Map<String, Value>,
) -> Result<(), RegisterError> {
    if !is_absent(members, "jwks_uri") {
        let rule = "cannot be used with a client attestation, because the attested key is registered in jwks";
        return Err(refused("jwks_uri", rule));
    }
    if is_absent(members, "jwks") {
        members.insert("jwks".to_owned(), json!({ "keys": [attested.key] }));
        return Ok(());
    }
    let is_there = members
        .get("jwks")
        .is_some_and(|jwks| jose::key_is_in(&attested.key, jwks));
    // A value that is not a JWK Set is rejected by the rules for metadata.
    let keys = members
        .get_mut("jwks")
        .and_then(|jwks| jwks.get_mut("keys"))
        .and_then(Value::as_array_mut);
    if let (Some(keys), false) = (keys, is_there) {
        keys.push(attested.key.clone());
    }
    Ok(())
}

fn refused(member: &str, rule: &str) -> RegisterError {
    RegisterError::Unproven(Violation::metadata(member, rule))
}
