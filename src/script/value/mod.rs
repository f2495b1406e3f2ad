//! The values of scripts: their conversion from and to JSON, and binary data.

pub(in crate::script) mod answer;
pub(in crate::script) mod context;
pub(in crate::script) mod facts;
pub(in crate::script) mod hide;
pub(in crate::script) mod members;

use std::sync::Arc;

use rhai::serde::{from_dynamic, to_dynamic};
use rhai::{Blob, Dynamic, EvalAltResult, FuncRegistration, Module, Position};
use serde_json::Value;

use crate::script::explain;

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
pub(super) fn error_message(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorTerminated(reason, _) => reason.to_string(),
        EvalAltResult::ErrorRuntime(value, _) => explain::thrown(value),
        error => {
            let text = error.to_string();
            let place = format!(" ({})", error.position());
            let text = text.strip_suffix(&place).unwrap_or(&text);
            match explain::explained(error, text) {
                Some(better) => better,
                None => text.to_owned(),
            }
        }
    }
}

/// Binary data in scripts, such as evidence. A clone is another handle on the same bytes.
///
/// Rhai has blobs, but copies them and limits them like arrays, to fewer bytes than evidence may have.
/// This type can be as long as a string, and is immutable.
#[derive(Clone)]
pub(in crate::script) struct Bytes(Arc<[u8]>);

impl Bytes {
    pub(in crate::script) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes in `value`, of this type or of a blob; `None` for a value of any other type.
    pub(in crate::script) fn of(value: &Dynamic) -> Option<Vec<u8>> {
        if let Some(bytes) = value.read_lock::<Self>() {
            return Some(bytes.0.to_vec());
        }
        value.read_lock::<Blob>().map(|blob| blob.clone())
    }
}

/// Registers the type of bytes.
pub(in crate::script) fn register_bytes(module: &mut Module) {
    let length = |bytes: &mut Bytes| Ok(i64::try_from(bytes.0.len()).unwrap_or(i64::MAX));
    module.set_custom_type::<Bytes>("Bytes");
    module.set_native_fn("len", length);
    module.set_getter_fn("len", length);
    // The content is not shown, because it may be evidence.
    for name in ["to_string", "to_debug"] {
        module.set_native_fn(name, |bytes: &mut Bytes| {
            Ok(format!("{} bytes", bytes.0.len()))
        });
    }
    module.set_native_fn("==", |one: Bytes, other: Bytes| Ok(one.0 == other.0));
    module.set_native_fn("!=", |one: Bytes, other: Bytes| Ok(one.0 != other.0));
}

/// Registers `push` for `()`, the value of a member that a client did not send. It creates a list of one
/// item, so that a script need not check first whether the list exists.
pub(in crate::script) fn register_push_on_unit(module: &mut Module) {
    FuncRegistration::new("push")
        .with_purity(false)
        .set_into_module(module, push);
}

/// Runs only when no other `push` matches, so it is also called for types that have no `push`.
fn push(list: &mut Dynamic, item: Dynamic) -> HostResult<()> {
    if !list.is_unit() {
        let call = format!("push ({}, {})", list.type_name(), item.type_name());
        return Err(Box::new(EvalAltResult::ErrorFunctionNotFound(
            call,
            Position::NONE,
        )));
    }
    *list = Dynamic::from_array(vec![item]);
    Ok(())
}
