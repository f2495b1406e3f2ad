//! What waits for an administrator: registrations, updates and client documents, with what they would change.

use serde_json::{Map, Value};

use crate::console::api::{ApiCall, path};
use crate::console::difference::LineDifference;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{cell, items, number, pretty, text, time};
use crate::console::view::{
    Block, Cell, FieldKind, FormField, LongText, PageForm, Tone, fact, href,
};
use crate::console::visit::PageVisit;
use crate::http::Form;

use super::client::metadata;
use super::{done, next, required};

/// Lists what waits, or has ended and is still kept.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let value = |name| (name, visit.query(name).unwrap_or_default());
    let filters = [value("type"), value("state"), value("verification_code")];
    let parameters = [&filters[..], &[value("after")]].concat();
    let page = visit.get(&path(&["pending"], &parameters)).await?;
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &DONE));
    blocks.push(Block::Form(search(visit)));
    blocks.push(Block::table(
        "Requests",
        &["Client", "Type", "State", "Why", "Since", "Ends", "From"],
        items(&page, "pending").iter().map(row).collect(),
        "Nothing waits.",
    ));
    blocks.extend(next(&page, ("pending", "after"), &filters));
    blocks.extend(link_to_documents(visit));
    Ok(PageContent::page("Approvals", blocks))
}

/// What each decision has done.
const DONE: [(&str, &str); 2] = [
    ("approved", "It was approved."),
    ("denied", "It was denied."),
];

fn link_to_documents(visit: &PageVisit<'_>) -> Option<Block> {
    let link = (
        "documents".to_owned(),
        "Client documents that are denied or pinned",
    );
    let may_see = visit.may(|scopes| &scopes.documents_read);
    may_see.then(|| Block::Links(vec![link]))
}

/// The types of what waits.
const TYPES: [(&str, &str); 4] = [
    ("", "any"),
    ("registration", "registration"),
    ("update", "update"),
    ("document", "document"),
];

/// How far a decision can be.
const STATES: [(&str, &str); 5] = [
    ("", "any"),
    ("waiting", "waiting"),
    ("approved", "approved"),
    ("denied", "denied"),
    ("expired", "expired"),
];

fn search(visit: &PageVisit<'_>) -> PageForm {
    let value = |name: &str| visit.query(name).unwrap_or_default();
    let code = FormField::text("verification_code", "Code", "");
    PageForm::search("pending")
        .field(FormField::choice("type", "Type", value("type"), &TYPES))
        .field(FormField::choice("state", "State", value("state"), &STATES))
        .field(code.hint("The code that the client shows to people."))
}

fn row(item: &Value) -> Vec<Cell> {
    let page = href("request", &[("id", text(item, "id"))]);
    let link = Cell::link(page, shown_name(item));
    vec![
        link,
        Cell::text(text(item, "type")),
        state(item),
        Cell::text(text(item, "reason")),
        time(item, "requested_at"),
        time(item, "expires_at"),
        Cell::text(text(item, "address")),
    ]
}

fn state(item: &Value) -> Cell {
    let state = text(item, "state");
    let tone = match state {
        "approved" => Tone::Good,
        "denied" | "expired" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::badge(tone, state)
}

/// Shows one of those that wait.
pub(super) async fn show_one(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let id = visit.query("id").ok_or_else(PageFailure::no_page)?;
    let item = visit.get(&path(&["pending", id], &[])).await?;
    let mut blocks = vec![Block::facts("Request", facts(&item))];
    blocks.extend(difference(&item));
    blocks.push(metadata(&item));
    let document = text(&item, "document");
    if !document.is_empty() {
        let (title, text) = ("Document".to_owned(), document.to_owned());
        blocks.push(Block::Source(LongText { title, text }));
    }
    if text(&item, "state") == "waiting" && may_decide(visit, &item) {
        blocks.push(decision(&item, "approve", "Approve"));
        blocks.push(decision(&item, "deny", "Deny"));
    }
    Ok(PageContent::page(shown_name(&item), blocks))
}

/// Returns the name of the client, or its identifier if it has none.
fn shown_name(item: &Value) -> &str {
    match text(item, "client_name") {
        "" => text(item, "client_id"),
        name => name,
    }
}

fn difference(item: &Value) -> Option<Block> {
    let change = item.get("change")?;
    let side = |name: &str| pretty(change.get(name).unwrap_or(&Value::Null));
    let title = "What changes in the client in force";
    let difference = LineDifference::between(title, &side("before"), &side("after"));
    Some(Block::Difference(difference))
}

fn may_decide(visit: &PageVisit<'_>, item: &Value) -> bool {
    let is_document = text(item, "type") == "document";
    visit.may(|scopes| &scopes.pending_write)
        && (!is_document || visit.may(|scopes| &scopes.documents_write))
}

/// The texts of something that waits, each with its label.
const TEXTS: [(&str, &str); 6] = [
    ("reason", "Why it waits"),
    ("address", "From"),
    ("asked_by", "Asked for by"),
    ("decided_by", "Decided by"),
    ("note", "Note"),
    ("type", "Type"),
];

/// The times of something that waits, each with its label.
const TIMES: [(&str, &str); 4] = [
    ("requested_at", "Since"),
    ("expires_at", "Ends"),
    ("asked_at", "Last asked for"),
    ("decided_at", "Decided"),
];

fn facts(item: &Value) -> Vec<(String, Cell)> {
    let level = Cell::badge(Tone::Plain, text(item, "trust_level"));
    let mut rows = vec![
        fact("State", state(item)),
        fact("Client ID", Cell::code(text(item, "client_id"))),
        fact("Trust level", level),
    ];
    rows.extend(TEXTS.map(|(name, label)| fact(label, Cell::text(text(item, name)))));
    rows.extend(TIMES.map(|(name, label)| fact(label, time(item, name))));
    let asked = number(item, "asked").unwrap_or(0);
    rows.push(fact("How often it was asked for", Cell::number(asked)));
    rows.extend(downgrades(item));
    rows.retain(|(_, value)| !matches!(value, Cell::Nothing));
    rows
}

/// Returns the members by which a client would authenticate with less than before.
fn downgrades(item: &Value) -> Option<(String, Cell)> {
    let downgrades = items(item.get("change")?, "downgrades").iter();
    let downgrades: Vec<Cell> = downgrades.map(cell).collect();
    let is_any = !downgrades.is_empty();
    let label = "Authenticates with less than before by";
    is_any.then(|| fact(label, Cell::Many(downgrades)))
}

/// Returns the form for a decision about exactly what is shown.
fn decision(item: &Value, order: &str, button: &'static str) -> Block {
    let note = FormField::text("note", "Note", "").of_kind(FieldKind::Area);
    let note = note.hint("Why. It is kept with the client and in the audit log.");
    let form = PageForm::to("request", button).titled(button, "").folded();
    let form = form.with("id", text(item, "id")).with("order", order);
    Block::Form(PageForm {
        is_dangerous: order == "deny",
        ..form.with("digest", text(item, "digest")).field(note)
    })
}

/// Approves or denies what the form names.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let id = required(form, "id", "the request")?;
    let (order, done) = match required(form, "order", "the decision")? {
        "approve" => ("approve", "approved"),
        "deny" => ("deny", "denied"),
        _ => return Err(PageFailure::no_page()),
    };
    let mut decision = Map::new();
    for name in ["note", "digest"] {
        if let Some(value) = form.get(name) {
            decision.insert(name.to_owned(), value.into());
        }
    }
    let call = ApiCall::post(&path(&["pending", id, order], &[]), &decision.into());
    visit.call(call).await?;
    Ok(PageContent::Redirect(href("pending", &[("done", done)])))
}
