//! Which hooks a script has, and which it was meant to have.

use rhai::{AST, Engine, Position, Stmt};

use super::source::{Function, Mentions, ScriptFile};
use super::{Finding, Severity, finding};
use crate::config::nearest;
use crate::script::{Hook, LoadError, declaration};

/// Returns the functions that were meant to be hooks but have another name. Without the hook its rule is gone, so the
/// script must not be loaded.
pub(in crate::script) fn misspelled_hooks(ast: &AST, file: &str, text: &str) -> Vec<LoadError> {
    let mut errors = Vec::new();
    let mentions = Mentions::of(ast);
    for function in ast.iter_functions() {
        let name = function.name;
        if let Some(hook) = misspelled(name).filter(|_| !mentions.function(name)) {
            let message =
                format!("the function {name} is never called; did you mean the hook {hook}?");
            let place = declaration(text, name);
            errors.push(LoadError::at(file, text, place, message));
        }
    }
    errors
}

/// Returns the hook that a name is similar to.
fn misspelled(name: &str) -> Option<&'static str> {
    // A short name is similar to a hook by chance.
    let may_be_meant = name.len() > 6 && !name.starts_with("anon$") && Hook::named(name).is_none();
    nearest(name, Hook::ALL.map(Hook::name)).filter(|_| may_be_meant)
}

/// Returns the mistakes in the hooks of a script as a whole.
pub(super) fn of_hooks(source: &ScriptFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.file.starts_with("lib/") {
        return findings;
    }
    findings.extend(
        source
            .functions
            .iter()
            .filter_map(|function| private(source, function)),
    );
    let variables = variables(source);
    if variables.is_empty() && source.names().all(|name| Hook::named(name).is_none()) {
        let message = "the script has no hook, so it is never called; add one, such as \
                       `fn createClient(context) { true }`, or move what other scripts use to lib/";
        findings.push(finding(
            source,
            Severity::Warning,
            Position::new(1, 1),
            message,
        ));
    }
    findings.extend(variables);
    findings.extend(without_update(source));
    findings
}

/// Reports a hook that the server cannot call.
fn private(source: &ScriptFile, function: &Function) -> Option<Finding> {
    let name = function.name.as_str();
    let is_hidden = function.is_private && Hook::named(name).is_some();
    let message = format!("the server cannot call {name}: remove `private` before its `fn`");
    is_hidden.then(|| finding(source, Severity::Error, function.place, &message))
}

/// Reports variables and constants that were meant to be hooks.
fn variables(source: &ScriptFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for statement in &source.top {
        if let Stmt::Var(variable, _, place) = statement
            && let Some(hook) = Hook::named(&variable.0.name)
        {
            let (name, parameters) = (hook.name(), hook.parameters().join(", "));
            let message = format!(
                "{name} is a variable here, which the server never calls; declare the hook as a function: \
                 `fn {name}({parameters}) {{ .. }}`"
            );
            findings.push(finding(source, Severity::Warning, *place, &message));
        }
    }
    findings
}

/// Warns of requirements that hold for registrations only.
fn without_update(source: &ScriptFile) -> Option<Finding> {
    let of_hook = |hook: Hook| source.named(hook.name()).next();
    let (_, create) = of_hook(Hook::CreateClient)?;
    // `adaptRequest` is called for updates, too.
    if of_hook(Hook::UpdateClient).is_some() || of_hook(Hook::AdaptRequest).is_some() {
        return None;
    }
    let message = "createClient has no matching updateClient, so a client can register as you require and then \
                   change what it likes; add `fn updateClient(context) { createClient(context) }`, or \
                   `fn updateClient(context) { true }` if that is what you want";
    Some(finding(source, Severity::Warning, create.place, message))
}

/// Returns the position after a text.
fn end_of(text: &str) -> Option<Position> {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next()?.chars().count() + 1;
    Some(Position::new(
        line.try_into().ok()?,
        column.try_into().ok()?,
    ))
}

/// Warns of a comment that is never closed, and so takes the rest of the file with it.
pub(super) fn open_comment(engine: &Engine, source: &ScriptFile) -> Option<Finding> {
    let text = source.text.as_str();
    // Outside comments, `*/` is a syntax error.
    let is_open = |text: &str| engine.compile(format!("{text}\n*/")).is_ok();
    if !is_open(text) {
        return None;
    }
    let begins: Vec<usize> = text.match_indices("/*").map(|(at, _)| at).collect();
    let before = |at: &usize| text.get(..*at).unwrap_or_default();
    let outside = begins.partition_point(|at| !is_open(before(at)));
    let place = end_of(before(begins.get(outside.checked_sub(1)?)?))?;
    let message =
        "this comment never ends, so everything below it is part of it; close it with `*/`";
    Some(finding(source, Severity::Warning, place, message))
}
