//! `registrar script call`: calls one hook with one request.

use std::path::Path;

use serde_json::{Map, Value};

use super::ScriptArguments;
use crate::cli::{CommandFailure, Format};
use crate::script::{
    Hook, testing, testing::Fakes, testing::World, testing::WorldSettings, testing::trial::Ending,
    testing::trial::Given, testing::trial::Trial,
};

/// The hook to call, and the request to call it with.
pub(super) struct Subject<'a> {
    pub(super) hook: &'a str,
    pub(super) request: &'a Path,
    pub(super) script: Option<&'a str>,
}

pub(super) fn run(
    arguments: &ScriptArguments,
    subject: &Subject<'_>,
    format: Format,
) -> Result<(), CommandFailure> {
    let beginning = arguments.beginning()?;
    let hook = testing::hook(subject.hook)?;
    let (given, fakes) = read_request(subject.request)?;
    let before = match hook {
        Hook::AdaptRequest => given.request.clone(),
        _ => given.client().clone(),
    };
    let world = World::new(&beginning);
    world.fake(with_the_rest(fakes, &beginning))?;
    let trial = testing::call(&beginning, &world, subject.script, hook, given);
    let trial = crate::cli::runtime()?.block_on(trial)?;
    if format.is_data() {
        format.write(&as_value(&trial)?)?;
    } else {
        write_text(subject.hook, &before, &trial);
    }
    if trial.outcome == Ending::Fault {
        let reason = format!("the hook {} failed", subject.hook);
        return Err(CommandFailure::Failed(reason));
    }
    Ok(())
}

/// Reads the request of `file`, with the context and the fakes if the file has them.
fn read_request(file: &Path) -> Result<(Given, Fakes), String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut members = crate::cli::read_object(file)?;
    if !matches!(members.get("request"), Some(Value::Object(_))) {
        let given = Given {
            request: members,
            ..Given::default()
        };
        return Ok((given, Fakes::default()));
    }
    let fakes = match members.shift_remove("fakes") {
        Some(fakes) => {
            serde_json::from_value(fakes).map_err(|error| named(&format!("fakes: {error}")))?
        }
        None => Fakes::default(),
    };
    let given = serde_json::from_value(members.into()).map_err(|error| named(&error))?;
    Ok((given, fakes))
}

/// Completes `fakes` with the current time and a placeholder for every secret. A call must neither need nor
/// show real secrets.
fn with_the_rest(mut fakes: Fakes, beginning: &WorldSettings) -> Fakes {
    if fakes.now.is_none() {
        fakes.now = Some(crate::cli::clock().now().unix());
    }
    for name in beginning.settings.secrets.keys() {
        let secret = fakes.secrets.entry(name.clone());
        secret.or_insert_with(|| format!("placeholder for the secret {name}"));
    }
    fakes
}

fn as_value(trial: &Trial) -> Result<Value, String> {
    serde_json::to_value(trial).map_err(|error| error.to_string())
}

fn write_text(hook: &str, before: &Map<String, Value>, trial: &Trial) {
    let mut lines = outcome_lines(hook, trial);
    lines.extend(change_lines(before, trial));
    lines.extend(work_lines(trial));
    say!("{}", lines.join("\n"));
}

/// Returns what the hook ended with, for people.
fn outcome_lines(hook: &str, trial: &Trial) -> Vec<String> {
    let mut lines = vec![ending(hook, trial)];
    if let Some(message) = &trial.message {
        lines.push(format!("  {}: {message}", place(trial)));
    }
    if let Some(entity) = &trial.entity {
        lines.push(format!("  {}", Value::Object(entity.clone())));
    }
    if let Some(value) = &trial.value {
        lines.push(format!("  returned: {value}"));
    }
    lines
}

/// Returns what the hook changed, if it can change anything.
fn change_lines(before: &Map<String, Value>, trial: &Trial) -> Vec<String> {
    let client_or_response = trial.client.as_ref().or(trial.response.as_ref());
    match client_or_response.or(trial.request.as_ref()) {
        Some(after) => difference(before, after),
        None => Vec::new(),
    }
}

/// Returns what the hook did on the way, and how much work it was.
fn work_lines(trial: &Trial) -> Vec<String> {
    let mut lines = Vec::new();
    for sent in &trial.http {
        lines.push(format!("  http: {} {}", sent.method, sent.url));
    }
    for line in &trial.log {
        lines.push(format!("  log: {line}"));
    }
    let (whole, rest) = (trial.microseconds / 1_000, trial.microseconds % 1_000);
    let operations = trial.operations;
    lines.push(format!("{operations} operations, {whole}.{rest:03} ms"));
    lines
}

/// Returns the script that ended the hook, or `None` if the server did.
fn script(trial: &Trial) -> Option<&str> {
    match trial.script.as_deref() {
        None | Some("") => None,
        name => name,
    }
}

/// Returns the location of a fault. The line is not always known.
fn place(trial: &Trial) -> String {
    let script = script(trial).unwrap_or("the server");
    match trial.line {
        Some(line) => format!("{script}:{line}:{}", trial.column.unwrap_or(0)),
        None => script.to_owned(),
    }
}

fn ending(hook: &str, trial: &Trial) -> String {
    let outcome = match trial.outcome {
        Ending::Passed => "passed",
        Ending::Refused => "refused",
        Ending::Answered => "answered",
        Ending::Fault => "failed",
    };
    let mut text = format!("{hook}: {outcome}");
    if let Some(script) = script(trial) {
        text = format!("{text} by {script}");
    }
    if let Some(status) = trial.status {
        text = format!("{text}: {status}");
    }
    text
}

/// Returns the members that differ, one per line.
fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in before {
        let other = after.get(name);
        if other != Some(value) {
            lines.push(format!("  - {name}: {value}"));
        }
        if let Some(other) = other
            && other != value
        {
            lines.push(format!("  + {name}: {other}"));
        }
    }
    for (name, value) in after {
        if !before.contains_key(name) {
            lines.push(format!("  + {name}: {value}"));
        }
    }
    if lines.is_empty() {
        lines.push("  nothing was changed".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn changes_are_shown_member_by_member() {
        let before = object(json!({"a": 1, "b": "x", "c": [1]}));
        let after = object(json!({"a": 1, "b": "y", "d": true}));
        let expected = ["  - b: \"x\"", "  + b: \"y\"", "  - c: [1]", "  + d: true"];
        assert_eq!(difference(&before, &after), expected);
        assert_eq!(difference(&before, &before), ["  nothing was changed"]);
    }

    #[test]
    fn a_file_is_a_request_alone_or_with_more_input() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("request.json");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_request(&file)
        };
        assert_eq!(
            read("{\"client_name\": \"K\"}").unwrap().0.request["client_name"],
            "K"
        );
        let (given, fakes) =
            read("{\"request\": {\"a\": 1}, \"trustLevel\": \"token\", \"fakes\": {\"now\": 5}}")
                .unwrap();
        assert_eq!((given.request["a"].as_i64(), fakes.now), (Some(1), Some(5)));
        let error = read("{\"request\": {}, \"softwareStatment\": {}}").unwrap_err();
        assert!(
            error.contains("unknown field `softwareStatment`"),
            "{error}"
        );
        assert!(read("[]").unwrap_err().contains("an array"));
    }
}
