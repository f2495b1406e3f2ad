//! Finds mistakes in scripts before they run, in every branch and not only where a test comes by.
//!
//! The scripts are followed once, as if every condition were both true and false, and each expression has a
//! set of types. A mistake is only reported when no value of these types could be right: a value of unknown
//! origin can have any type, and is never reported. What exists comes from the tables of the engine and of the
//! documentation, so that a new function or member is known here as soon as it exists.

mod call;
mod chain;
mod compare;
mod constants;
mod foreign;
mod hint;
mod hooks;
mod kinds;
mod known;
mod method;
mod outcome;
mod recursion;
mod source;
mod targets;
mod values;
mod walk;

use std::collections::BTreeMap;
use std::fmt;

use rhai::{Engine, OptimizationLevel, Position};

use crate::script::{Hook, LoadError, Texts, written};
use kinds::{Kinds, MemberUse, Type};
use source::ScriptFile;
use walk::Walk;

pub(in crate::script) use hint::explained_parse_error;
pub(in crate::script) use hooks::misspelled_hooks;
pub(in crate::script) use known::Vocabulary;
pub(crate) use targets::CalledHost;
pub(in crate::script) use targets::called_hosts;

/// How bad a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The script fails here, or does something that cannot have been meant.
    Error,
    /// Probably a mistake.
    Warning,
}

/// A mistake in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub severity: Severity,
    /// What is wrong and what would be right, with its position.
    pub error: LoadError,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

/// The functions whose arguments and results are known better after each pass.
#[derive(Default)]
struct Learned {
    /// The arguments of each function, by file and index.
    arguments: BTreeMap<(usize, usize), Vec<Type>>,
    results: BTreeMap<(usize, usize), Type>,
}

/// The number of passes. Each passes what is known about arguments and results one call further.
const PASSES: usize = 4;

/// Finds the mistakes in `texts`. `engine` has all functions and limits of scripts. Files that cannot be
/// parsed are left out, because they cannot be loaded either.
pub(in crate::script) fn findings(
    engine: &mut Engine,
    texts: &Texts,
    known: &Vocabulary,
) -> Vec<Finding> {
    // The optimizer removes branches that it knows not to be taken, and compares constants itself.
    engine.set_optimization_level(OptimizationLevel::None);
    let sources = source::sources(engine, texts);
    let mut learned = Learned::default();
    for _ in 1..PASSES {
        learned = pass(&sources, known, &learned).0;
    }
    let mut findings = pass(&sources, known, &learned).1;
    for source in &sources {
        findings.extend(hooks::of_hooks(source));
        findings.extend(hooks::open_comment(engine, source));
        findings.extend(recursion::endless(source));
    }
    for error in &texts.ignored {
        let (severity, error) = (Severity::Warning, error.clone());
        findings.push(Finding { severity, error });
    }
    findings.sort_by(|one, two| place(one).cmp(&place(two)));
    findings.dedup();
    findings
}

fn place(finding: &Finding) -> (&str, usize, usize, Severity, &str) {
    let error = &finding.error;
    (
        &error.file,
        error.line,
        error.column,
        finding.severity,
        &error.message,
    )
}

/// Follows all functions once.
fn pass(sources: &[ScriptFile], known: &Vocabulary, before: &Learned) -> (Learned, Vec<Finding>) {
    let mut walk = Walk::new(sources, known, before);
    for file in 0..sources.len() {
        walk.file(file);
    }
    walk.done()
}

/// Creates a finding at a position of `source`.
fn finding(source: &ScriptFile, severity: Severity, place: Position, message: &str) -> Finding {
    let mut error = LoadError::at(&source.file, &source.text, place, written(message));
    error.text = written(&error.text);
    Finding { severity, error }
}

/// Returns the types with which the server calls a hook.
fn hook_arguments(hook: Hook) -> Vec<Type> {
    let client = match hook {
        Hook::CreateClient | Hook::UpdateClient => MemberUse::Metadata,
        _ => MemberUse::ReadOnly,
    };
    let mut arguments = Vec::new();
    for name in hook.parameters() {
        arguments.push(match *name {
            "context" => Type::context(client),
            "request" => Type::members(MemberUse::Request),
            "response" => Type::members(MemberUse::Response),
            _ => Type::of(Kinds::MAP | Kinds::UNIT),
        });
    }
    arguments
}
