//! `registrar script versions`, `show`, `diff`, `rollback`, `unpin`, `push` and `promote`: the scripts of running servers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};
use similar::TextDiff;

use super::candidate;
use super::replay::{self, ScriptReplayArguments};
use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, Remote, RemoteArguments, Table, cell, clock,
    items, moment, write_line,
};
use crate::config::ScriptSettings;
use crate::script::{Runtime, ScriptSet};

/// The path of the versions in the admin API.
const VERSIONS: &str = "/admin/v1/scripts/versions";
/// The path of the pin in the admin API.
const PIN: &str = "/admin/v1/scripts/pin";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum VersionCommand {
    /// List the versions of the scripts that a running server keeps: every set that was in force.
    Versions {
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show the files of a version.
    Show {
        /// The version, or the first characters of it.
        #[arg(value_name = "VERSION")]
        version: String,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show the differences between two versions.
    Diff {
        /// The older version: a version, the first characters of one, or a script folder.
        #[arg(value_name = "A")]
        older: String,
        /// The newer version. Default: the version in force.
        #[arg(value_name = "B")]
        newer: Option<String>,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Put a version in force on all servers, whatever their script folders contain, until it is unpinned.
    #[command(alias = "pin")]
    Rollback {
        /// The version, or the first characters of it.
        #[arg(value_name = "VERSION")]
        version: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Put the script folder of each server in force again.
    Unpin {
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Put the scripts of a folder into the store, and in force on all servers, until they are unpinned.
    Push {
        /// The script folder.
        #[arg(value_name = "FOLDER")]
        folder: std::path::PathBuf,
        /// Push the folder even if it has no script, which turns off every policy.
        #[arg(long)]
        empty: bool,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show how the candidate does, and which requests it answers differently.
    Candidate {
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Judge the recorded requests of a running server by other scripts, and show what they would decide differently.
    Replay(ScriptReplayArguments),
    /// Put the candidate in force on all servers, until it is unpinned.
    Promote {
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

pub(super) const READ: Needs = |scopes| &scopes.scripts_read;
const WRITE: Needs = |scopes| &scopes.scripts_write;

pub(in crate::cli) async fn run(command: &VersionCommand) -> Result<(), CommandFailure> {
    match command {
        VersionCommand::Replay(arguments) => replay::run(arguments).await,
        VersionCommand::Candidate { form, remote } => candidate::run(form.format, remote).await,
        VersionCommand::Versions { form, remote } => {
            list(&remote.connect(&[READ]).await?, form.format).await
        }
        VersionCommand::Show {
            version,
            form,
            remote,
        } => show(&remote.connect(&[READ]).await?, version, form.format).await,
        VersionCommand::Diff {
            older,
            newer,
            remote,
        } => diff(older, newer.as_deref(), &remote.connect(&[READ]).await?).await,
        VersionCommand::Rollback { version, remote } => rollback(version, remote).await,
        VersionCommand::Unpin { remote } => unpin(remote).await,
        VersionCommand::Push {
            folder,
            empty,
            remote,
        } => push(folder, *empty, remote).await,
        VersionCommand::Promote { remote } => promote(remote).await,
    }
}

async fn promote(remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[WRITE]).await?;
    order(&remote, "POST", "/admin/v1/scripts/promote", None).await
}

async fn unpin(remote: &RemoteArguments) -> Result<(), CommandFailure> {
    order(&remote.connect(&[WRITE]).await?, "DELETE", PIN, None).await
}

async fn rollback(version: &str, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[READ, WRITE]).await?;
    let version = resolve(&remote, version).await?;
    order(&remote, "PUT", PIN, Some(json!({"version": version}))).await
}

async fn list(remote: &Remote, format: Format) -> Result<(), CommandFailure> {
    let answer = remote.get(VERSIONS, &[]).await?;
    if format.is_data() {
        return format.write(&answer);
    }
    let mut table = Table::new(["VERSION", "IN_FORCE_AT", "SOURCE", "STATE", "FILES"]);
    table.rows(items(&answer, "versions").iter().map(row).collect())
}

fn row(version: &Value) -> [String; 5] {
    let is = |name: &str| version.get(name) == Some(&Value::Bool(true));
    let state = match (is("is_in_force"), is("is_pinned")) {
        (true, true) => "in force, pinned",
        (true, false) => "in force",
        (false, true) => "pinned",
        (false, false) => "",
    };
    [
        cell(version.get("version")),
        moment::shown(version.get("in_force_at")),
        cell(version.get("source")),
        state.to_owned(),
        cell(version.get("files")),
    ]
}

async fn show(remote: &Remote, version: &str, format: Format) -> Result<(), CommandFailure> {
    let version = resolve(remote, version).await?;
    let answer = remote.get(&format!("{VERSIONS}/{version}"), &[]).await?;
    if format.is_data() {
        return format.write(&answer);
    }
    for (name, text) in files_of(&answer) {
        write_line(&format!("// {name}\n{text}"))?;
    }
    Ok(())
}

async fn diff(older: &str, newer: Option<&str>, remote: &Remote) -> Result<(), CommandFailure> {
    let older = files(remote, older).await?;
    let newer = match newer {
        Some(newer) => files(remote, newer).await?,
        None => files(remote, &in_force(remote).await?).await?,
    };
    let names: BTreeSet<&String> = older.keys().chain(newer.keys()).collect();
    for name in names {
        let (before, after) = (older.get(name), newer.get(name));
        if before != after {
            write_line(&differences(name, before, after))?;
        }
    }
    Ok(())
}

/// Returns the differences of one file in the unified format.
fn differences(name: &str, before: Option<&String>, after: Option<&String>) -> String {
    let text = |file: Option<&String>| file.cloned().unwrap_or_default();
    let heading = |prefix: &str, file: Option<&String>| match file {
        Some(_) => format!("{prefix}/{name}"),
        None => "/dev/null".to_owned(),
    };
    let (old, new) = (text(before), text(after));
    let compared = TextDiff::from_lines(old.as_str(), new.as_str());
    let mut unified = compared.unified_diff();
    let unified = unified.header(&heading("a", before), &heading("b", after));
    unified.to_string().trim_end().to_owned()
}

/// Returns the files of a version, or of a folder.
async fn files(remote: &Remote, named: &str) -> Result<BTreeMap<String, String>, CommandFailure> {
    let folder = Path::new(named);
    if folder.is_dir() {
        return read_folder(folder);
    }
    let version = resolve(remote, named).await?;
    let answer = remote.get(&format!("{VERSIONS}/{version}"), &[]).await?;
    Ok(files_of(&answer))
}

fn files_of(answer: &Value) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    if let Some(Value::Object(members)) = answer.get("files") {
        for (name, text) in members {
            files.insert(name.clone(), text.as_str().unwrap_or_default().to_owned());
        }
    }
    files
}

/// Compiles the scripts of a folder and returns their files. The secrets of the server may be unknown here.
pub(in crate::cli) fn read_folder(
    folder: &Path,
) -> Result<BTreeMap<String, String>, CommandFailure> {
    let settings = ScriptSettings {
        directory: folder.to_owned(),
        ..ScriptSettings::default()
    };
    let runtime = Runtime::without_host(&settings, clock()).map_err(|error| error.to_string())?;
    match ScriptSet::load(&settings, &runtime) {
        Ok(scripts) => Ok(scripts.files()),
        Err(errors) => Err(CommandFailure::Failed(format!(
            "the scripts in {} cannot be loaded:\n{errors}",
            folder.display()
        ))),
    }
}

/// Returns the version that begins with `start`.
async fn resolve(remote: &Remote, start: &str) -> Result<String, CommandFailure> {
    let answer = remote.get(VERSIONS, &[]).await?;
    let mut found = Vec::new();
    for version in items(&answer, "versions") {
        let version = version.get("version").and_then(Value::as_str);
        found.extend(version.filter(|version| version.starts_with(start)));
    }
    match found.as_slice() {
        [version] => Ok((*version).to_owned()),
        [] => Err(CommandFailure::Failed(format!(
            "no version that is kept begins with {start}; run 'registrar script versions' to see them"
        ))),
        several => Err(CommandFailure::Failed(format!(
            "several versions begin with {start}: {}",
            several.join(", ")
        ))),
    }
}

/// Returns the version in force.
async fn in_force(remote: &Remote) -> Result<String, CommandFailure> {
    let answer = remote.get("/admin/v1/scripts", &[]).await?;
    Ok(cell(answer.get("revision")))
}

async fn push(
    folder: &Path,
    is_empty_meant: bool,
    remote: &RemoteArguments,
) -> Result<(), CommandFailure> {
    let files = read_folder(folder)?;
    let body = if is_empty_meant {
        json!({"files": files, "empty": true})
    } else {
        json!({"files": files})
    };
    let remote = remote.connect(&[WRITE]).await?;
    order(&remote, "POST", VERSIONS, Some(body)).await
}

/// Sends an order and reports what is in force afterwards.
async fn order(
    remote: &Remote,
    method: &'static str,
    path: &str,
    body: Option<Value>,
) -> Result<(), CommandFailure> {
    let call = Call {
        method,
        path,
        body: body.map(|body| ("application/json", body.to_string().into_bytes())),
        ..Call::default()
    };
    let answer = remote.call(call).await?;
    let version = cell(answer.get("version"));
    if answer.get("is_pinned") == Some(&Value::Bool(true)) {
        return write_line(&format!(
            "version {version} is in force and pinned; 'registrar script unpin' puts the script folder in force again"
        ));
    }
    write_line(&format!(
        "version {version}, the script folder, is in force"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_file_on_both_sides() {
        let text = |text: &str| Some(text.to_owned());
        let changed = differences(
            "a.rhai",
            text("one\ntwo\n").as_ref(),
            text("one\n2\n").as_ref(),
        );
        assert_eq!(
            changed,
            "--- a/a.rhai\n+++ b/a.rhai\n@@ -1,2 +1,2 @@\n one\n-two\n+2"
        );
        let added = differences("a.rhai", None, text("one\n").as_ref());
        assert!(
            added.starts_with("--- /dev/null\n+++ b/a.rhai\n"),
            "{added}"
        );
    }
}
