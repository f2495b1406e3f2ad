//! `registrar script call`: calls one hook with one request.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Format, ScriptArguments};
use crate::base::json;
use crate::script::Hook;
use crate::script::testing::trial::{Ending, Given, Trial};
use crate::script::testing::{self, Fakes, World, WorldSettings};

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
) -> Result<(), String> {
    let beginning = arguments.beginning()?;
    let hook = testing::hook(subject.hook)?;
    let (given, fakes) = read(subject.request)?;
    let world = World::new(&beginning);
    world.fake(with_the_rest(fakes, &beginning))?;
    let before = if hook == Hook::AdaptRequest {
        &given.request
    } else {
        given.client()
    }
    .clone();
    let trial = testing::call(&beginning, &world, subject.script, hook, given);
    let trial = super::runtime()?.block_on(trial)?;
    match format {
        Format::Json => say!(
            "{:#}",
            serde_json::to_value(&trial).map_err(|error| error.to_string())?
        ),
        Format::Text => say!("{}", lines(subject.hook, &before, &trial).join("\n")),
    }
    match trial.outcome {
        Ending::Fault => Err(format!("the hook {} failed", subject.hook)),
        Ending::Passed | Ending::Refused | Ending::Answered => Ok(()),
    }
}

/// Reads the request of `file`, with the context and the fakes if the file has them.
fn read(file: &Path) -> Result<(Given, Fakes), String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| named(&error))?;
    let mut members = json::parse_object(&bytes).map_err(|error| named(&error))?;
    if !members.get("request").is_some_and(Value::is_object) {
        return Ok((
            Given {
                request: members,
                ..Given::default()
            },
            Fakes::default(),
        ));
    }
    let fakes = members
        .shift_remove("fakes")
        .unwrap_or_else(|| Value::Object(Map::new()));
    let fakes = serde_json::from_value(fakes).map_err(|error| named(&format!("fakes: {error}")))?;
    let given = serde_json::from_value(Value::Object(members)).map_err(|error| named(&error))?;
    Ok((given, fakes))
}

/// Completes `fakes` with the current time and a placeholder for every secret. A call must neither need nor
/// show real secrets.
fn with_the_rest(mut fakes: Fakes, beginning: &WorldSettings) -> Fakes {
    fakes
        .now
        .get_or_insert_with(|| super::super::clock().now().unix());
    for name in beginning.settings.secrets.keys() {
        fakes
            .secrets
            .entry(name.clone())
            .or_insert_with(|| format!("placeholder for the secret {name}"));
    }
    fakes
}

/// Formats the result of the call for people.
fn lines(hook: &str, before: &Map<String, Value>, trial: &Trial) -> Vec<String> {
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
    let after = trial
        .client
        .as_ref()
        .or(trial.response.as_ref())
        .or(trial.request.as_ref());
    lines.extend(
        after
            .map(|after| difference(before, after))
            .unwrap_or_default(),
    );
    lines.extend(
        trial
            .http
            .iter()
            .map(|sent| format!("  http: {} {}", sent.method, sent.url)),
    );
    lines.extend(trial.log.iter().map(|line| format!("  log: {line}")));
    let (whole, rest) = (trial.microseconds / 1_000, trial.microseconds % 1_000);
    lines.push(format!(
        "{} operations, {whole}.{rest:03} ms",
        trial.operations
    ));
    lines
}

/// Returns the script that ended the hook, or `None` if the server did.
fn script(trial: &Trial) -> Option<&str> {
    trial.script.as_deref().filter(|name| !name.is_empty())
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
    let by = script(trial).map_or_else(String::new, |script| format!(" by {script}"));
    let status = trial
        .status
        .map_or_else(String::new, |status| format!(": {status}"));
    let outcome = match trial.outcome {
        Ending::Passed => "passed",
        Ending::Refused => "refused",
        Ending::Answered => "answered",
        Ending::Fault => "failed",
    };
    format!("{hook}: {outcome}{by}{status}")
}

/// Returns the members that differ, one per line.
fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in before {
        if after.get(name) != Some(value) {
            lines.push(format!("  - {name}: {value}"));
            lines.extend(after.get(name).map(|value| format!("  + {name}: {value}")));
        }
    }
    let is_new = |(name, _): &(&String, &Value)| !before.contains_key(*name);
    lines.extend(
        after
            .iter()
            .filter(is_new)
            .map(|(name, value)| format!("  + {name}: {value}")),
    );
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
            super::read(&file)
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
