//! `registrar clients list`: reads page by page, so that it works with any number of clients.

use serde_json::Value;

use super::super::output::{Format, Table, cell, line};
use super::super::remote::{Call, Remote};
use super::super::{Failure, moment};
use super::CLIENTS;
use super::filter::Filter;

/// The number of clients requested per page.
const PAGE: usize = 500;

pub(super) async fn run(
    remote: &Remote,
    filter: &Filter,
    limit: Option<usize>,
    format: Format,
) -> Result<(), Failure> {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut list = List::new(format);
    let mut after: Option<String> = None;
    while left > 0 {
        let mut query = filter.query();
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(after.take().map(|id| ("after", id)));
        let page = remote
            .call(Call {
                path: CLIENTS,
                query: &query,
                ..Call::default()
            })
            .await?;
        let clients = page
            .get("clients")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        left = left.saturating_sub(clients.len());
        list.add(&clients)?;
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    list.end()
}

/// A list that is written as it arrives.
enum List {
    Table(Table<6>),
    /// A JSON array; true once an element has been written.
    Json(bool),
}

impl List {
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

    fn add(&mut self, clients: &[Value]) -> Result<(), Failure> {
        match self {
            Self::Table(table) => table.rows(clients.iter().map(row).collect()),
            Self::Json(has_some) => clients.iter().try_for_each(|client| {
                let before = if std::mem::replace(has_some, true) {
                    ","
                } else {
                    "["
                };
                line(&format!("{before}{client}"))
            }),
        }
    }

    fn end(self) -> Result<(), Failure> {
        match self {
            Self::Table(mut table) => table.rows(Vec::new()),
            Self::Json(false) => line("[]"),
            Self::Json(true) => line("]"),
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
