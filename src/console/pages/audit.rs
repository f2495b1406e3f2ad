//! The audit log, and the history of one client in it.

use serde_json::Value;

use crate::console::api::path;
use crate::console::respond::{Content, Failure};
use crate::console::value::{items, members, number, shown, text, time};
use crate::console::view::{Block, Cell, Field, Form as Shown, Table, Tone, href};
use crate::console::visit::Visit;

/// The parameters of a search.
const PARAMETERS: [&str; 5] = ["action", "subject", "actor", "outcome", "before"];

/// Lists the events that the filters in the address select, the newest first.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let value = |name: &str| visit.query(name).unwrap_or_default().to_owned();
    let mut parameters = vec![("order", "newest")];
    for name in PARAMETERS {
        parameters.push((name, visit.query(name).unwrap_or_default()));
    }
    let page = visit.get(&path(&["audit"], &parameters)).await?;
    let outcomes = [("", "any"), ("done", "done"), ("refused", "refused")];
    let search = Shown {
        action: "audit".to_owned(),
        is_search: true,
        button: "Search",
        ..Shown::default()
    }
    .field(
        Field::text("subject", "Subject", value("subject"))
            .hint("The identifier of a client or a token."),
    )
    .field(Field::text("actor", "Actor", value("actor")).hint("The client ID of who did it."))
    .field(Field::text("action", "Action", value("action")).hint("For example client_created."))
    .field(Field::choice(
        "outcome",
        "Outcome",
        value("outcome"),
        &outcomes,
    ));
    let mut blocks = vec![
        Block::Form(search),
        Block::Table(table("Events", items(&page, "events"))),
    ];
    if let Some(next) = number(&page, "next") {
        let next = next.to_string();
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        for name in PARAMETERS.iter().filter(|name| **name != "before") {
            parameters.push((name, visit.query(name).unwrap_or_default()));
        }
        parameters.push(("before", &next));
        blocks.push(Block::Next(href("audit", &parameters)));
    }
    Ok(Content::page("Audit log", blocks))
}

/// Returns the last events about a subject.
///
/// # Errors
/// Why the API refused.
pub(super) async fn history(visit: &Visit<'_>, subject: &str) -> Result<Block, Failure> {
    let parameters = [("order", "newest"), ("subject", subject), ("limit", "20")];
    let page = visit.get(&path(&["audit"], &parameters)).await?;
    let mut table = table("History", items(&page, "events"));
    table.empty = "The audit log has no recent event about it.";
    Ok(Block::Table(table))
}

fn table(title: &str, events: &[Value]) -> Table {
    Table {
        title: title.to_owned(),
        heads: vec!["Time", "Action", "Subject", "By", "Details"],
        rows: events.iter().map(row).collect(),
        empty: "No event matches.",
    }
}

fn row(event: &Value) -> Vec<Cell> {
    let action = text(event, "action").replace('_', " ");
    let error = text(event, "error");
    let action = if error.is_empty() {
        Cell::Text(action)
    } else {
        Cell::Many(vec![Cell::Text(action), Cell::badge(Tone::Bad, error)])
    };
    let (actor, name) = (text(event, "actor"), text(event, "actor_name"));
    let who = [
        Cell::text(if name.is_empty() { actor } else { name }),
        Cell::text(text(event, "address")),
    ];
    let who: Vec<Cell> = who
        .into_iter()
        .filter(|cell| !matches!(cell, Cell::Nothing))
        .collect();
    let details = members(event, "details");
    let details = details.map(|(name, value)| Cell::Text(format!("{name}: {}", shown(value))));
    vec![
        time(event, "time"),
        action,
        Cell::code(text(event, "subject")),
        if who.is_empty() {
            Cell::text("the server, or a stranger")
        } else {
            Cell::Many(who)
        },
        Cell::Many(details.collect()),
    ]
}
