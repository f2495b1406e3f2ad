//! `json::parse(text)`, `json::stringify(value)`.

use rhai::{Dynamic, ImmutableString};

use crate::base::json;
use crate::script::{
    failure, modules::Functions, modules::HostFunction, modules::function, to_json, to_script,
};

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "json",
        "parse(text: string) -> any",
        "Parses JSON; null becomes `()`. Fails when the text is not JSON, is nested more than 32 levels \
         deep, or has a duplicate member.",
        r#"json::parse("[1, null]") == [1, ()]"#,
    ),
    function(
        "json",
        "stringify(value: any) -> string",
        "Returns the value as JSON text. Fails for a value without a JSON form, such as a function.",
        r#"json::stringify([1, ()]) == "[1,null]""#,
    ),
];

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
