//! Error responses that a script sends instead of a decision.

use rhai::{Dynamic, EvalAltResult, ImmutableString};
use serde_json::{Map, Value, json};

use crate::base::json;
use crate::script::{HostResult, caught_message, failure, to_json};

/// A status from 400 to 599 and a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::script) struct ScriptAnswer {
    pub(in crate::script) status: u16,
    pub(in crate::script) entity: Map<String, Value>,
}

impl ScriptAnswer {
    /// Creates the response of `createWebApplicationException(status, entity)`; `entity` is a map or JSON
    /// text.
    pub(in crate::script) fn new(status: i64, entity: &Dynamic) -> HostResult<Self> {
        let entity = match entity.read_lock::<ImmutableString>() {
            Some(text) => {
                json::parse_object(text.as_bytes()).map_err(|error| failure(error.to_string()))?
            }
            None => match to_json(entity)? {
                Value::Object(members) => members,
                other => {
                    return Err(failure(format!(
                        "the body of a response must be a map, not {}",
                        json::type_name(&other)
                    )));
                }
            },
        };
        Ok(Self {
            status: error_status(status)?,
            entity,
        })
    }

    /// Creates the response of `createStaleEvidenceWebApplicationException(nonce)`
    /// (draft-tschofenig-oauth-attested-dclient-reg section 4).
    pub(in crate::script) fn stale_evidence(nonce: &str) -> Self {
        let members = json!({
            "error": "stale_evidence",
            "error_description": "The provided evidence is not current.",
            "nonce": nonce,
        });
        Self {
            status: 400,
            entity: members.as_object().cloned().unwrap_or_default(),
        }
    }

    /// Returns the response of `throw #{ status, error, error_description }`, and `None` for any other
    /// thrown value.
    pub(in crate::script) fn thrown(error: &EvalAltResult) -> Option<Self> {
        let EvalAltResult::ErrorRuntime(value, _) = error.unwrap_inner() else {
            return None;
        };
        let Ok(Value::Object(mut entity)) = to_json(value) else {
            return None;
        };
        let status = match entity.shift_remove("status") {
            Some(status) => status.as_i64()?,
            None => 400,
        };
        if !entity.get("error")?.is_string() || caught_message(&entity).is_some() {
            return None;
        }
        Some(Self {
            status: error_status(status).ok()?,
            entity,
        })
    }
}

fn error_status(status: i64) -> HostResult<u16> {
    match u16::try_from(status) {
        Ok(number @ 400..=599) => Ok(number),
        _ => Err(failure(format!(
            "the status of a response must be from 400 to 599, not {status}"
        ))),
    }
}
