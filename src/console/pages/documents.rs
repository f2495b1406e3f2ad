//! What was decided about client documents: denials, which can end, and pinned documents.

use serde_json::{Map, Value, json};

use crate::console::api::{ApiCall, path};
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{items, pretty, shown, text, time};
use crate::console::view::{Block, Cell, FieldKind, FormField, LongText, PageForm, fact, href};
use crate::console::visit::PageVisit;
use crate::http::Form;

use super::clients::moment_of;
use super::{done, json_object, next, required, unconfirmed};

/// The path of client documents in the admin API.
const ALL: &str = "client-documents";

/// What each order has done.
const DONE: [(&str, &str); 4] = [
    (
        "allow",
        "The URL is not denied any more. Its document is fetched when it is next asked for.",
    ),
    ("deny", "The URL is denied."),
    (
        "pin",
        "The document is in force, and is not fetched until it is unpinned.",
    ),
    (
        "unpin",
        "The document is fetched when it is next asked for.",
    ),
];

/// Lists the documents that are denied or pinned.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let may_order = visit.may(|scopes| &scopes.documents_write);
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &DONE));
    for (state, title, empty) in [
        ("denied", "Denied", "No URL is denied."),
        ("pinned", "Pinned", "No document is pinned."),
    ] {
        blocks.extend(list(visit, (state, title, empty), may_order).await?);
    }
    if may_order {
        blocks.push(Block::Form(denial()));
        blocks.push(Block::Form(pin()));
    }
    Ok(PageContent::page("Client documents", blocks))
}

async fn list(
    visit: &PageVisit<'_>,
    (state, title, empty): (&str, &str, &'static str),
    may_order: bool,
) -> Result<Vec<Block>, PageFailure> {
    let is_meant = visit.query("state") == Some(state);
    let after = visit.query("after").filter(|_| is_meant);
    let parameters = [("state", state), ("after", after.unwrap_or_default())];
    let page = visit.get(&path(&[ALL], &parameters)).await?;
    let last = if state == "denied" { "Ends" } else { "Name" };
    let heads = ["URL", "Since", "By", "Note", last, "Order"];
    let rows = items(&page, "documents").iter();
    let rows = rows.map(|document| row(document, may_order)).collect();
    let mut blocks = vec![Block::table(title, &heads, rows, empty)];
    blocks.extend(next(&page, ("documents", "after"), &[("state", state)]));
    Ok(blocks)
}

fn row(document: &Value, may_order: bool) -> Vec<Cell> {
    let url = text(document, "client_id");
    let is_denied = text(document, "state") == "denied";
    let (link, last) = if is_denied {
        (Cell::code(url), time(document, "until"))
    } else {
        (Cell::client(url), Cell::text(text(document, "client_name")))
    };
    let order = match (may_order, is_denied) {
        (false, _) => Cell::Nothing,
        (true, true) => order("allow", "Allow", url),
        (true, false) => order("unpin", "Unpin", url),
    };
    vec![
        link,
        time(document, "since"),
        Cell::text(text(document, "by")),
        Cell::text(text(document, "note")),
        last,
        order,
    ]
}

fn order(order: &str, button: &'static str, url: &str) -> Cell {
    let form = PageForm::to("documents", button).with("order", order);
    form.with("client_id", url)
        .button(format!("{button} {url}"))
}

fn url_field() -> FormField {
    let field = FormField::text("client_id", "URL", "").required();
    field.hint("The client ID, which is the URL of the document.")
}

fn note() -> FormField {
    let note = FormField::text("note", "Note", "");
    note.hint("Why. It is kept with the decision.")
}

fn denial() -> PageForm {
    let text = "Nobody can use the URL as a client from then on. The next page shows the client that is removed.";
    let until = FormField::text("until", "Ends", "").of_kind(FieldKind::Date);
    let form = PageForm::to("documents", "Preview").titled("Deny a URL", text);
    form.folded()
        .with("order", "deny")
        .field(url_field())
        .field(note())
        .field(until.hint("Empty: it does not end."))
}

fn pin() -> PageForm {
    let text = "The document is in force instead of the one at the URL, which is not fetched. The next page shows what changes.";
    let document = FormField::text("document", "Document, as JSON", "");
    let document = document.of_kind(FieldKind::Area).required();
    let form = PageForm::to("documents", "Preview").titled("Pin a document", text);
    form.folded()
        .with("order", "pin")
        .field(url_field())
        .field(note())
        .field(document)
}

/// Carries out an order, after the question whether it is meant.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let url = required(form, "client_id", "the URL")?;
    let order = required(form, "order", "the order")?;
    let (title, button) = match order {
        "allow" => ("End a denial", "Allow this URL"),
        "deny" => ("Deny a URL", "Deny this URL"),
        "pin" => ("Pin a document", "Pin this document"),
        "unpin" => ("Unpin a document", "Unpin this document"),
        _ => return Err(PageFailure::no_page()),
    };
    let body = wanted(order, url, form)?;
    let again = PageForm::to("documents", button);
    let preview = preview(visit, order, &body).await?;
    if let Some(question) = unconfirmed(form, again, title, preview) {
        return Ok(question);
    }
    let call = ApiCall::post(&path(&[ALL, order], &[]), &body.into());
    visit.call(call).await?;
    Ok(PageContent::Redirect(href("documents", &[("done", order)])))
}

/// Returns the request that the form stands for.
fn wanted(order: &str, url: &str, form: &Form) -> Result<Map<String, Value>, PageFailure> {
    let mut body = Map::from_iter([("client_id".to_owned(), json!(url))]);
    if matches!(order, "deny" | "pin")
        && let Some(note) = form.get("note")
    {
        body.insert("note".to_owned(), note.into());
    }
    if order == "deny"
        && let Some(until) = form.get("until")
    {
        body.insert("until".to_owned(), moment_of(until)?.unix().into());
    }
    if order == "pin" {
        let document = required(form, "document", "the document")?;
        let document = json_object(document, "The document")?;
        body.insert("document".to_owned(), document.into());
    }
    Ok(body)
}

/// Returns what an order concerns: the URL, its client in force, and the document that is pinned.
async fn preview(
    visit: &PageVisit<'_>,
    order: &str,
    body: &Map<String, Value>,
) -> Result<Vec<Block>, PageFailure> {
    let member = |name| body.get(name).map(shown).unwrap_or_default();
    let url = member("client_id");
    let until = body.get("until").and_then(Value::as_u64);
    let in_force = in_force(visit, &url).await?;
    let mut rows = vec![
        fact("URL", Cell::code(url)),
        fact("Note", Cell::text(member("note"))),
        fact("Ends", Cell::time(until)),
        fact("Client in force", in_force),
        fact("Effect", Cell::text(effect(order))),
    ];
    rows.retain(|(_, value)| !matches!(value, Cell::Nothing));
    let mut blocks = vec![Block::facts("Document", rows)];
    blocks.extend(body.get("document").map(source));
    Ok(blocks)
}

fn source(document: &Value) -> Block {
    let (title, text) = ("What is pinned".to_owned(), pretty(document));
    Block::Source(LongText { title, text })
}

/// Returns the client of a URL, as it is stored. It is not asked for by its identifier: that would fetch the document.
async fn in_force(visit: &PageVisit<'_>, url: &str) -> Result<Cell, PageFailure> {
    if !visit.may(|scopes| &scopes.clients_read) {
        return Ok(Cell::text("you lack the scope to see it"));
    }
    let parameters = [("client_id", url), ("limit", "1")];
    let page = visit.get(&path(&["clients"], &parameters)).await?;
    let found = items(&page, "clients").first();
    let found = found.filter(|client| text(client, "client_id") == url);
    Ok(found.map_or_else(
        || Cell::text("none"),
        |client| match text(client, "client_name") {
            "" => Cell::client(url),
            name => Cell::Many(vec![Cell::client(url), Cell::text(name)]),
        },
    ))
}

/// Says what an order does.
const fn effect(order: &str) -> &'static str {
    match order.as_bytes() {
        b"allow" => "The document is fetched and judged like any other when it is next asked for.",
        b"deny" => "The client is removed, and nobody can use the URL.",
        b"pin" => "The document below takes the place of the one at the URL.",
        _ => {
            "The client stays in force until the document at the URL is fetched, which then takes its place."
        }
    }
}
