//! The list of clients, with the filters of the admin API.

use jiff::Timestamp as Moment;
use serde_json::Value;

use crate::client::TrustLevel;
use crate::console::api::path;
use crate::console::respond::{Content, Failure};
use crate::console::value::{items, text, time};
use crate::console::view::{
    Block, Cell, Field, FieldKind, Form as Shown, Table, Tone, client_href, href,
};
use crate::console::visit::Visit;
use crate::store::ClientFilter;

use super::{bulk, done};

/// The parameters whose values are moments, which people enter as days.
const MOMENTS: &[&str] = &[
    "issued_from",
    "issued_before",
    "expires_before",
    "used_from",
    "used_before",
];

/// Lists the clients that the filters in the address select.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let filters = filters(|name| visit.query(name))?;
    let after = visit.query("after").unwrap_or_default();
    let mut parameters: Vec<(&str, &str)> = pairs(&filters);
    parameters.push(("after", after));
    let page = visit.get(&path(&["clients"], &parameters)).await?;
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &[("deleted", "The client was deleted.")]));
    blocks.push(Block::Form(search(visit)));
    let rows = items(&page, "clients").iter().map(row).collect();
    blocks.push(Block::Table(Table {
        title: "Clients".to_owned(),
        heads: vec![
            "Client",
            "Trust level",
            "Registered",
            "Last used",
            "Expires",
        ],
        rows,
        empty: "No client matches.",
    }));
    if !filters.is_empty() && visit.may(|scopes| &scopes.clients_write) {
        blocks.push(Block::Form(bulk::entry(&filters)));
    }
    let next = text(&page, "next");
    if !next.is_empty() {
        let mut parameters = pairs(&filters);
        parameters.push(("after", next));
        blocks.push(Block::Next(href("clients", &parameters)));
    }
    Ok(Content::page("Clients", blocks))
}

/// Returns the filters that have a value, with moments as the API reads them.
///
/// # Errors
/// A moment that is neither a day nor seconds since 1970.
pub(super) fn filters<'a>(
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut filters = Vec::new();
    for &name in ClientFilter::PARAMETERS {
        let Some(value) = value(name) else {
            continue;
        };
        let value = if MOMENTS.contains(&name) {
            seconds(value)?
        } else {
            value.to_owned()
        };
        filters.push((name, value));
    }
    Ok(filters)
}

/// Returns filters as parameters.
pub(super) fn pairs<'a>(filters: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let pair = |(name, value): &'a (&'static str, String)| (*name, value.as_str());
    filters.iter().map(pair).collect()
}

/// Returns the seconds from 1970 to a moment, or to the beginning of a day.
fn seconds(text: &str) -> Result<String, Failure> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    match format!("{text}T00:00:00Z").parse::<Moment>() {
        Ok(day) => Ok(day.as_second().to_string()),
        Err(_) => Err(Failure::invalid("Enter days in the form 2026-01-31.")),
    }
}

/// Returns what a field for a day shows of a moment.
fn day(visit: &Visit<'_>, name: &str) -> String {
    let value = visit.query(name).unwrap_or_default();
    match value.parse().map(|seconds| Cell::time(Some(seconds))) {
        Ok(Cell::Time { exact, .. }) => exact.chars().take(10).collect(),
        _ => value.to_owned(),
    }
}

fn search(visit: &Visit<'_>) -> Shown {
    let value = |name: &str| visit.query(name).unwrap_or_default().to_owned();
    let levels = TrustLevel::ALL.map(|level| (level.as_str(), level.as_str()));
    let levels = [&[("", "any")], &levels[..]].concat();
    let switch = [("", "any"), ("true", "yes"), ("false", "no")];
    let mut form = Shown {
        action: "clients".to_owned(),
        is_search: true,
        button: "Search",
        ..Shown::default()
    }
    .field(Field::text(
        "client_name",
        "Name contains",
        value("client_name"),
    ))
    .field(Field::text(
        "client_id",
        "Client ID begins with",
        value("client_id"),
    ))
    .field(Field::text(
        "software_id",
        "Software ID",
        value("software_id"),
    ))
    .field(Field::choice(
        "trust_level",
        "Trust level",
        value("trust_level"),
        &levels,
    ))
    .field(Field::choice(
        "disabled",
        "Disabled",
        value("disabled"),
        &switch,
    ))
    .field(Field::choice(
        "never_used",
        "Never used",
        value("never_used"),
        &switch,
    ))
    .field(Field::text(
        "address",
        "Address or network",
        value("address"),
    ))
    .field(Field::text(
        "initial_access_token",
        "Initial access token",
        value("initial_access_token"),
    ))
    .field(Field::text(
        "statement_iss",
        "Issuer of the statement",
        value("statement_iss"),
    ))
    .field(Field::text(
        "script_version",
        "Version of the scripts",
        value("script_version"),
    ));
    for (name, label) in [
        ("issued_from", "Registered from"),
        ("issued_before", "Registered before"),
        ("used_from", "Used from"),
        ("used_before", "Last used before"),
        ("expires_before", "Expires before"),
    ] {
        let field = Field::text(name, label, day(visit, name));
        form = form.field(field.of_kind(FieldKind::Date));
    }
    form
}

fn row(client: &Value) -> Vec<Cell> {
    let (id, name) = (text(client, "client_id"), text(client, "client_name"));
    let link = |text: &str| Cell::Link {
        href: client_href(id),
        text: text.to_owned(),
    };
    let named = if name.is_empty() {
        link(id)
    } else {
        Cell::Many(vec![link(name), Cell::code(id)])
    };
    vec![
        named,
        Cell::badge(Tone::Plain, text(client, "trust_level")),
        time(client, "client_id_issued_at"),
        time(client, "last_used_at"),
        time(client, "expires_at"),
    ]
}
