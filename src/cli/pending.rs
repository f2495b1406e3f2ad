//! `registrar pending`: registrations and updates that wait for approval.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};

use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, RemoteArguments, Table, cell, items,
    member_table, moment, segment, write_json, write_line,
};

/// The path of requests that wait in the admin API.
const PENDING: &str = "/admin/v1/pending";

#[derive(Debug, Subcommand)]
pub(super) enum PendingCommand {
    /// List the registrations and updates that wait for approval.
    List {
        /// Only those in this state.
        #[arg(long, value_enum)]
        state: Option<PendingStateArgument>,
        /// Only the one with this code, which the person who asks for the approval reads on a screen.
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show one with its metadata.
    Show {
        /// The identifier, as shown by pending list.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Approve one. The client gets its credentials when it asks next.
    Approve(DecisionArguments),
    /// Deny one. The client learns that when it asks next.
    Deny(DecisionArguments),
}

#[derive(Debug, Args)]
pub(super) struct DecisionArguments {
    /// The identifier, as shown by pending list.
    #[arg(value_name = "ID")]
    id: String,
    /// Why. It is kept with the client and in the audit log.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PendingStateArgument {
    Waiting,
    Approved,
    Denied,
    Expired,
}

const READ: Needs = |scopes| &scopes.pending_read;
const WRITE: Needs = |scopes| &scopes.pending_write;

pub(super) async fn run(command: &PendingCommand) -> Result<(), CommandFailure> {
    match command {
        PendingCommand::List {
            state,
            code,
            form,
            remote,
        } => list(*state, code.as_deref(), form.format, remote).await,
        PendingCommand::Show { id, form, remote } => show(id, form.format, remote).await,
        PendingCommand::Approve(arguments) => decide(arguments, "approve", "1 approved").await,
        PendingCommand::Deny(arguments) => decide(arguments, "deny", "1 denied").await,
    }
}

async fn list(
    state: Option<PendingStateArgument>,
    code: Option<&str>,
    format: Format,
    remote: &RemoteArguments,
) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[READ]).await?;
    let mut query = filters(state, code);
    let filters = query.len();
    let mut pending = Vec::new();
    loop {
        let page = remote.get(PENDING, &query).await?;
        pending.extend_from_slice(items(&page, "pending"));
        let Some(Value::String(next)) = page.get("next") else {
            break;
        };
        query.truncate(filters);
        query.push(("after", next.clone()));
    }
    if format == Format::Json {
        return write_json(&pending.into());
    }
    let mut table = Table::new([
        "ID",
        "KIND",
        "STATE",
        "CLIENT",
        "NAME",
        "TRUST",
        "REQUESTED",
        "EXPIRES",
        "REASON",
    ]);
    table.rows(pending.iter().map(row).collect())
}

/// Returns the parameters that select what is listed.
fn filters(state: Option<PendingStateArgument>, code: Option<&str>) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", "200".to_owned())];
    if let Some(state) = state.and_then(|state| state.to_possible_value()) {
        query.push(("state", state.get_name().to_owned()));
    }
    if let Some(code) = code {
        query.push(("verification_code", code.to_owned()));
    }
    query
}

fn row(pending: &Value) -> [String; 9] {
    [
        cell(pending.get("id")),
        cell(pending.get("kind")),
        cell(pending.get("state")),
        cell(pending.get("client_id")),
        cell(pending.get("client_name")),
        cell(pending.get("trust_level")),
        moment::shown(pending.get("requested_at")),
        moment::shown(pending.get("expires_at")),
        cell(pending.get("reason")),
    ]
}

async fn show(id: &str, format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let path = format!("{PENDING}/{}", segment(id)?);
    let remote = remote.connect(&[READ]).await?;
    let pending = remote.get(&path, &[]).await?;
    match format {
        Format::Json => write_json(&pending),
        Format::Table => member_table(
            &pending,
            &["requested_at", "expires_at", "asked_at", "decided_at"],
        ),
    }
}

async fn decide(
    arguments: &DecisionArguments,
    what: &str,
    done: &str,
) -> Result<(), CommandFailure> {
    let path = format!("{PENDING}/{}/{what}", segment(&arguments.id)?);
    let mut body = Map::new();
    if let Some(note) = &arguments.note {
        body.insert("note".to_owned(), note.as_str().into());
    }
    let body = Value::from(body).to_string();
    let call = Call {
        method: "POST",
        path: &path,
        body: Some(("application/json", body.into_bytes())),
        ..Call::default()
    };
    arguments.remote.connect(&[WRITE]).await?.call(call).await?;
    write_line(done)
}
