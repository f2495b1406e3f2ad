//! `registrar clients disable`, `enable` and `delete`: clients that are named, or all that match filters.

use std::io::{self, Read};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{CLIENTS, ClientSelection, WRITE};
use crate::cli::{
    Call, CommandFailure, Format, OutputForm, Progress, Remote, RemoteArguments, cell, counted,
    items, segment, write_line,
};

/// The maximum number of bytes of identifiers on standard input.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// How often a new access token is requested.
const RENEWAL: Duration = Duration::from_mins(5);

/// What is done to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Delete,
    Disable,
    Enable,
}

impl Verb {
    /// Returns what happened to the clients.
    const fn past(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Disable => "disabled",
            Self::Enable => "enabled",
        }
    }

    const fn present(self) -> &'static str {
        match self {
            Self::Delete => "deletes",
            Self::Disable => "disables",
            Self::Enable => "enables",
        }
    }

    /// Returns the method and the path of the call for all clients that match filters.
    const fn call(self) -> (&'static str, &'static str) {
        match self {
            Self::Delete => ("DELETE", CLIENTS),
            Self::Disable => ("POST", "/admin/v1/clients/disable"),
            Self::Enable => ("POST", "/admin/v1/clients/enable"),
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TargetArguments {
    /// The `client_id` of a client. - reads identifiers from standard input, one per line.
    #[arg(value_name = "ID", conflicts_with = "ClientSelection")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: ClientSelection,
    /// Change nothing; show how many clients match the filters, and the first of them.
    #[arg(long, conflicts_with_all = ["ids", "confirm"])]
    dry_run: bool,
    /// Confirm how many clients match the filters, as shown by --dry-run. Nothing is changed if it is another number.
    #[arg(long, value_name = "COUNT", conflicts_with = "ids")]
    confirm: Option<u64>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

pub(super) async fn run(verb: Verb, targets: &TargetArguments) -> Result<(), CommandFailure> {
    if !targets.ids.is_empty() {
        return change_named(verb, targets).await;
    }
    let mut query = targets.filter.query();
    if query.is_empty() {
        let message = "name the clients: give an ID, or a filter such as --software-id";
        return Err(CommandFailure::Usage(message.to_owned()));
    }
    match targets.confirm {
        Some(count) => query.push(("confirm", count.to_string())),
        None => query.push(("dry_run", "true".to_owned())),
    }
    let (method, path) = verb.call();
    let call = Call {
        method,
        path,
        query: &query,
        ..Call::default()
    };
    let answer = targets.remote.connect(&[WRITE]).await?.call(call).await?;
    match targets.confirm {
        Some(_) => show_changed(verb, &answer, targets.form.format),
        None if targets.dry_run => show_matching(&answer, targets.form.format),
        None => Err(unconfirmed(verb, &answer)),
    }
}

/// Returns the failure of a command that names neither the number of clients nor `--dry-run`.
fn unconfirmed(verb: Verb, answer: &Value) -> CommandFailure {
    let count = answer.get("count").and_then(Value::as_u64).unwrap_or(0);
    CommandFailure::Usage(format!(
        "this {} {}, which --dry-run shows; confirm with --confirm {count}",
        verb.present(),
        counted(count, "client")
    ))
}

fn show_matching(answer: &Value, format: Format) -> Result<(), CommandFailure> {
    if format.is_data() {
        return format.write(answer);
    }
    let count = answer.get("count").and_then(Value::as_u64).unwrap_or(0);
    let first = items(answer, "first");
    write_line(&format!("{} would be changed", counted(count, "client")))?;
    for id in first {
        write_line(&cell(Some(id)))?;
    }
    if count > u64::try_from(first.len()).unwrap_or(u64::MAX) {
        write_line("...")?;
    }
    Ok(())
}

fn show_changed(verb: Verb, answer: &Value, format: Format) -> Result<(), CommandFailure> {
    if format.is_data() {
        return format.write(answer);
    }
    let mut line = format!("{} {}", cell(answer.get(verb.past())), verb.past());
    match answer.get("refused") {
        Some(refused) if refused != 0 => {
            line = format!("{line}, {refused} denied by a script or a rule");
        }
        _ => {}
    }
    write_line(&line)
}

/// Changes the clients that are named, one after the other.
async fn change_named(verb: Verb, targets: &TargetArguments) -> Result<(), CommandFailure> {
    let ids = targets.ids()?;
    let segments: Result<Vec<_>, _> = ids.iter().map(|id| segment(id)).collect();
    let segments = segments?;
    let mut connection = RenewedRemote::new(&targets.remote).await?;
    let mut progress = Progress::new(verb.past());
    let mut outcomes = NamedOutcomes::default();
    for (id, segment) in ids.iter().zip(segments) {
        let remote = connection.current().await?;
        let changed = change_one(remote, verb, &segment).await;
        outcomes.add(id, changed)?;
        progress.add(1);
    }
    drop(progress);
    let done = outcomes.report(verb)?;
    show_changed(verb, &json!({verb.past(): done}), targets.form.format)
}

/// What became of the clients that are named.
#[derive(Default)]
struct NamedOutcomes<'a> {
    done: u64,
    failures: Vec<(&'a str, String)>,
}

impl<'a> NamedOutcomes<'a> {
    /// Adds what became of the client `id`. A failure that concerns only this client does not stop the others.
    fn add(
        &mut self,
        id: &'a str,
        changed: Result<(), CommandFailure>,
    ) -> Result<(), CommandFailure> {
        match changed {
            Ok(()) => self.done += 1,
            Err(CommandFailure::Failed(reason)) => self.failures.push((id, reason)),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Returns how many clients were changed, or a failure if one could not be. The others were changed nevertheless.
    fn report(mut self, verb: Verb) -> Result<u64, CommandFailure> {
        let (done, past) = (self.done, verb.past());
        match self.failures.len() {
            0 => Ok(done),
            1 if done == 0 => Err(CommandFailure::Failed(self.failures.remove(0).1)),
            failed => {
                for (id, reason) in &self.failures {
                    note!("registrar: {id}: {reason}");
                }
                let failed = counted(failed, "client");
                let message = format!("{failed} could not be {past}; {done} {past}");
                Err(CommandFailure::Failed(message))
            }
        }
    }
}

/// A connection whose access token is renewed while it is used.
struct RenewedRemote<'a> {
    arguments: &'a RemoteArguments,
    remote: Remote,
    renewed: Instant,
}

impl<'a> RenewedRemote<'a> {
    async fn new(arguments: &'a RemoteArguments) -> Result<Self, CommandFailure> {
        Ok(Self {
            arguments,
            remote: arguments.connect(&[WRITE]).await?,
            renewed: Instant::now(),
        })
    }

    async fn current(&mut self) -> Result<&Remote, CommandFailure> {
        if self.renewed.elapsed() > RENEWAL {
            self.remote = self.arguments.connect(&[WRITE]).await?;
            self.renewed = Instant::now();
        }
        Ok(&self.remote)
    }
}

/// Changes the client with this identifier as a segment of a path.
async fn change_one(remote: &Remote, verb: Verb, segment: &str) -> Result<(), CommandFailure> {
    let disabling = |is_disabled: bool| {
        let patch = json!({"disabled": is_disabled.then_some(true)}).to_string();
        Some(("application/merge-patch+json", patch.into_bytes()))
    };
    let (method, body) = match verb {
        Verb::Delete => ("DELETE", None),
        Verb::Disable => ("PATCH", disabling(true)),
        Verb::Enable => ("PATCH", disabling(false)),
    };
    let path = format!("{CLIENTS}/{segment}");
    let call = Call {
        method,
        path: &path,
        body,
        ..Call::default()
    };
    remote.call(call).await.map(drop)
}

impl TargetArguments {
    /// Returns the named identifiers, with those on standard input.
    fn ids(&self) -> Result<Vec<String>, CommandFailure> {
        let mut ids = Vec::new();
        for id in &self.ids {
            if id == "-" {
                ids.extend(read_ids()?);
            } else {
                ids.push(id.clone());
            }
        }
        Ok(ids)
    }
}

fn read_ids() -> Result<Vec<String>, CommandFailure> {
    let mut text = String::new();
    let source = io::stdin().lock();
    let read = source.take(MOST_BYTES + 1).read_to_string(&mut text);
    let length = read.map_err(|error| format!("standard input: {error}"))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > MOST_BYTES {
        let message = format!("standard input: at most {MOST_BYTES} bytes of identifiers");
        return Err(CommandFailure::Failed(message));
    }
    let lines = text.lines().map(str::trim);
    Ok(lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}
