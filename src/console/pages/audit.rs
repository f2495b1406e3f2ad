//! The audit log, and the history of one client in it.

use serde_json::Value;

use crate::console::api::path;
use crate::console::respond::{Content, Failure};
use crate::console::value::{items, members, shown, text, time};
use crate::console::view::{Block, Cell, Field, Form as Shown, Tone};
use crate::console::visit::Visit;

use super::next;

/// The filters of a search.
const FILTERS: [&str; 4] = ["action", "subject", "actor", "outcome"];

/// The heads of a table of events.
const HEADS: [&str; 5] = ["Time", "Action", "Subject", "By", "Details"];

/// Lists the events that the filters in the address select, the newest first.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let filters = FILTERS.map(|name| (name, visit.query(name).unwrap_or_default()));
    let before = visit.query("before").unwrap_or_default();
    let parameters = [&filters[..], &[("order", "newest"), ("before", before)]].concat();
    let page = visit.get(&path(&["audit"], &parameters)).await?;
    let rows = items(&page, "events").iter().map(row).collect();
    let mut blocks = vec![
        Block::Form(search(visit)),
        Block::table("Events", &HEADS, rows, "No event matches."),
    ];
    blocks.extend(next(&page, ("audit", "before"), &filters));
    Ok(Content::page("Audit log", blocks))
}

fn search(visit: &Visit<'_>) -> Shown {
    let field = |name, label, hint| {
        let value = visit.query(name).unwrap_or_default();
        Field::text(name, label, value).hint(hint)
    };
    let outcomes = [("", "any"), ("done", "done"), ("refused", "refused")];
    let outcome = visit.query("outcome").unwrap_or_default();
    Shown::search("audit")
        .field(field(
            "subject",
            "Subject",
            "The identifier of a client or a token.",
        ))
        .field(field("actor", "Actor", "The client ID of who did it."))
        .field(field("action", "Action", "For example client_created."))
        .field(Field::choice("outcome", "Outcome", outcome, &outcomes))
}

/// Returns the last events about a subject.
///
/// # Errors
/// Why the API refused.
pub(super) async fn history(visit: &Visit<'_>, subject: &str) -> Result<Block, Failure> {
    let parameters = [("order", "newest"), ("subject", subject), ("limit", "20")];
    let page = visit.get(&path(&["audit"], &parameters)).await?;
    let rows = items(&page, "events").iter().map(row).collect();
    let empty = "The audit log has no recent event about it.";
    Ok(Block::table("History", &HEADS, rows, empty))
}

fn row(event: &Value) -> Vec<Cell> {
    let details = members(event, "details");
    let details = details.map(|(name, value)| Cell::Text(format!("{name}: {}", shown(value))));
    vec![
        time(event, "time"),
        action(event),
        Cell::code(text(event, "subject")),
        author(event),
        Cell::Many(details.collect()),
    ]
}

fn action(event: &Value) -> Cell {
    let action = Cell::Text(text(event, "action").replace('_', " "));
    match text(event, "error") {
        "" => action,
        error => Cell::Many(vec![action, Cell::badge(Tone::Bad, error)]),
    }
}

fn author(event: &Value) -> Cell {
    let name = match text(event, "actor_name") {
        "" => text(event, "actor"),
        name => name,
    };
    let parts = [name, text(event, "address")];
    let known: Vec<Cell> = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(Cell::text)
        .collect();
    if known.is_empty() {
        Cell::text("the server")
    } else {
        Cell::Many(known)
    }
}
