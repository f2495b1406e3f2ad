//! `registrar pending`: registrations, updates and client documents that wait for approval.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};

use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, RemoteArguments, Table, cell, member_table,
    moment, segment, write_line,
};

/// The path of requests that wait in the admin API.
const PENDING: &str = "/admin/v1/pending";

#[derive(Debug, Subcommand)]
pub(super) enum PendingCommand {
    /// List the registrations, updates and client documents that wait for approval.
    List {
        /// Only those of this type.
        #[arg(long = "type", value_enum, value_name = "TYPE")]
        kind: Option<PendingTypeArgument>,
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
    /// Approve one. A client gets its credentials when it asks next; a document is in force.
    Approve {
        #[command(flatten)]
        decision: DecisionArguments,
        /// The digest of what is approved, as pending show prints it. Required for a document, which can change while
        /// it waits.
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
    },
    /// Deny one. A client learns that when it asks next. The URL of a document is denied, and the client that is made from it, if
    /// there is one, is deleted.
    Deny {
        #[command(flatten)]
        decision: DecisionArguments,
        /// The end of the denial of a document, such as 2026-12-31 or +30d (from now). Default: none.
        #[arg(long, value_name = "TIME", value_parser = moment::future)]
        until: Option<u64>,
    },
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PendingTypeArgument {
    Registration,
    Update,
    Document,
}

// A list has everything that waits, and an identifier does not tell what it is of.
const READ: &[Needs] = &[
    |scopes| &scopes.pending_read,
    |scopes| &scopes.documents_read,
];
const WRITE: &[Needs] = &[
    |scopes| &scopes.pending_write,
    |scopes| &scopes.documents_write,
];

pub(super) async fn run(command: &PendingCommand) -> Result<(), CommandFailure> {
    match command {
        PendingCommand::List {
            kind,
            state,
            code,
            form,
            remote,
        } => list(filters(*kind, *state, code.as_deref()), form.format, remote).await,
        PendingCommand::Show { id, form, remote } => show(id, form.format, remote).await,
        PendingCommand::Approve { decision, digest } => {
            let digest = digest.as_deref().map(Value::from);
            decide(decision, "approve", ("digest", digest)).await?;
            write_line("1 approved")
        }
        PendingCommand::Deny { decision, until } => {
            decide(decision, "deny", ("until", until.map(Value::from))).await?;
            write_line("1 denied")
        }
    }
}

async fn list(
    filters: Vec<(&'static str, String)>,
    format: Format,
    remote: &RemoteArguments,
) -> Result<(), CommandFailure> {
    let remote = remote.connect(READ).await?;
    let mut pending = remote.list(PENDING, &filters, "pending").await?;
    pending.sort_by_key(|item| item.get("requested_at").and_then(Value::as_u64));
    if format.is_data() {
        return format.write(&pending.into());
    }
    let mut table = Table::new([
        "ID",
        "TYPE",
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
fn filters(
    kind: Option<PendingTypeArgument>,
    state: Option<PendingStateArgument>,
    code: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    if let Some(kind) = kind.and_then(|kind| kind.to_possible_value()) {
        query.push(("type", kind.get_name().to_owned()));
    }
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
        cell(pending.get("type")),
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
    let remote = remote.connect(READ).await?;
    let pending = remote.get(&path, &[]).await?;
    match format {
        data @ (Format::Json | Format::Yaml) => data.write(&pending),
        Format::Table => member_table(
            &pending,
            &["requested_at", "expires_at", "asked_at", "decided_at"],
        ),
    }
}

/// Sends a decision with the member `more`, if it has a value.
async fn decide(
    arguments: &DecisionArguments,
    what: &str,
    more: (&str, Option<Value>),
) -> Result<(), CommandFailure> {
    let path = format!("{PENDING}/{}/{what}", segment(&arguments.id)?);
    let mut body = Map::new();
    if let Some(note) = &arguments.note {
        body.insert("note".to_owned(), note.as_str().into());
    }
    if let (name, Some(value)) = more {
        body.insert(name.to_owned(), value);
    }
    let body = Value::from(body).to_string();
    let call = Call {
        method: "POST",
        path: &path,
        body: Some(("application/json", body.into_bytes())),
        ..Call::default()
    };
    let remote = &arguments.remote;
    let remote = remote.connect(WRITE).await?;
    remote.call(call).await.map(drop)
}
