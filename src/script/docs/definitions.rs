//! Definition files, with which the Rhai language server completes and checks scripts.
//!
//! They have the format of Rhai's own generator: <https://rhai.rs/book/engine/metadata/definitions.html>.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::client::{MEMBERS, MemberKind, SetBy};
use crate::script::{
    Hook, docs::CONTEXT_MEMBERS, docs::ContextMember, docs::HostFunction, docs::TEST_FUNCTIONS,
    docs::host_functions,
};

/// The length limit of a documentation line, in bytes.
const WIDTH: usize = 100;

/// Returns the text of each file by file name.
pub(crate) fn definitions() -> BTreeMap<String, String> {
    let mut modules: BTreeMap<&str, Vec<&HostFunction>> = BTreeMap::new();
    for function in host_functions().into_iter().chain(TEST_FUNCTIONS) {
        modules.entry(function.module).or_default().push(function);
    }
    let tests = modules.remove("").unwrap_or_default();
    let mut files = BTreeMap::new();
    for (name, functions) in &modules {
        files.insert(format!("{name}.d.rhai"), module(name, functions));
    }
    files.insert("__registrar__.d.rhai".to_owned(), context());
    files.insert("__hooks__.d.rhai".to_owned(), hooks());
    files.insert("__tests__.d.rhai".to_owned(), module("static", &tests));
    files
}

fn module(name: &str, functions: &[&HostFunction]) -> String {
    let mut text = format!("module {name};\n");
    for function in functions {
        let example = format!("Example: `{}`", function.example);
        item(
            &mut text,
            &[function.about, &example],
            &declaration(function.signature),
        );
    }
    text
}

/// Returns the definitions of `context` and of the types of its members.
fn context() -> String {
    let mut text = "module static;\n".to_owned();
    for member in CONTEXT_MEMBERS {
        for declaration in context_member(member) {
            item(&mut text, &[member.about], &declaration);
        }
    }
    for member in MEMBERS {
        let about = match member.set_by {
            SetBy::Server => format!("Set by the server, and read-only: {}.", kind(member.kind).1),
            _ => format!("Client metadata: {}.", kind(member.kind).1),
        };
        let name = member.name;
        item(
            &mut text,
            &[&about],
            &format!("fn get {name}(client: Members) -> {};", kind(member.kind).0),
        );
    }
    let methods = [
        (
            "Returns whether the member is present.",
            "fn contains(client: Members, name: String) -> bool;",
        ),
        (
            "Returns the names of all members.",
            "fn keys(client: Members) -> Array;",
        ),
        (
            "Returns a copy of all members as a map.",
            "fn to_map(client: Members) -> Map;",
        ),
        (
            "Removes a member.",
            "fn remove(client: Members, name: String);",
        ),
    ];
    for (about, declaration) in methods {
        item(&mut text, &[about], declaration);
    }
    item(
        &mut text,
        &["Returns the number of bytes."],
        "fn len(bytes: Bytes) -> int;",
    );
    text
}

/// Returns the getter of a member, and the method with Janssen's spelling.
fn context_member(member: &ContextMember) -> Vec<String> {
    let result = match member.name {
        "client" | "registerRequest" | "shared" => "Members",
        "configurationAttributes" | "httpRequest" => "Map",
        "trustLevel" => "String",
        "time" => "int",
        _ => "?",
    };
    match member.name.split_once('(') {
        Some((name, "status, entity)")) => {
            vec![format!(
                "fn {name}(context: Context, status: int, entity: ?);"
            )]
        }
        Some((name, "reason)")) => vec![format!("fn {name}(context: Context, reason: String);")],
        Some((name, _)) => vec![format!("fn {name}(context: Context, nonce: String);")],
        None => {
            let (name, method) = (member.name, member.spelling.trim_end_matches("()"));
            vec![
                format!("fn get {name}(context: Context) -> {result};"),
                format!("fn {method}(context: Context) -> {result};"),
            ]
        }
    }
}

fn hooks() -> String {
    let mut text = "module static;\n".to_owned();
    for hook in Hook::ALL {
        let mut parameters = Vec::new();
        for name in hook.parameters() {
            parameters.push(match *name {
                "context" => "context: Context".to_owned(),
                "response" | "request" => format!("{name}: Members"),
                other => format!("{other}: ?"),
            });
        }
        let parameters = parameters.join(", ");
        let about = format!("A hook that a script can define. {}", hook.about());
        item(
            &mut text,
            &[&about],
            &format!("fn {}({parameters}) -> ?;", hook.name()),
        );
    }
    text
}

/// Returns the type of a member in Rhai and in words.
const fn kind(kind: MemberKind) -> (&'static str, &'static str) {
    match kind {
        MemberKind::Text => ("String", "a string"),
        MemberKind::Label => ("String", "a string shown to users"),
        MemberKind::Page | MemberKind::Picture => ("String", "the URL of a page shown to users"),
        MemberKind::Link | MemberKind::Url => ("String", "a URL that servers call"),
        MemberKind::Uri => ("String", "a URI"),
        MemberKind::Uris => ("Array", "an array of URIs"),
        MemberKind::Texts => ("Array", "an array of strings"),
        MemberKind::Flag => ("bool", "true or false"),
        MemberKind::Count => ("int", "a whole number of 0 or more"),
        MemberKind::Object => ("Map", "a map"),
        MemberKind::Jwks => ("Map", "a JWK Set"),
    }
}

/// Appends one item with its documentation.
fn item(text: &mut String, about: &[&str], declaration: &str) {
    text.push('\n');
    for (index, paragraph) in about.iter().enumerate() {
        if index > 0 {
            text.push_str("///\n");
        }
        for line in wrapped(paragraph) {
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "/// {line}");
        }
    }
    let _ = writeln!(text, "{declaration}");
}

fn wrapped(paragraph: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split_whitespace() {
        match lines
            .last_mut()
            .filter(|line| line.len() + word.len() < WIDTH)
        {
            Some(line) => line.extend([" ", word]),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Translates a signature such as `sha256(text: string) -> string` to a Rhai declaration.
fn declaration(signature: &str) -> String {
    let (head, result) = match signature.split_once(" -> ") {
        Some((head, result)) => (head, format!(" -> {}", type_name(result))),
        None => (signature, String::new()),
    };
    let (name, parameters) = head.split_once('(').unwrap_or((head, ")"));
    let mut declared = Vec::new();
    for parameter in parameters.trim_end_matches(')').split(", ") {
        match parameter.split_once(": ") {
            Some((name, of)) => declared.push(format!("{name}: {}", type_name(of))),
            None if parameter.is_empty() => {}
            None => declared.push(format!("{parameter}: ?")),
        }
    }
    format!("fn {name}({}){result};", declared.join(", "))
}

fn type_name(name: &str) -> &str {
    match name {
        "string" => "String",
        "bytes" => "Bytes",
        "map" => "Map",
        "int" | "bool" => name,
        _ => "?",
    }
}
