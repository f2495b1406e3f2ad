//! `registrar try`: judges one registration or update by a running server, which stores nothing of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::base::json;
use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, RemoteArguments, Table, cell, items, moment,
    script::versions::read_folder, write_line,
};

#[derive(Debug, Args)]
pub(super) struct TrialArguments {
    /// The request: a file with the metadata as JSON, with a signed request, or with an object that has `body` and the
    /// other members of a trial.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Try an update of this client. Its token is not needed.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The identifier of the initial access token, as shown by tokens list.
    #[arg(long, value_name = "ID")]
    initial_access_token: Option<String>,
    /// The address of the client. Default: yours.
    #[arg(long, value_name = "ADDR")]
    address: Option<IpAddr>,
    /// A header of the request, such as 'User-Agent: example'. Can be repeated.
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A PEM file with the certificate of the client, which counts as trusted.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The time of the trial: 2026-01-31T12:00:00Z, 2026-01-31, 30d (ago), +12h (from now), or seconds since 1970.
    /// Default: now.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    time: Option<u64>,
    /// A script that is tried in place of the loaded one with its name, or in addition. Can be repeated.
    #[arg(long = "script", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A script folder that is tried in place of all loaded scripts.
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
    /// An option of [registration] that is tried in place of the configured one, such as
    /// dynamicRegistrationEnabled=true. Can be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = option)]
    options: Vec<(String, Value)>,
    /// What answers http calls of scripts: refuse (no server), live (the called servers), or a JSON file with an
    /// array of fake responses.
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    http: String,
    /// Treat as unused what earlier requests used up, to try one of them again.
    #[arg(long)]
    repeated: bool,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

const TRY: Needs = |scopes| &scopes.scripts_try;

/// Reads a header from its line.
fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("must be NAME: VALUE".to_owned()),
    }
}

/// Reads an option. A value that is not JSON is a text.
fn option(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let value = json::parse(value.as_bytes()).unwrap_or_else(|_| value.into());
            Ok((name.to_owned(), value))
        }
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}

pub(super) async fn run(arguments: &TrialArguments) -> Result<(), CommandFailure> {
    let input = Value::Object(arguments.input()?).to_string();
    let call = Call {
        method: "POST",
        path: "/admin/v1/try",
        body: Some(("application/json", input.into_bytes())),
        ..Call::default()
    };
    let judged = arguments.remote.connect(&[TRY]).await?.call(call).await?;
    match arguments.form.format {
        data @ (Format::Json | Format::Yaml) => data.write(&judged)?,
        Format::Table => write_text(&judged)?,
    }
    let status = judged.pointer("/answer/status").and_then(Value::as_u64);
    match status {
        Some(status @ 500..) => Err(CommandFailure::Failed(format!(
            "the server would fail with status {status}"
        ))),
        _ => Ok(()),
    }
}

impl TrialArguments {
    /// Returns the description of the request: the file, and the flags in its place.
    fn input(&self) -> Result<Map<String, Value>, CommandFailure> {
        let mut input = read_request(&self.request)?;
        for (name, value) in self.request_members()? {
            input.insert(name.to_owned(), value);
        }
        for (name, value) in self.conditions()? {
            input.insert(name.to_owned(), value);
        }
        Ok(input)
    }

    /// Returns the members that describe the request.
    fn request_members(&self) -> Result<Vec<(&'static str, Value)>, CommandFailure> {
        let mut members = Vec::new();
        if let Some(id) = &self.client_id {
            members.push(("client_id", id.as_str().into()));
        }
        if let Some(id) = &self.initial_access_token {
            members.push(("initial_access_token", id.as_str().into()));
        }
        if let Some(address) = self.address {
            members.push(("address", address.to_string().into()));
        }
        if let Some(file) = &self.certificate {
            members.push(("certificate", json!({"pem": read_text(file)?})));
        }
        if !self.headers.is_empty() {
            members.push(("headers", headers(&self.headers)));
        }
        Ok(members)
    }

    /// Returns the members that describe what the request is judged by.
    fn conditions(&self) -> Result<Vec<(&'static str, Value)>, CommandFailure> {
        let mut members = Vec::new();
        if let Some(seconds) = self.time {
            members.push(("time", seconds.into()));
        }
        if !self.options.is_empty() {
            members.push(("registration", self.options.iter().cloned().collect()));
        }
        if self.repeated {
            members.push(("repeated", true.into()));
        }
        if self.scripts.is_some() || !self.files.is_empty() {
            members.push(("scripts", json!(self.script_files()?)));
            members.push(("replace_scripts", self.scripts.is_some().into()));
        }
        match self.http.as_str() {
            "refuse" => {}
            "live" => members.push(("http", "live".into())),
            file => members.push(("http", read_fakes(Path::new(file))?)),
        }
        Ok(members)
    }

    fn script_files(&self) -> Result<BTreeMap<String, String>, CommandFailure> {
        let mut files = match &self.scripts {
            Some(folder) => read_folder(folder)?,
            None => BTreeMap::new(),
        };
        for file in &self.files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            files.insert(name.into_owned(), read_text(file)?);
        }
        Ok(files)
    }
}

/// Returns the headers, of which several may have one name.
fn headers(all: &[(String, String)]) -> Value {
    let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in all {
        headers
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(value);
    }
    json!(headers)
}

/// Reads the request of `file`, with the other members of a trial if the file has them.
fn read_request(file: &Path) -> Result<Map<String, Value>, CommandFailure> {
    let text = read_text(file)?;
    let body = if text.trim_start().starts_with('{') {
        let members = json::parse_object(text.as_bytes());
        let members = members.map_err(|error| format!("{}: {error}", file.display()))?;
        let is_whole = matches!(
            members.get("body"),
            Some(Value::Object(_) | Value::String(_))
        );
        if is_whole {
            return Ok(members);
        }
        members.into()
    } else {
        text.trim().into()
    };
    Ok(Map::from_iter([("body".to_owned(), body)]))
}

fn read_fakes(file: &Path) -> Result<Value, CommandFailure> {
    let fakes = json::parse(read_text(file)?.as_bytes());
    let fakes = fakes.map_err(|error| format!("{}: {error}", file.display()))?;
    if fakes.is_array() {
        return Ok(fakes);
    }
    Err(CommandFailure::Failed(format!(
        "{}: must be an array of objects with `method`, `url` and `answer`",
        file.display()
    )))
}

fn read_text(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Writes how the request was judged, for people.
fn write_text(judged: &Value) -> Result<(), CommandFailure> {
    let answer = judged.get("answer").unwrap_or(&Value::Null);
    write_line(&format!(
        "The client would get {}:\n",
        cell(answer.get("status"))
    ))?;
    write_members(answer.get("body"), judged.get("origins"))?;
    write_line("")?;
    let steps = items(judged, "steps").iter().map(step);
    Table::new(["STEP", "VERDICT", "MS", "REASON"]).rows(steps.collect())?;
    for call in items(judged, "hooks") {
        write_line("")?;
        for line in call_lines(call) {
            write_line(&line)?;
        }
    }
    Ok(())
}

/// Writes the members of the answer, with their origins if the request was accepted.
fn write_members(body: Option<&Value>, origins: Option<&Value>) -> Result<(), CommandFailure> {
    let mut rows = Vec::new();
    if let Some(Value::Object(members)) = body {
        for (name, value) in members {
            let origin = origins.and_then(|origins| origins.get(name));
            rows.push([name.clone(), cell(origin), cell(Some(value))]);
        }
    }
    Table::new(["MEMBER", "ORIGIN", "VALUE"]).rows(rows)
}

fn step(step: &Value) -> [String; 4] {
    [
        cell(step.get("step")),
        cell(step.get("verdict")),
        milliseconds(step),
        cell(step.get("reason")),
    ]
}

fn milliseconds(of: &Value) -> String {
    let microseconds = of.get("microseconds").and_then(Value::as_u64);
    let microseconds = microseconds.unwrap_or_default();
    format!("{}.{:03}", microseconds / 1_000, microseconds % 1_000)
}

/// Returns what a call of a script did.
fn call_lines(call: &Value) -> Vec<String> {
    let text = |name: &str| cell(call.get(name));
    let mut lines = vec![format!(
        "{} {}: {}, {} operations, {} ms",
        text("script"),
        text("hook"),
        text("result"),
        text("operations"),
        milliseconds(call)
    )];
    for name in ["error", "status", "body", "value"] {
        if call.get(name).is_some() {
            lines.push(format!("  {name}: {}", text(name)));
        }
    }
    lines.extend(change_lines(call));
    for sent in items(call, "http") {
        let outcome = cell(sent.get("status").or(sent.get("error")));
        let (method, url) = (cell(sent.get("method")), cell(sent.get("url")));
        lines.push(format!("  http: {method} {url}: {outcome}"));
    }
    for line in items(call, "log") {
        lines.push(format!("  log: {}", cell(Some(line))));
    }
    lines
}

/// Returns the members that a call changed.
fn change_lines(call: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for change in items(call, "changed") {
        let member = cell(change.get("member"));
        for (mark, side) in [('-', "before"), ('+', "after")] {
            if let Some(value) = change.get(side) {
                lines.push(format!("  {mark} {member}: {value}"));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_request_alone_or_a_whole_trial() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("request");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            Value::Object(read_request(&file).unwrap())
        };
        for (text, expected) in [
            (
                r#"{"client_name": "K"}"#,
                json!({"body": {"client_name": "K"}}),
            ),
            (r#"{"body": {}, "time": 5}"#, json!({"body": {}, "time": 5})),
            ("eyJ.eyJ.c2ln\n", json!({"body": "eyJ.eyJ.c2ln"})),
        ] {
            assert_eq!(read(text), expected);
        }
    }

    #[test]
    fn flags_have_a_name_and_a_value() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(header("A: b: c"), Ok(pair("A", "b: c")));
        assert!(header("A").is_err() && header(": b").is_err());
        assert_eq!(option("a=true"), Ok(("a".to_owned(), true.into())));
        assert_eq!(
            option("a=required"),
            Ok(("a".to_owned(), "required".into()))
        );
        assert!(option("a").is_err() && option("=b").is_err());
    }

    #[test]
    fn a_call_is_shown_with_its_changes() {
        let call = json!({
            "hook": "createClient", "script": "10-a.rhai", "result": "passed", "operations": 12, "microseconds": 1_500,
            "changed": [{"member": "scope", "before": "a", "after": "b"}, {"member": "contacts", "after": ["x"]}],
            "http": [{"method": "GET", "url": "https://a.example", "status": 200}], "log": ["info: x"],
        });
        let expected = [
            "10-a.rhai createClient: passed, 12 operations, 1.500 ms",
            "  - scope: \"a\"",
            "  + scope: \"b\"",
            "  + contacts: [\"x\"]",
            "  http: GET https://a.example: 200",
            "  log: info: x",
        ];
        assert_eq!(call_lines(&call), expected);
    }
}
