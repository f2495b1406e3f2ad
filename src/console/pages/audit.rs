//! The audit log, and the history of one client in it.

use serde_json::Value;

use crate::console::api::path;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{items, members, text, time, words};
use crate::console::view::{Block, Cell, FormField, PageForm, Tone, live};
use crate::console::visit::PageVisit;

use super::next;

/// The filters of a search.
const FILTERS: [&str; 4] = ["action", "subject", "actor", "outcome"];

/// The heads of a table of events.
const HEADS: [&str; 5] = ["Time", "Action", "Subject", "By", "Details"];

/// Lists the events that the filters in the address select, the newest first.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let filters = FILTERS.map(|name| (name, visit.query(name).unwrap_or_default()));
    let before = visit.query("before").unwrap_or_default();
    let parameters = [&filters[..], &[("order", "newest"), ("before", before)]].concat();
    let page = visit.get(&path(&["audit"], &parameters)).await?;
    let mut events = vec![table(&page)];
    events.extend(next(&page, ("audit", "before"), &filters));
    // Only the newest events change.
    if before.is_empty() {
        events = live("events", events);
    }
    events.insert(0, Block::Form(search(visit)));
    Ok(PageContent::page("Audit log", events))
}

/// Returns the events of a page, which can be empty although others follow.
fn table(page: &Value) -> Block {
    let rows = items(page, "events").iter().map(row).collect();
    let empty = if page.get("next").is_some() {
        "None of the events that were searched so far matches. The search goes on with the next page."
    } else {
        "No event matches."
    };
    Block::table("Events", &HEADS, rows, empty)
}

fn search(visit: &PageVisit<'_>) -> PageForm {
    let field = |name, label, hint| {
        let value = visit.query(name).unwrap_or_default();
        FormField::text(name, label, value).hint(hint)
    };
    let outcomes = [("", "any"), ("done", "done"), ("refused", "refused")];
    let outcome = visit.query("outcome").unwrap_or_default();
    PageForm::search("audit")
        .field(field(
            "subject",
            "Subject",
            "The identifier of a client or a token.",
        ))
        .field(field("actor", "Actor", "The client ID of who did it."))
        .field(field("action", "Action", "For example client_created."))
        .field(FormField::choice("outcome", "Outcome", outcome, &outcomes))
}

/// Returns the last events about a subject.
///
/// # Errors
/// Why the API refused.
pub(super) async fn history(visit: &PageVisit<'_>, subject: &str) -> Result<Block, PageFailure> {
    let parameters = [("order", "newest"), ("subject", subject), ("limit", "20")];
    let page = visit.get(&path(&["audit"], &parameters)).await?;
    let rows = items(&page, "events").iter().map(row).collect();
    let empty = "The audit log has no recent event about it.";
    Ok(Block::table("History", &HEADS, rows, empty))
}

fn row(event: &Value) -> Vec<Cell> {
    vec![
        time(event, "time"),
        action(event),
        Cell::code(text(event, "subject")),
        author(event),
        Cell::Many(details(event)),
    ]
}

/// Returns the details of an event, each in a line. The members of a client are lines of their own.
fn details(event: &Value) -> Vec<Cell> {
    let mut lines = Vec::new();
    for (name, value) in members(event, "details") {
        match value {
            Value::Object(inner) => {
                for (part, value) in inner {
                    lines.push(Cell::Text(format!("{name} {part}: {}", words(value))));
                }
            }
            value => lines.push(Cell::Text(format!("{name}: {}", words(value)))),
        }
    }
    lines
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
