//! Conversions between JSON values and the values of scripts.

pub(in crate::script) mod answer;
pub(in crate::script) mod bytes;
pub(in crate::script) mod context;
pub(in crate::script) mod facts;
pub(in crate::script) mod hide;
pub(in crate::script) mod members;
pub(in crate::script) mod push_on_unit;

use rhai::serde::{from_dynamic, to_dynamic};
use rhai::{Dynamic, EvalAltResult};
use serde_json::Value;

use super::explain;

/// The result of a host function.
pub(super) type HostResult<T> = Result<T, Box<EvalAltResult>>;

/// Creates a failure that a script can catch.
#[expect(
    clippy::unnecessary_box_returns,
    reason = "every error of a script is boxed"
)]
pub(super) fn failure(message: impl Into<String>) -> Box<EvalAltResult> {
    message.into().into()
}

/// Converts `value` for a script; null becomes `()`.
pub(super) fn to_script(value: &Value) -> HostResult<Dynamic> {
    to_dynamic(value)
}

/// Converts the `value` of a script to JSON.
///
/// # Errors
/// When the value has no JSON form, as a function for example.
pub(super) fn to_json(value: &Dynamic) -> HostResult<Value> {
    from_dynamic(value).map_err(|_| {
        failure(format!(
            "a value of the type {} has no JSON form",
            value.type_name()
        ))
    })
}

/// Returns the error message without the position, which is reported separately.
pub(super) fn message(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorTerminated(reason, _) => reason.to_string(),
        EvalAltResult::ErrorRuntime(value, _) => explain::thrown(value),
        error => {
            let text = error.to_string();
            let place = format!(" ({})", error.position());
            let text = text.strip_suffix(&place).unwrap_or(&text);
            explain::explained(error, text).unwrap_or_else(|| text.to_owned())
        }
    }
}
