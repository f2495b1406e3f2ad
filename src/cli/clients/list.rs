//! `registrar clients list` and `show`.

use clap::Args;
use serde_json::Value;

use super::{CLIENTS, ClientSelection, FirstClients, READ, SortKey, shown};
use crate::cli::{
    CommandFailure, Format, OutputForm, Remote, RemoteArguments, Table, WatchArguments, cell,
    counted, items, moment, segment, write_line,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArguments {
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
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShownClient {
    /// The `client_id` of the client.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    watch: WatchArguments,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

impl ListArguments {
    pub(super) async fn run(&self) -> Result<(), CommandFailure> {
        let (filter, limit, format) = (&self.filter, self.limit, self.form.format);
        let list = async |remote: &Remote| match self.sort {
            Some(key) => list_sorted(remote, filter, (key, limit), format).await,
            None => list(remote, filter, limit, format).await,
        };
        let watch = self.watch.repeat(&self.remote, &[READ], &self.form, list);
        watch.await
    }
}

impl ShownClient {
    pub(super) async fn run(&self) -> Result<(), CommandFailure> {
        let path = format!("{CLIENTS}/{}", segment(&self.id)?);
        let show = async |remote: &Remote| {
            let client = remote.get(&path, &[]).await?;
            shown(&client, self.form.format)
        };
        let watch = self.watch.repeat(&self.remote, &[READ], &self.form, show);
        watch.await
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
    /// The value of `after` for the next page.
    after: Option<String>,
    is_over: bool,
}

impl ClientPages {
    fn new(filter: &ClientSelection) -> Self {
        Self {
            query: filter.query(),
            after: None,
            is_over: false,
        }
    }

    /// Returns the next page, with at most `most` clients.
    async fn next(
        &mut self,
        remote: &Remote,
        most: usize,
    ) -> Result<Option<Value>, CommandFailure> {
        if self.is_over {
            return Ok(None);
        }
        let mut query = self.query.clone();
        query.push(("limit", most.min(PAGE).to_string()));
        query.extend(self.after.take().map(|id| ("after", id)));
        let page = remote.get(CLIENTS, &query).await?;
        let next = page.get("next").and_then(Value::as_str);
        self.after = next.map(str::to_owned);
        self.is_over = next.is_none();
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
