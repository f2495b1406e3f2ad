//! `registrar clients`

mod change;
mod list;
mod selection;
mod sorting;
mod targets;
mod transfer;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use crate::cli::{CommandFailure, Format, Needs, OutputForm, RemoteArguments, member_table};
use change::{ClientCreation, MemberEdit, NamedClient};
use list::{ListArguments, ShownClient};
use selection::ClientSelection;
use sorting::{FirstClients, SortKey};
use targets::{TargetArguments, Verb};
use transfer::ImportSource;

/// The path of the clients in the admin API.
const CLIENTS: &str = "/admin/v1/clients";

#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// List the clients that match all filters.
    List(Box<ListArguments>),
    /// Show one client: its metadata, and how it was registered.
    Show(ShownClient),
    /// Create a client. Its secret and its registration access token are shown only once.
    Create(Box<ClientCreation>),
    /// Change members of the metadata of a client. The others stay as they are.
    Set(Box<MemberEdit>),
    /// Disable clients: those that are named, or all that match all filters. They get no token and cannot manage
    /// themselves.
    Disable(Box<TargetArguments>),
    /// Enable clients: those that are named, or all that match all filters.
    Enable(Box<TargetArguments>),
    /// Delete clients: those that are named, or all that match all filters.
    Delete(Box<TargetArguments>),
    /// Give a client a new secret, which is shown only once. The previous one becomes invalid at once.
    RotateSecret(NamedClient),
    /// Give a client a new registration access token, which is shown only once. The previous one becomes invalid at
    /// once.
    RotateToken(NamedClient),
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
        #[arg(long, value_name = "WHAT", value_enum, default_value_t = ExistingClients::Refuse)]
        existing: ExistingClients,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

/// What an import does with clients that already exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExistingClients {
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

pub(super) async fn run(command: &ClientsCommand) -> Result<(), CommandFailure> {
    match command {
        ClientsCommand::List(listing) => listing.run().await,
        ClientsCommand::Show(shown) => shown.run().await,
        ClientsCommand::Create(creation) => change::create(creation).await,
        ClientsCommand::Set(change) => change::set(change).await,
        ClientsCommand::Disable(targets) => targets::run(Verb::Disable, targets).await,
        ClientsCommand::Enable(targets) => targets::run(Verb::Enable, targets).await,
        ClientsCommand::Delete(targets) => targets::run(Verb::Delete, targets).await,
        ClientsCommand::RotateSecret(client) => change::rotate(client, "secret").await,
        ClientsCommand::RotateToken(client) => change::rotate(client, "registration-token").await,
        transfer => run_transfer(transfer).await,
    }
}

/// Runs a command that moves clients.
async fn run_transfer(command: &ClientsCommand) -> Result<(), CommandFailure> {
    match command {
        ClientsCommand::Export { output, remote } => {
            transfer::refuse_existing(output.as_deref())?;
            let remote = remote.connect(&[EXPORT]).await?;
            transfer::export(&remote, output.as_deref()).await
        }
        ClientsCommand::Import {
            file,
            existing,
            form,
            remote,
        } => {
            let source = ImportSource::open(file.as_deref())?;
            let remote = remote.connect(&[WRITE, EXPORT]).await?;
            transfer::import(&remote, source, *existing, form.format).await
        }
        // The others were handled before.
        _ => Ok(()),
    }
}

/// Writes a client as the result.
fn shown(client: &Value, format: Format) -> Result<(), CommandFailure> {
    const TIMES: &[&str] = &[
        "client_id_issued_at",
        "client_secret_expires_at",
        "expires_at",
        "last_used_at",
    ];
    match format {
        data @ (Format::Json | Format::Yaml) => data.write(client),
        Format::Table => member_table(client, TIMES),
    }
}
