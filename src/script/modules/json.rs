//! `json::parse(text)`, `json::stringify(value)`.

use rhai::{Dynamic, ImmutableString};

use super::super::value::{failure, to_json, to_script};
use super::functions::Functions;
use crate::base::model::json;

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add1("parse", |_, text: ImmutableString| {
        to_script(&json::parse(text.as_bytes()).map_err(|error| failure(error.to_string()))?)
    });
    module.add1("stringify", |_, value: Dynamic| {
        Ok(to_json(&value)?.to_string())
    });
    module
}
