//! `registrar clients`

mod transfer;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::beside::refuse_existing;
use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, Remote, RemoteArguments, Table, cell, items,
    member_table, moment, segment, write_json, write_line,
};
use transfer::ImportSource;

/// The path of the clients in the admin API.
const CLIENTS: &str = "/admin/v1/clients";

#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// List the clients that match all filters, ordered by `client_id`.
    List {
        #[command(flatten)]
        filter: ClientSelection,
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
    Delete(DeletionArguments),
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

#[derive(Debug, Args)]
pub(super) struct DeletionArguments {
    /// The `client_id` of the client to delete.
    #[arg(value_name = "ID", conflicts_with = "ClientSelection")]
    id: Option<String>,
    #[command(flatten)]
    filter: ClientSelection,
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
            form,
            remote,
        } => {
            let remote = remote.connect(&[READ]).await?;
            list(&remote, filter, *limit, form.format).await
        }
        ClientsCommand::Show { id, form, remote } => show(id, form.format, remote).await,
        ClientsCommand::Delete(deletion) => delete(deletion).await,
        ClientsCommand::Export { output, remote } => {
            refuse_existing(output.as_deref())?;
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
    let mut left = limit.unwrap_or(usize::MAX);
    let mut list = ClientList::new(format);
    let mut after = None;
    // Page by page, so that it works with any number of clients.
    while left > 0 {
        let mut query = filter.query();
        query.push(("limit", left.min(PAGE).to_string()));
        if let Some(id) = after {
            query.push(("after", id));
        }
        let page = remote.get(CLIENTS, &query).await?;
        let clients = items(&page, "clients");
        left = left.saturating_sub(clients.len());
        list.add(clients)?;
        let Some(Value::String(next)) = page.get("next") else {
            break;
        };
        after = Some(next.clone());
    }
    list.end()
}

/// A list that is written as it arrives.
enum ClientList {
    Table(Table<6>),
    /// A JSON array; true once an element has been written.
    Json(bool),
}

impl ClientList {
    fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(false),
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
        }
    }

    fn end(self) -> Result<(), CommandFailure> {
        match self {
            Self::Table(mut table) => table.rows(Vec::new()),
            Self::Json(false) => write_line("[]"),
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

async fn show(id: &str, format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let path = format!("{CLIENTS}/{}", segment(id)?);
    let client = remote.connect(&[READ]).await?.get(&path, &[]).await?;
    match format {
        Format::Json => write_json(&client),
        Format::Table => member_table(&client, &["client_id_issued_at", "expires_at"]),
    }
}

async fn delete(deletion: &DeletionArguments) -> Result<(), CommandFailure> {
    let query = deletion.filter.query();
    let path = deletion.path(query.is_empty())?;
    let call = Call {
        method: "DELETE",
        path: &path,
        query: &query,
        ..Call::default()
    };
    let mut answer = deletion.remote.connect(&[WRITE]).await?.call(call).await?;
    // The response to the deletion of one client has no body.
    if answer.is_null() {
        answer = json!({"deleted": 1});
    }
    if deletion.form.format == Format::Json {
        return write_json(&answer);
    }
    let deleted = cell(answer.get("deleted"));
    match answer.get("refused") {
        Some(refused) if refused != 0 => {
            write_line(&format!("{deleted} deleted, {refused} denied by a script"))
        }
        _ => write_line(&format!("{deleted} deleted")),
    }
}

impl DeletionArguments {
    /// Returns the path of what is to be deleted: one client, or the clients that match the filters.
    fn path(&self, has_no_filter: bool) -> Result<String, CommandFailure> {
        if let Some(id) = &self.id {
            return Ok(format!("{CLIENTS}/{}", segment(id)?));
        }
        if has_no_filter {
            let message =
                "name the clients to delete: give an ID, or a filter such as --software-id";
            return Err(CommandFailure::Usage(message.to_owned()));
        }
        if !self.yes {
            let message = "this deletes all clients that match the filters; list them with `clients list`, \
                           then confirm with --yes";
            return Err(CommandFailure::Usage(message.to_owned()));
        }
        Ok(CLIENTS.to_owned())
    }
}

/// The filters that select clients.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(super) struct ClientSelection {
    /// Prefix of the `client_id`.
    #[arg(long, value_name = "PREFIX")]
    client_id: Option<String>,
    /// Text that `client_name` contains, in any language.
    #[arg(long, value_name = "TEXT")]
    client_name: Option<String>,
    /// Exact `software_id`.
    #[arg(long, value_name = "ID")]
    software_id: Option<String>,
    /// Trust level of the registration.
    #[arg(long, value_name = "LEVEL", value_enum)]
    trust_level: Option<TrustLevelName>,
    /// Registered at or after this time: 2026-01-31T12:00:00Z, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    issued_from: Option<u64>,
    /// Registered before this time.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    issued_before: Option<u64>,
    /// Expires before this time.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    expires_before: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TrustLevelName {
    Open,
    Token,
    Mtls,
    Statement,
    Attested,
    Operator,
}

impl TrustLevelName {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
            Self::Mtls => "mtls",
            Self::Statement => "statement",
            Self::Attested => "attested",
            Self::Operator => "operator",
        }
    }
}

impl ClientSelection {
    /// Returns the query parameters for the admin API.
    fn query(&self) -> Vec<(&'static str, String)> {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let level = self.trust_level.map(|level| level.name().to_owned());
        let all = [
            ("client_id", self.client_id.clone()),
            ("client_name", self.client_name.clone()),
            ("software_id", self.software_id.clone()),
            ("trust_level", level),
            ("issued_from", number(self.issued_from)),
            ("issued_before", number(self.issued_before)),
            ("expires_before", number(self.expires_before)),
        ];
        let mut query = Vec::new();
        for (name, value) in all {
            if let Some(value) = value {
                query.push((name, value));
            }
        }
        query
    }
}
