//! `registrar upstream`: changes at the upstream server that are not finished.

use clap::Subcommand;
use serde_json::Value;

use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, RemoteArguments, Table, cell, moment, segment,
    write_line,
};

/// The path of unfinished calls in the admin API.
const CALLS: &str = "/admin/v1/upstream-calls";

#[derive(Debug, Subcommand)]
pub(super) enum UpstreamCommand {
    /// List the changes at the upstream server that are not finished.
    List {
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Remove one whose outcome is unknown from the list, after you have found out how it ended and have cleaned up there.
    /// The manual says what each needs (docs/upstream-registration.md).
    Settle {
        /// The identifier, as shown by upstream list.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

const READ: Needs = |scopes| &scopes.clients_read;
const WRITE: Needs = |scopes| &scopes.clients_write;

pub(super) async fn run(command: &UpstreamCommand) -> Result<(), CommandFailure> {
    match command {
        UpstreamCommand::List { form, remote } => list(form.format, remote).await,
        UpstreamCommand::Settle { id, remote } => settle(id, remote).await,
    }
}

async fn list(format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[READ]).await?;
    let calls = remote.list(CALLS, &[], "calls").await?;
    if format.is_data() {
        return format.write(&calls.into());
    }
    let mut table = Table::new(["ID", "AIM", "CLIENT", "NAME", "BEGUN", "ATTEMPTS", "CAUSE"]);
    table.rows(calls.iter().map(row).collect())
}

fn row(call: &Value) -> [String; 7] {
    [
        cell(call.get("id")),
        cell(call.get("aim")),
        cell(call.get("client_id")),
        cell(call.pointer("/metadata/client_name")),
        moment::shown(call.get("begun_at")),
        cell(call.get("attempts")),
        cell(call.get("cause")),
    ]
}

async fn settle(id: &str, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let path = format!("{CALLS}/{}/settle", segment(id)?);
    let call = Call {
        method: "POST",
        path: &path,
        ..Call::default()
    };
    remote.connect(&[WRITE]).await?.call(call).await?;
    write_line("1 settled")
}
