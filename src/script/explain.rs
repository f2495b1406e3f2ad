//! Rewrites the engine's error messages in the terms of the manual and of the configuration.

use rhai::{Dynamic, EvalAltResult, ImmutableString, Map as ScriptMap};
use serde_json::Value;

use crate::config::nearest;
use crate::script::{
    CONTEXT_MEMBERS, ContextMember, HostFunction, TEST_FUNCTIONS, host_functions, readable, to_json,
};

/// Returns a better message than `text`, which is the engine's message, where there is one.
pub(super) fn explained(error: &EvalAltResult, text: &str) -> Option<String> {
    match error {
        EvalAltResult::ErrorFunctionNotFound(call, _) => unknown_function(call),
        EvalAltResult::ErrorDotExpr(said, _) => unknown_property(said),
        EvalAltResult::ErrorIndexingType(types, _) if types.starts_with("() [") => {
            Some(absent("["))
        }
        error => limit(error).map(|option| format!("{text} (scripts.limits.{option})")),
    }
}

/// Returns the option whose limit was exceeded, if any.
fn limit(error: &EvalAltResult) -> Option<&'static str> {
    match error {
        EvalAltResult::ErrorTooManyOperations(_) => Some("operations"),
        EvalAltResult::ErrorStackOverflow(_) => Some("callDepth"),
        EvalAltResult::ErrorTooManyVariables(_) => Some("variables"),
        EvalAltResult::ErrorDataTooLarge(what, _) if what.contains("string") => Some("stringBytes"),
        EvalAltResult::ErrorDataTooLarge(what, _) if what.contains("map") => Some("mapItems"),
        EvalAltResult::ErrorDataTooLarge(..) => Some("arrayItems"),
        _ => None,
    }
}

/// Returns the message for a thrown value that is not a response.
pub(super) fn thrown(value: &Dynamic) -> String {
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return text.to_string();
    }
    if value.is_unit() {
        return "the script threw ()".to_owned();
    }
    if let Ok(Value::Object(members)) = to_json(value)
        && let Some(message) = caught_message(&members)
    {
        return message.to_owned();
    }
    wrong_answer(value).unwrap_or_else(|| format!("the script threw {}", kind(&value.to_string())))
}

/// Returns the engine's message of a fault that a script has caught and thrown again. Such a map also has
/// the member `error`, but it describes the script and must not reach a client.
pub(super) fn caught_message(members: &serde_json::Map<String, Value>) -> Option<&str> {
    let kind = members.get("error")?.as_str()?;
    if kind.starts_with("Error") {
        members.get("message")?.as_str()
    } else {
        None
    }
}

/// Returns what is wrong with a map that was meant as a response. Its values are not shown, because they
/// are meant for the client.
fn wrong_answer(value: &Dynamic) -> Option<String> {
    let map = value.read_lock::<ScriptMap>();
    // Host functions also throw maps, which describe the failure in other members.
    let is_answer = map.is_some_and(|map| map.contains_key("status") || map.contains_key("error"));
    if !is_answer {
        return None;
    }
    let Ok(Value::Object(members)) = to_json(value) else {
        return Some("a thrown map must have a JSON form".to_owned());
    };
    let mut wrong = Vec::new();
    match members.get("error") {
        None => wrong.push("a thrown map needs `error`"),
        Some(code) if !code.is_string() => wrong.push("`error` of a thrown map must be a string"),
        Some(_) => {}
    }
    if let Some(status) = members.get("status") {
        let number = status.as_i64();
        if number.is_none_or(|number| !(400..=599).contains(&number)) {
            wrong.push("`status` of a thrown map must be a whole number from 400 to 599");
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// Describes a value of the type that the engine calls `name`.
pub(super) fn value_of(name: &str) -> String {
    match kind(name) {
        shown @ ("()" | "a client" | "context") => shown.to_owned(),
        shown => format!("a value of the type {shown}"),
    }
}

/// Translates the engine's type name `name` to that of the manual.
fn kind(name: &str) -> &str {
    match name.rsplit("::").next().unwrap_or(name) {
        "Members" => "a client",
        "Context" | "HookContext" => "context",
        "Bytes" => "bytes",
        "&str | ImmutableString | String" => "string",
        "i64" => "int",
        "f64" => "float",
        _ => name,
    }
}

/// Explains a call such as `kv::set (&str | ImmutableString | String, i64)`, for which no function exists.
fn unknown_function(call: &str) -> Option<String> {
    let (name, types) = call.split_once(" (")?;
    let types = types.strip_suffix(')')?;
    let mut given = Vec::new();
    for of_argument in types.split(", ") {
        if !of_argument.is_empty() {
            given.push(kind(of_argument));
        }
    }
    if let Some(message) = wrong_arguments(&documented(name), &given) {
        return Some(message);
    }
    let text = format!("Function not found: {name} ({})", given.join(", "));
    // An operator is not a method.
    let is_method = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    match given.split_first() {
        Some((&"()", _)) if is_method => Some(format!("{text}: {}", absent_before(name))),
        Some((&"context", rest)) => Some(unknown_method(name, rest, text)),
        _ => Some(text),
    }
}

/// Returns the message for a host function that has only the forms `known`; none if there are none.
fn wrong_arguments(known: &[&HostFunction], given: &[&str]) -> Option<String> {
    let first = known.first()?;
    let forms: Vec<&str> = known.iter().map(|function| function.parameters()).collect();
    Some(format!(
        "{}::{} takes {}, not ({})",
        first.module,
        first.name(),
        forms.join(" or "),
        given.join(", ")
    ))
}

/// Returns the message for a method that is called on an absent value.
fn absent_before(method: &str) -> String {
    // The engine calls `contains` for `in`.
    if method == "contains" {
        absent(".contains` or after `in")
    } else {
        absent(&format!(".{method}"))
    }
}

/// Returns the host functions that are called `name` in the text that the engine has read.
fn documented(name: &str) -> Vec<&'static HostFunction> {
    let mut documented = Vec::new();
    for function in host_functions().into_iter().chain(TEST_FUNCTIONS) {
        // Functions outside modules exist in tests only. Elsewhere the name may be a function of the script.
        if function.module.is_empty() {
            continue;
        }
        let call = format!("{}::{}(", function.module, function.name());
        if readable(&call).strip_suffix('(') == Some(name) {
            documented.push(function);
        }
    }
    documented
}

/// Explains a call of a method that `context` does not have, or not with these arguments.
fn unknown_method(name: &str, given: &[&str], text: String) -> String {
    if let Some(member) = CONTEXT_MEMBERS.iter().find(|member| method(member) == name) {
        let due = member.spelling.get(name.len()..).unwrap_or_default();
        return format!("context.{name} takes {due}, not ({})", given.join(", "));
    }
    match nearest(name, CONTEXT_MEMBERS.iter().map(method)) {
        Some(near) => format!("{text}; did you mean context.{near}?"),
        None => text,
    }
}

fn method(member: &ContextMember) -> &'static str {
    member.spelling.split('(').next().unwrap_or_default()
}

/// Explains an access to a property that a value does not have; `said` is the engine's message.
fn unknown_property(said: &str) -> Option<String> {
    let mut parts = said.split('\'');
    let (start, name, _, of) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    match of {
        "()" => Some(format!("{start}'{name}': {}", absent(&format!(".{name}")))),
        "Context" => Some(unknown_member(name)),
        _ => None,
    }
}

/// Explains an access to a member of `context` that does not exist or cannot be set.
fn unknown_member(name: &str) -> String {
    let mut names: Vec<&str> = CONTEXT_MEMBERS.iter().map(|member| member.name).collect();
    names.retain(|known| !known.contains('('));
    if names.contains(&name) {
        return format!("context.{name} cannot be set");
    }
    let advice = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("it has {}", names.join(", ")),
    };
    format!("context has no member called '{name}'; {advice}")
}

/// Returns the message for a script that uses an absent value.
fn absent(next: &str) -> String {
    format!(
        "the value before `{next}` is (), so it is absent; set it first, as in \
         context.client.contacts = [..], or check that it is present"
    )
}

#[cfg(test)]
mod tests {
    use rhai::Position;

    use super::*;

    #[test]
    fn a_limit_is_named_as_in_the_configuration() {
        let none = Position::NONE;
        let large = |what: &str| EvalAltResult::ErrorDataTooLarge(what.to_owned(), none);
        for (error, option) in [
            (EvalAltResult::ErrorTooManyOperations(none), "operations"),
            (EvalAltResult::ErrorStackOverflow(none), "callDepth"),
            (EvalAltResult::ErrorTooManyVariables(none), "variables"),
            (large("Length of string"), "stringBytes"),
            (large("Size of array/BLOB"), "arrayItems"),
            (large("Size of BLOB"), "arrayItems"),
            (large("Size of object map"), "mapItems"),
        ] {
            let expected = format!("too much (scripts.limits.{option})");
            assert_eq!(explained(&error, "too much"), Some(expected), "{error}");
        }
        assert_eq!(explained(&EvalAltResult::ErrorFor(none), "other"), None);
    }

    #[test]
    fn types_have_the_names_used_in_the_manual() {
        for (call, expected) in [
            (
                "foo (&str | ImmutableString | String, i64)",
                "Function not found: foo (string, int)",
            ),
            ("foo ()", "Function not found: foo ()"),
            ("- (())", "Function not found: - (())"),
            (
                "foo (Members, f64, map)",
                "Function not found: foo (a client, float, map)",
            ),
            (
                "log::dbug_ (i64)",
                "log::debug takes (text: string), not (int)",
            ),
            ("fake::now ()", "fake::now takes (seconds: int), not ()"),
            (
                "http::get (i64)",
                "http::get takes (url: string) or (url: string, headers: map), not (int)",
            ),
        ] {
            assert_eq!(unknown_function(call).as_deref(), Some(expected), "{call}");
        }
        assert_eq!(
            unknown_function("elements of different types cannot be sorted"),
            None
        );
        assert_eq!(value_of("registrar::script::members::Members"), "a client");
        assert_eq!(value_of("i64"), "a value of the type int");
    }
}
