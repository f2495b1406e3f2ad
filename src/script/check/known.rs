//! What exists: the functions of the engine and of the host, as they are registered, and the members of
//! `context`, of clients and of the other maps, as they are documented.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};

use rhai::Engine;
use serde_json::{Map, Value};

use super::kinds::Kinds;
use crate::config::{ScriptSettings, nearest};
use crate::script::{CONTEXT_MEMBERS, ContextMember, HostFunction, host_functions, readable};

/// One form of a registered function.
pub(super) struct Overload {
    pub(super) parameters: Vec<Kinds>,
    pub(super) result: Kinds,
}

type NamedOverloads = BTreeMap<String, Vec<Overload>>;

/// The names that scripts can use.
pub(in crate::script) struct Vocabulary {
    /// Functions, methods, operators and getters (`get$len`) outside host modules.
    pub(super) functions: NamedOverloads,
    /// The functions of each host module.
    pub(super) modules: BTreeMap<String, NamedOverloads>,
    /// `[scripts.attributes]`
    pub(super) attributes: Map<String, Value>,
    /// The names in `[scripts.secrets]`. None when there are none, as where the scripts are written but not used.
    pub(super) secrets: BTreeSet<String>,
    /// Names of custom members of clients.
    pub(super) custom: BTreeSet<String>,
}

/// Functions that the engine handles itself, with the possible numbers of arguments.
const BUILT_IN: [(&str, &[usize], Kinds); 10] = [
    ("type_of", &[1], Kinds::TEXT),
    ("print", &[1], Kinds::UNIT),
    ("debug", &[1], Kinds::UNIT),
    ("Fn", &[1], Kinds::OTHER),
    ("is_def_var", &[1], Kinds::BOOL),
    ("is_def_fn", &[2, 3], Kinds::BOOL),
    ("is_shared", &[1], Kinds::BOOL),
    ("call", &[], Kinds::ANY),
    // A closure that shares variables.
    ("curry", &[], Kinds::OTHER),
    ("eval", &[], Kinds::ANY),
];

/// Results of functions of the engine, whose signatures do not state them. A test compares each with the
/// result of a call.
pub(super) const RESULTS: [(Kinds, &[&str]); 6] = [
    (
        Kinds::UNIT,
        &[
            "trim",
            "replace",
            "truncate",
            "crop",
            "make_lower",
            "make_upper",
            "push",
            "insert",
            "append",
            "clear",
            "reverse",
            "sort",
            "sort_by",
            "sort_desc",
            "pad",
            "dedup",
            "for_each",
            "mixin",
            "fill_with",
        ],
    ),
    (Kinds::INT, &["len", "index_of", "parse_int", "bytes"]),
    (
        Kinds::BOOL,
        &[
            "contains",
            "starts_with",
            "ends_with",
            "is_empty",
            "all",
            "some",
        ],
    ),
    (
        Kinds::TEXT,
        &[
            "to_lower",
            "to_upper",
            "sub_string",
            "to_string",
            "to_debug",
        ],
    ),
    (
        Kinds::LIST,
        &["split", "split_rev", "to_chars", "keys", "values"],
    ),
    (Kinds::FLOAT, &["parse_float", "to_float"]),
];

impl Vocabulary {
    /// Lists what `engine` has. `custom` are the names of custom members of clients.
    pub(in crate::script) fn new(
        engine: &Engine,
        settings: &ScriptSettings,
        custom: &[String],
    ) -> Self {
        let mut known = Self {
            functions: BTreeMap::new(),
            modules: BTreeMap::new(),
            attributes: settings.attributes.clone(),
            secrets: settings.secrets.keys().cloned().collect(),
            custom: custom.iter().cloned().collect(),
        };
        for (module, name, parameters) in registered(engine) {
            let result = result_of(&module, &name, parameters.len());
            let forms = match module.as_str() {
                "" => &mut known.functions,
                _ => known.modules.entry(module).or_default(),
            };
            forms
                .entry(name)
                .or_default()
                .push(Overload { parameters, result });
        }
        known
    }

    /// Returns the forms of the function or method called `name`.
    pub(super) fn forms(&self, name: &str) -> &[Overload] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the result of a function that the engine handles itself, and whether it takes `arguments`
    /// arguments.
    pub(super) fn built_in(name: &str, arguments: usize) -> Option<(Kinds, bool)> {
        let mut found = BUILT_IN.iter().filter(|(of, ..)| *of == name);
        let (_, numbers, result) = found.next()?;
        Some((*result, numbers.is_empty() || numbers.contains(&arguments)))
    }

    /// Returns the names of functions outside modules that a script can write.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.functions.keys().map(String::as_str);
        let names = names.chain(BUILT_IN.iter().map(|(name, ..)| *name));
        names.filter(|name| name.starts_with(char::is_alphabetic) && !name.contains('$'))
    }
}

/// Returns the module, the name and the parameters of each function of `engine`.
fn registered(engine: &Engine) -> Vec<(String, String, Vec<Kinds>)> {
    engine.collect_fn_metadata(
        None,
        |function| {
            let parameters = function.metadata.param_types.iter();
            Some((
                function.namespace.to_string(),
                function.metadata.name.to_string(),
                parameters
                    .map(|id: &TypeId| Kinds::of_parameter(*id))
                    .collect(),
            ))
        },
        true,
    )
}

/// Returns the types of the result of a registered function.
fn result_of(module: &str, name: &str, parameters: usize) -> Kinds {
    if module.is_empty() {
        // The property `len` is the function `get$len`.
        let plain = name.strip_prefix("get$").unwrap_or(name);
        let mut found = RESULTS.iter().filter(|(_, names)| names.contains(&plain));
        return found.next().map_or(Kinds::ANY, |(kinds, _)| *kinds);
    }
    for function in host_functions() {
        let written = readable(&format!("{}::{}(", function.module, function.name()));
        if written.strip_suffix('(') == Some(&format!("{module}::{name}"))
            && function.parameter_count() == parameters
        {
            let result = function.signature.split_once(" -> ");
            return result.map_or(Kinds::UNIT, |(_, result)| Kinds::documented(result));
        }
    }
    Kinds::ANY
}

/// Returns the member of `context` that is called `name`.
pub(super) fn context_member(name: &str) -> Option<&'static ContextMember> {
    CONTEXT_MEMBERS.iter().find(|member| member.name == name)
}

/// Returns the names of the members of `context` that are not calls.
pub(super) fn context_names() -> impl Iterator<Item = &'static str> {
    let names = CONTEXT_MEMBERS.iter().map(|member| member.name);
    names.filter(|name| !name.contains('('))
}

/// Returns the names of the members of the map that a member of `context` is, when its documentation lists
/// them as `#{ one, two }`.
pub(super) fn record_names(member: &str) -> Option<Vec<&'static str>> {
    listed(context_member(member)?.about, "#{")
}

/// Returns the names that a text lists after `before`, which ends with `#{`.
fn listed(about: &'static str, before: &str) -> Option<Vec<&'static str>> {
    let (_, rest) = about.split_once(before)?;
    let (list, _) = rest.split_once('}')?;
    Some(list.split(',').map(str::trim).collect())
}

/// Returns the documentation of the function of a module.
pub(super) fn host_function(module: &str, name: &str) -> Option<&'static HostFunction> {
    let mut functions = host_functions().into_iter();
    functions.find(|function| function.module == module && function.name() == name)
}

/// Returns the names of the members of the map that a function of a module returns.
pub(super) fn result_names(module: &str, name: &str) -> Option<Vec<&'static str>> {
    if !host_function(module, name)?.signature.ends_with(" -> map") {
        return None;
    }
    // A function that does "the same" as the one before it returns the same.
    let functions = host_functions().into_iter();
    let mut of_module = functions.filter(|function| function.module == module);
    of_module.find_map(|function| returned(function.about))
}

fn returned(about: &'static str) -> Option<Vec<&'static str>> {
    if let Some((_, rest)) = about.split_once("returns the members of `context.") {
        return record_names(rest.split('`').next()?);
    }
    listed(about, "eturns `#{")
}

/// Returns the names of the members of the map that a function of a module takes.
pub(super) fn option_names(module: &str, name: &str) -> Option<Vec<&'static str>> {
    match (module, name) {
        ("http", "request") | ("jwt", "verify") | ("attestation", "verify_ear") => {
            listed(host_function(module, name)?.about, "#{")
        }
        _ => None,
    }
}

/// Says which of `names` is meant by `name`, or lists all.
pub(super) fn instead(name: &str, names: &[&str]) -> String {
    // `hostname` for `host`, and `statusCode` for `status`.
    let begins = |known: &&&str| known.len() > 3 && name.starts_with(**known);
    let near = nearest(name, names.iter().copied());
    match near.or_else(|| names.iter().find(begins).copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("it has {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use rhai::Dynamic;

    use super::*;

    /// A call of each function in [`RESULTS`], in the same order.
    const CALLS: [&str; 41] = [
        "let a = \" x \"; a.trim()",
        "let a = \"x\"; a.replace(\"x\", \"y\")",
        "let a = \"xy\"; a.truncate(1)",
        "let a = \"xy\"; a.crop(1)",
        "let a = \"x\"; a.make_lower()",
        "let a = \"x\"; a.make_upper()",
        "let a = []; a.push(1)",
        "let a = [1]; a.insert(0, 1)",
        "let a = [1]; a.append([2])",
        "let a = [1]; a.clear()",
        "let a = [1]; a.reverse()",
        "let a = [1]; a.sort()",
        "let a = [1, 2]; a.sort_by(|x, y| x - y)",
        "let a = [1]; a.sort_desc()",
        "let a = [1]; a.pad(2, 0)",
        "let a = [1]; a.dedup()",
        "[1].for_each(|x| x)",
        "let a = #{}; a.mixin(#{})",
        "let a = #{}; a.fill_with(#{})",
        "[1].len()",
        "[1].index_of(1)",
        "parse_int(\"1\")",
        "\"x\".bytes",
        "[1].contains(1)",
        "\"x\".starts_with(\"x\")",
        "\"x\".ends_with(\"x\")",
        "[].is_empty()",
        "[1].all(|x| x > 0)",
        "[1].some(|x| x > 0)",
        "\"X\".to_lower()",
        "\"x\".to_upper()",
        "\"xy\".sub_string(1)",
        "5.to_string()",
        "5.to_debug()",
        "\"a b\".split()",
        "\"a b\".split_rev(\" \")",
        "\"a\".to_chars()",
        "#{}.keys()",
        "#{}.values()",
        "parse_float(\"1.5\")",
        "5.to_float()",
    ];

    #[test]
    fn each_function_has_the_result_of_the_table() {
        let engine = Engine::new();
        let mut calls = CALLS.iter();
        for (kinds, names) in RESULTS {
            for name in names {
                let call = calls.next().unwrap();
                assert!(call.contains(name), "{call} does not call {name}");
                let result: Dynamic = engine.eval(call).unwrap();
                let kind = Kinds::of_parameter(result.type_id());
                assert!(kind.is_within(kinds), "{call} is {}", kind.said());
            }
        }
    }

    #[test]
    fn the_maps_of_context_have_their_members() {
        for (member, names) in [
            (
                "httpRequest",
                &["method", "path", "headers", "ipAddress"][..],
            ),
            ("softwareStatement", &["header", "claims"]),
            ("dcr", &["header", "claims"]),
            ("evidence", &["header", "claims"]),
        ] {
            assert_eq!(record_names(member).unwrap(), names);
        }
        assert!(record_names("certificate").unwrap().contains(&"sha256"));
        assert!(record_names("event").unwrap().contains(&"attempt"));
        assert_eq!(record_names("trustLevel"), None);
    }

    #[test]
    fn the_maps_of_host_functions_have_their_members() {
        let answer: &[&str] = &["status", "headers", "body", "json"];
        let token: &[&str] = &["header", "claims"];
        for (module, name, names) in [
            ("http", "get", answer),
            ("http", "post", answer),
            ("http", "request", answer),
            ("jwt", "decode", token),
            ("jwt", "verify", token),
            ("uri", "parse", &["scheme", "host", "port", "path", "query"]),
        ] {
            assert_eq!(
                result_names(module, name).unwrap(),
                names,
                "{module}::{name}"
            );
        }
        assert_eq!(result_names("x509", "parse"), record_names("certificate"));
        assert!(
            result_names("attestation", "verify_ear")
                .unwrap()
                .contains(&"submods")
        );
        assert_eq!(result_names("json", "parse"), None);
        for function in host_functions() {
            let is_map = function.signature.ends_with(" -> map");
            let names = result_names(function.module, function.name());
            assert_eq!(names.is_some(), is_map, "{}", function.signature);
        }
        for (module, name, option) in [
            ("http", "request", "timeoutMs"),
            ("jwt", "verify", "maxAge"),
            ("attestation", "verify_ear", "boundTo"),
        ] {
            assert!(option_names(module, name).unwrap().contains(&option));
        }
    }
}
