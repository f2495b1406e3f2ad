//! `registrar key`: replaces the key that seals secrets in the store.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, Remote, RemoteArguments, cell, counted,
    moment, offline::OfflineArguments, wait, write_line,
};
use crate::config::Settings;
use crate::store::{self, KeysInUse, Store};

/// The path of the state of the key in the admin API.
const KEY: &str = "/admin/v1/key";

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Put a new key into the key file. Running servers notice it: it seals from now on, and everything that the
    /// previous key sealed is sealed anew. With several servers, copy the file to each of them.
    Rotate(OfflineArguments),
    /// Show which key a running server seals with, and how far a rotation is.
    Status {
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Remove the previous key from the key file, once nothing is sealed with it any more.
    Finish(FinishArguments),
}

#[derive(Debug, Args)]
pub(super) struct FinishArguments {
    /// The folder of the embedded store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArguments,
}

const READ: Needs = |scopes| &scopes.config_read;

pub(super) fn run(command: &KeyCommand) -> Result<(), CommandFailure> {
    match command {
        KeyCommand::Rotate(arguments) => rotate(arguments),
        KeyCommand::Status { form, remote } => wait(status(form.format, remote)),
        KeyCommand::Finish(arguments) => wait(finish(arguments)),
    }
}

fn rotate(arguments: &OfflineArguments) -> Result<(), CommandFailure> {
    let settings = arguments.settings()?;
    let file = key_file(&settings)?;
    let (new, previous) = store::begin_rotation(&file).map_err(|error| error.to_string())?;
    write_line(&format!("{new} replaces {previous} in {}", file.display()))?;
    note!(
        "registrar: back the file up. {} 'registrar key status' shows how far the rotation is",
        if settings.store.url.is_postgres() {
            "Copy it to every other server; the new key is in force when all of them have it."
        } else {
            "A running server notices it within seconds."
        }
    );
    Ok(())
}

/// Returns the key file of the store.
fn key_file(settings: &Settings) -> Result<PathBuf, CommandFailure> {
    Store::key_file(&settings.store)
        .ok_or_else(|| CommandFailure::Failed("this store has no key file".to_owned()))
}

async fn state(remote: &Remote) -> Result<Value, CommandFailure> {
    let call = Call {
        path: KEY,
        ..Call::default()
    };
    remote.call(call).await
}

async fn status(format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let state = state(&remote.connect(&[READ]).await?).await?;
    if format.is_data() {
        return format.write(&state);
    }
    write_line(&format!("key       {}", cell(state.get("key"))))?;
    let previous = state.get("previous").and_then(Value::as_array);
    for key in previous.into_iter().flatten() {
        write_line(&format!("previous  {}", cell(Some(key))))?;
    }
    if let Some(rotation) = state.get("rotation") {
        for line in rotation_lines(rotation) {
            write_line(&line)?;
        }
    }
    Ok(())
}

/// Describes a rotation.
fn rotation_lines(rotation: &Value) -> Vec<String> {
    let (key, previous) = (cell(rotation.get("key")), cell(rotation.get("previous")));
    let at = |member| moment::shown(rotation.get(member));
    let mut lines = vec![format!(
        "announced {}: {key} replaces {previous}",
        at("announced_at")
    )];
    let stage = rotation.get("stage").and_then(Value::as_str);
    if stage == Some("announced") {
        lines.push(format!("waiting   {}", awaited(rotation)));
        return lines;
    }
    let count = rotation.get("sealed_anew").and_then(Value::as_u64);
    lines.push(format!("in force  {}", at("in_force_at")));
    lines.push(format!(
        "sealed    {} anew",
        counted(count.unwrap_or_default(), "record")
    ));
    lines.extend(unopened_line(unopened(rotation)));
    if stage == Some("complete") {
        lines.push(format!("complete  {}", at("completed_at")));
    }
    if rotation.get("finished_at").is_some() {
        lines.push(format!("finished  {}", at("finished_at")));
    }
    lines
}

/// Says that `count` records open with no key.
fn unopened_line(count: u64) -> Option<String> {
    let records = (count > 0).then(|| counted(count, "record"))?;
    Some(format!(
        "unopened  {records}: sealed with a key that the servers lack"
    ))
}

/// Returns for what an announced key waits.
fn awaited(rotation: &Value) -> String {
    match rotation.get("missing_on").and_then(Value::as_u64) {
        Some(missing) if missing > 0 => {
            format!("{} the new key; copy the key file there", lacking(missing))
        }
        _ => "until all servers have seen it".to_owned(),
    }
}

fn lacking(servers: u64) -> String {
    let verb = if servers == 1 { "lacks" } else { "lack" };
    format!("{} {verb}", counted(servers, "server"))
}

async fn finish(arguments: &FinishArguments) -> Result<(), CommandFailure> {
    let settings = arguments.settings()?;
    let file = key_file(&settings)?;
    let state = state(&arguments.remote.connect(&[READ]).await?).await?;
    let reached = state.pointer("/rotation/stage").and_then(Value::as_str);
    if !matches!(reached, None | Some("complete")) {
        let reason = "the rotation is not complete: secrets may still be sealed with the previous key; \
                      'registrar key status' shows how far it is";
        return Err(CommandFailure::Failed(reason.to_owned()));
    }
    let removed = store::end_rotation(&file, &in_use(&state)).map_err(|error| error.to_string())?;
    write_line(&format!(
        "{} removed from {}",
        counted(removed, "previous key"),
        file.display()
    ))?;
    if settings.store.url.is_postgres() && removed > 0 {
        note!("registrar: copy the file to every other server, or run this command there");
    }
    note!("registrar: keep the previous key as long as you keep backups that were made before");
    Ok(())
}

/// Returns what the server says about its keys.
fn in_use(state: &Value) -> KeysInUse {
    let previous = state.get("previous").and_then(Value::as_array);
    let names = previous.into_iter().flatten().map(|key| cell(Some(key)));
    KeysInUse {
        current: cell(state.get("key")),
        previous: names.collect(),
        unopened: state.pointer("/rotation").map_or(0, unopened),
    }
}

/// Returns how many records no key opens.
fn unopened(rotation: &Value) -> u64 {
    let unopened = rotation.get("unopened").and_then(Value::as_u64);
    unopened.unwrap_or_default()
}

impl FinishArguments {
    /// Returns the configuration of the server, with the folder that was named.
    fn settings(&self) -> Result<Settings, CommandFailure> {
        let mut sources = self.remote.sources();
        if let Some(folder) = &self.data {
            sources = super::with_store(sources, folder);
        }
        Ok(super::read_configuration(&sources)?.settings)
    }
}
