//! `registrar clients`

mod change;
mod selection;
mod sorting;
mod targets;
mod transfer;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use crate::cli::{
    CommandFailure, Format, Needs, OutputForm, Remote, RemoteArguments, Table, WatchArguments,
    cell, counted, items, member_table, moment, segment, write_line,
};
use change::{ClientChange, ClientCreation, NamedClient};
use selection::ClientSelection;
use sorting::{FirstClients, SortKey};
use targets::{TargetArguments, Verb};
use transfer::ImportSource;

/// The path of the clients in the admin API.
const CLIENTS: &str = "/admin/v1/clients";

#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// List the clients that match all filters.
    List {
        #[command(flatten)]
        filter: ClientSelection,
        /// Show at most N clients. Default: all, or 1000 with --sort.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// The order. All clients that match are read, and the first N are kept. Default: by `client_id`.
        #[arg(long, value_name = "KEY", value_enum, allow_hyphen_values = true)]
        sort: Option<SortKey>,
        #[command(flatten)]
        watch: WatchArguments,
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
        watch: WatchArguments,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Create a client. Its secret and its registration access token are shown only once.
    Create(Box<ClientCreation>),
    /// Change members of the metadata of a client. The others stay as they are.
    Set(Box<ClientChange>),
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
        ClientsCommand::List {
            filter,
            limit,
            sort,
            watch,
            form,
            remote,
        } => {
            let list = async |remote: &Remote| match sort {
                Some(key) => list_sorted(remote, filter, (*key, *limit), form.format).await,
                None => list(remote, filter, *limit, form.format).await,
            };
            watch.repeat(remote, &[READ], form, list).await
        }
        ClientsCommand::Show {
            id,
            watch,
            form,
            remote,
        } => {
            let path = format!("{CLIENTS}/{}", segment(id)?);
            let show = async |remote: &Remote| {
                let client = remote.get(&path, &[]).await?;
                shown(&client, form.format)
            };
            watch.repeat(remote, &[READ], form, show).await
        }
        ClientsCommand::Create(creation) => change::create(creation).await,
        ClientsCommand::Set(change) => change::set(change).await,
        ClientsCommand::Disable(targets) => targets::run(Verb::Disable, targets).await,
        ClientsCommand::Enable(targets) => targets::run(Verb::Enable, targets).await,
        ClientsCommand::Delete(targets) => targets::run(Verb::Delete, targets).await,
        ClientsCommand::RotateSecret(client) => change::rotate(client, "secret").await,
        ClientsCommand::RotateToken(client) => change::rotate(client, "registration-token").await,
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
    }
}

/// The number of clients requested per page.
const PAGE: usize = 500;

async fn list(
    remote: &Remote,
    filter: &ClientSelection,
    limit: Option<usize>,
    format: Format,
) -> Result<(), CommandFailure> {
    let mut list = ClientList::new(format);
    let mut left = limit.unwrap_or(usize::MAX);
    let mut pages = ClientPages::new(filter);
    // Page by page, so that it works with any number of clients.
    while left > 0
        && let Some(page) = pages.next(remote, left).await?
    {
        let clients = items(&page, "clients");
        left = left.saturating_sub(clients.len());
        list.add(clients)?;
    }
    list.end()
}

async fn list_sorted(
    remote: &Remote,
    filter: &ClientSelection,
    (key, limit): (SortKey, Option<usize>),
    format: Format,
) -> Result<(), CommandFailure> {
    let mut first = FirstClients::new(key, limit);
    let mut pages = ClientPages::new(filter);
    while let Some(page) = pages.next(remote, PAGE).await? {
        first.add(items(&page, "clients"));
    }
    let left_out = first.left_out();
    if limit.is_none() && left_out > 0 {
        let more = counted(left_out, "client");
        note!("registrar: {more} more; show them with --limit, or without --sort");
    }
    let mut list = ClientList::new(format);
    list.add(&first.into_clients())?;
    list.end()
}

/// The pages of clients that match a filter.
struct ClientPages {
    query: Vec<(&'static str, String)>,
    /// The value of `after` for the next page; `None` behind the last page.
    next: Option<Option<String>>,
}

impl ClientPages {
    fn new(filter: &ClientSelection) -> Self {
        Self {
            query: filter.query(),
            next: Some(None),
        }
    }

    /// Returns the next page, with at most `most` clients.
    async fn next(
        &mut self,
        remote: &Remote,
        most: usize,
    ) -> Result<Option<Value>, CommandFailure> {
        let Some(after) = self.next.take() else {
            return Ok(None);
        };
        let mut query = self.query.clone();
        query.push(("limit", most.min(PAGE).to_string()));
        query.extend(after.map(|id| ("after", id)));
        let page = remote.get(CLIENTS, &query).await?;
        let next = page.get("next").and_then(Value::as_str);
        self.next = next.map(|next| Some(next.to_owned()));
        Ok(Some(page))
    }
}

/// A list that is written as it arrives.
enum ClientList {
    Table(Table<6>),
    /// A JSON array; true once an element has been written.
    Json(bool),
    /// A YAML sequence; true once an item has been written.
    Yaml(bool),
}

impl ClientList {
    fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(false),
            Format::Yaml => Self::Yaml(false),
            Format::Table => Self::Table(Table::new([
                "CLIENT_ID",
                "NAME",
                "TRUST",
                "ISSUED",
                "EXPIRES",
                "SOFTWARE",
            ])),
        }
    }

    fn add(&mut self, clients: &[Value]) -> Result<(), CommandFailure> {
        match self {
            Self::Table(table) => table.rows(clients.iter().map(row).collect()),
            Self::Json(has_some) => {
                for client in clients {
                    let before = if *has_some { "," } else { "[" };
                    *has_some = true;
                    write_line(&format!("{before}{client}"))?;
                }
                Ok(())
            }
            Self::Yaml(has_some) => {
                *has_some |= !clients.is_empty();
                clients
                    .iter()
                    .try_for_each(|client| Format::Yaml.write_item(client))
            }
        }
    }

    fn end(self) -> Result<(), CommandFailure> {
        match self {
            Self::Table(mut table) => table.rows(Vec::new()),
            Self::Json(false) | Self::Yaml(false) => write_line("[]"),
            Self::Yaml(true) => Ok(()),
            Self::Json(true) => write_line("]"),
        }
    }
}

fn row(client: &Value) -> [String; 6] {
    [
        cell(client.get("client_id")),
        cell(client.get("client_name")),
        cell(client.get("trust_level")),
        moment::shown(client.get("client_id_issued_at")),
        moment::shown(client.get("expires_at")),
        cell(client.get("software_id")),
    ]
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
