//! `json::parse(text)`, `json::stringify(value)`.

use rhai::{Dynamic, ImmutableString, Module};

use super::super::value::{failure, to_json, to_script};
use crate::model::json;

pub(super) fn module() -> Module {
    let mut module = Module::new();
    module.set_native_fn("parse", |text: ImmutableString| {
        to_script(&json::parse(text.as_bytes()).map_err(|error| failure(error.to_string()))?)
    });
    module.set_native_fn("stringify", |value: Dynamic| Ok(to_json(&value)?.to_string()));
    module
}
