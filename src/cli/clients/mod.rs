//! `registrar clients`

mod export;
mod filter;
mod import;
mod list;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output::{self, Form, Format, Table};
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
        form: Form,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show one client: its metadata, and how it was registered.
    Show {
        /// The `client_id` of the client.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Delete one client, or all clients that match all filters.
    Delete(Deletion),
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
        form: Form,
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

#[derive(Debug, Args)]
pub(super) struct Deletion {
    /// The `client_id` of the client to delete.
    #[arg(value_name = "ID", conflicts_with = "Filter")]
    id: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Confirm that all clients that match the filters are to be deleted.
    #[arg(long, conflicts_with = "id")]
    yes: bool,
    #[command(flatten)]
    form: Form,
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
            let source = import::Source::open(file.as_deref())?;
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

async fn show(id: &str, format: Format, remote: &RemoteArguments) -> Result<(), Failure> {
    let path = format!("{CLIENTS}/{}", segment(id)?);
    let client = remote
        .connect(&[READ])
        .await?
        .call(Call {
            path: &path,
            ..Call::default()
        })
        .await?;
    if format == Format::Json {
        return output::json(&client);
    }
    let times = ["client_id_issued_at", "expires_at"];
    let rows = output::members(&client).into_iter().map(|[name, text]| {
        let text = if times.contains(&name.as_str()) {
            moment::shown(client.get(&name))
        } else {
            text
        };
        [name, text]
    });
    Table::new(["MEMBER", "VALUE"]).rows(rows.collect())
}

async fn delete(deletion: &Deletion) -> Result<(), Failure> {
    let Deletion {
        id,
        filter,
        yes,
        form,
        remote,
    } = deletion;
    let query = filter.query();
    let path = match id {
        Some(id) => format!("{CLIENTS}/{}", segment(id)?),
        None if query.is_empty() => {
            let message =
                "name the clients to delete: give an ID, or a filter such as --software-id";
            return Err(Failure::Usage(message.to_owned()));
        }
        None if !yes => {
            let message = "this deletes all clients that match the filters; list them with `clients list`, \
                           then confirm with --yes";
            return Err(Failure::Usage(message.to_owned()));
        }
        None => CLIENTS.to_owned(),
    };
    let call = Call {
        method: "DELETE",
        path: &path,
        query: &query,
        ..Call::default()
    };
    let answer = remote.connect(&[WRITE]).await?.call(call).await?;
    // The response to the deletion of one client has no body.
    let answer = if answer.is_null() {
        json!({"deleted": 1})
    } else {
        answer
    };
    match form.format {
        Format::Json => output::json(&answer),
        Format::Table => {
            let refused = answer
                .get("refused")
                .filter(|refused| refused.as_u64() != Some(0));
            let refused = refused.map(|refused| format!(", {refused} denied by a script"));
            let deleted = output::cell(answer.get("deleted"));
            output::line(&format!("{deleted} deleted{}", refused.unwrap_or_default()))
        }
    }
}
