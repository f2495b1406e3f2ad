//! `registrar clients`

mod export;
mod filter;
mod import;
mod list;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output::{self, OutputForm, OutputFormat, Table};
use super::remote::{Call, Needs, RemoteArguments, segment};
use super::{Failure, moment};
use filter::Filter;

/// The path of the clients in the admin API.
const CLIENTS: &str = "/admin/v1/clients";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the clients that match all filters, ordered by `client_id`.
    List {
        #[command(flatten)]
        filter: Filter,
        /// Show at most N clients. Default: all.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show one client: its metadata, and how it was registered.
    Show {
        /// The `client_id` of the client.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Delete one client, or all clients that match all filters.
    Delete(DeleteArguments),
    /// Export all clients as JSON lines, with their secrets in clear text.
    Export {
        /// The file to create; it must not exist. It appears when the export is complete, and only its owner
        /// can read it. Default: standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Import the clients of an export.
    Import {
        /// The file to import. Default, or -: standard input.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// What to do with clients that already exist.
        #[arg(long, value_name = "WHAT", value_enum, default_value_t = Existing::Refuse)]
        existing: Existing,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    /// The `client_id` of the client to delete.
    #[arg(value_name = "ID", conflicts_with = "Filter")]
    id: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Confirm that all clients that match the filters are to be deleted.
    #[arg(long, conflicts_with = "id")]
    yes: bool,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// What an import does with clients that already exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Existing {
    /// Stop the import.
    Refuse,
    /// Keep the existing client.
    Skip,
    /// Replace the existing client with the imported one.
    Replace,
}

const READ: Needs = |scopes| &scopes.clients_read;
const WRITE: Needs = |scopes| &scopes.clients_write;
const EXPORT: Needs = |scopes| &scopes.clients_export;

pub(super) async fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List {
            filter,
            limit,
            form,
            remote,
        } => list::run(&remote.connect(&[READ]).await?, filter, *limit, form.format).await,
        Command::Show { id, form, remote } => show(id, form.format, remote).await,
        Command::Delete(deletion) => delete(deletion).await,
        Command::Export { output, remote } => {
            export::refuse_existing(output.as_deref())?;
            export::run(&remote.connect(&[EXPORT]).await?, output.as_deref()).await
        }
        Command::Import {
            file,
            existing,
            form,
            remote,
        } => {
            let source = import::ImportSource::open(file.as_deref())?;
            import::run(
                &remote.connect(&[WRITE, EXPORT]).await?,
                source,
                *existing,
                form.format,
            )
            .await
        }
    }
}

async fn show(id: &str, format: OutputFormat, remote: &RemoteArguments) -> Result<(), Failure> {
    let path = format!("{CLIENTS}/{}", segment(id)?);
    let call = Call {
        path: &path,
        ..Call::default()
    };
    let client = remote.connect(&[READ]).await?.call(call).await?;
    match format {
        OutputFormat::Json => output::json(&client),
        OutputFormat::Table => {
            let rows = moment::members(&client, &["client_id_issued_at", "expires_at"]);
            Table::new(["MEMBER", "VALUE"]).rows(rows)
        }
    }
}

async fn delete(deletion: &DeleteArguments) -> Result<(), Failure> {
    let query = deletion.filter.query();
    let path = deletion.path(&query)?;
    let call = Call {
        method: "DELETE",
        path: &path,
        query: &query,
        ..Call::default()
    };
    let mut answer = deletion.remote.connect(&[WRITE]).await?.call(call).await?;
    if answer.is_null() {
        // The response to the deletion of one client has no body.
        answer = json!({"deleted": 1});
    }
    if deletion.form.format == OutputFormat::Json {
        return output::json(&answer);
    }
    let deleted = output::cell(answer.get("deleted"));
    let refused = match answer.get("refused") {
        Some(refused) if refused.as_u64() != Some(0) => format!(", {refused} denied by a script"),
        _ => String::new(),
    };
    output::line(&format!("{deleted} deleted{refused}"))
}

impl DeleteArguments {
    /// Returns the path of the clients to delete, which `query` filters.
    fn path(&self, query: &[(&'static str, String)]) -> Result<String, Failure> {
        let message = match &self.id {
            Some(id) => return Ok(format!("{CLIENTS}/{}", segment(id)?)),
            None if query.is_empty() => {
                "name the clients to delete: give an ID, or a filter such as --software-id"
            }
            None if !self.yes => {
                "this deletes all clients that match the filters; list them with `clients list`, \
                 then confirm with --yes"
            }
            None => return Ok(CLIENTS.to_owned()),
        };
        Err(Failure::Usage(message.to_owned()))
    }
}
