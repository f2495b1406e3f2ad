//! What waits for an administrator: registrations, updates and client documents, with what they would change.

use serde_json::{Map, Value};

use crate::console::api::{Call, path};
use crate::console::respond::{Content, Failure};
use crate::console::value::{cell, items, members, number, pretty, text, time};
use crate::console::view::{
    Block, Cell, Difference, Facts, Field, FieldKind, Form as Shown, Source, Table, Tone, href,
};
use crate::console::visit::Visit;
use crate::http::Form;

use super::{done, required};

/// Lists what waits, or has ended and is still kept.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let (kind, state) = (visit.query("type"), visit.query("state"));
    let parameters = [
        ("type", kind.unwrap_or_default()),
        ("state", state.unwrap_or_default()),
        (
            "verification_code",
            visit.query("verification_code").unwrap_or_default(),
        ),
        ("after", visit.query("after").unwrap_or_default()),
    ];
    let page = visit.get(&path(&["pending"], &parameters)).await?;
    let mut blocks = Vec::new();
    let texts = [
        ("approved", "It was approved."),
        ("denied", "It was denied."),
    ];
    blocks.extend(done(visit, &texts));
    blocks.push(Block::Form(search(visit)));
    blocks.push(Block::Table(Table {
        title: "Requests".to_owned(),
        heads: vec!["Client", "Type", "State", "Why", "Since", "Ends", "From"],
        rows: items(&page, "pending").iter().map(row).collect(),
        empty: "Nothing waits.",
    }));
    let next = text(&page, "next");
    if !next.is_empty() {
        let parameters = [&parameters[..2], &[("after", next)]].concat();
        blocks.push(Block::Next(href("pending", &parameters)));
    }
    Ok(Content::page("Approvals", blocks))
}

fn search(visit: &Visit<'_>) -> Shown {
    let value = |name: &str| visit.query(name).unwrap_or_default().to_owned();
    let kinds = [
        ("", "any"),
        ("registration", "registration"),
        ("update", "update"),
        ("document", "document"),
    ];
    let states = [
        ("", "any"),
        ("waiting", "waiting"),
        ("approved", "approved"),
        ("denied", "denied"),
        ("expired", "expired"),
    ];
    Shown {
        action: "pending".to_owned(),
        is_search: true,
        button: "Search",
        ..Shown::default()
    }
    .field(Field::choice("type", "Type", value("type"), &kinds))
    .field(Field::choice("state", "State", value("state"), &states))
    .field(
        Field::text("verification_code", "Code", "")
            .hint("The code that the client shows to people."),
    )
}

fn row(item: &Value) -> Vec<Cell> {
    let (id, name) = (text(item, "id"), text(item, "client_name"));
    let shown = if name.is_empty() {
        text(item, "client_id")
    } else {
        name
    };
    let link = Cell::Link {
        href: href("request", &[("id", id)]),
        text: shown.to_owned(),
    };
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
pub(super) async fn show_one(visit: &Visit<'_>) -> Result<Content, Failure> {
    let id = visit.query("id").ok_or_else(Failure::no_page)?;
    let item = visit.get(&path(&["pending", id], &[])).await?;
    let mut blocks = vec![Block::Facts(facts(&item))];
    if text(&item, "state") == "waiting" && may_decide(visit, &item) {
        blocks.extend(decisions(&item));
    }
    if let Some(change) = item.get("change") {
        let side = |name: &str| pretty(change.get(name).unwrap_or(&Value::Null));
        let title = "What changes in the client in force";
        blocks.push(Block::Difference(Difference::between(
            title,
            &side("before"),
            &side("after"),
        )));
    }
    blocks.push(Block::Table(metadata(&item)));
    if !text(&item, "document").is_empty() {
        blocks.push(Block::Source(Source {
            title: "Document".to_owned(),
            text: text(&item, "document").to_owned(),
        }));
    }
    let name = text(&item, "client_name");
    let title = if name.is_empty() {
        text(&item, "client_id")
    } else {
        name
    };
    Ok(Content::page(title, blocks))
}

fn may_decide(visit: &Visit<'_>, item: &Value) -> bool {
    let is_document = text(item, "type") == "document";
    visit.may(|scopes| &scopes.pending_write)
        && (!is_document || visit.may(|scopes| &scopes.documents_write))
}

fn facts(item: &Value) -> Facts {
    let mut rows = vec![
        ("Type".to_owned(), Cell::text(text(item, "type"))),
        ("State".to_owned(), state(item)),
        ("Client ID".to_owned(), Cell::code(text(item, "client_id"))),
        (
            "Trust level".to_owned(),
            Cell::badge(Tone::Plain, text(item, "trust_level")),
        ),
        ("Why it waits".to_owned(), Cell::text(text(item, "reason"))),
        ("From".to_owned(), Cell::text(text(item, "address"))),
        ("Since".to_owned(), time(item, "requested_at")),
        ("Ends".to_owned(), time(item, "expires_at")),
        (
            "Asked for".to_owned(),
            Cell::text(format!("{} times", number(item, "asked").unwrap_or(0))),
        ),
    ];
    for (member, label) in [
        ("asked_by", "Asked for by"),
        ("decided_by", "Decided by"),
        ("note", "Note"),
    ] {
        if !text(item, member).is_empty() {
            rows.push((label.to_owned(), Cell::text(text(item, member))));
        }
    }
    if number(item, "decided_at").is_some() {
        rows.push(("Decided".to_owned(), time(item, "decided_at")));
    }
    if let Some(change) = item.get("change")
        && !items(change, "downgrades").is_empty()
    {
        let texts = items(change, "downgrades").iter().map(cell);
        rows.push((
            "Authenticates with less than before by".to_owned(),
            Cell::Many(texts.collect()),
        ));
    }
    Facts {
        title: "Request",
        rows,
    }
}

fn metadata(item: &Value) -> Table {
    let origins = item.get("origins");
    let row = |(name, value): (&str, &Value)| {
        let origin = origins.map_or("", |origins| text(origins, name));
        vec![
            Cell::code(name),
            cell(value),
            Cell::text(origin.replace('_', " ")),
        ]
    };
    Table {
        title: "Metadata".to_owned(),
        heads: vec!["Member", "Value", "Origin"],
        rows: members(item, "metadata").map(row).collect(),
        empty: "It has no metadata.",
    }
}

/// Returns the forms for a decision about exactly what is shown.
fn decisions(item: &Value) -> Vec<Block> {
    let form = |order: &'static str| {
        let note = Field::text("note", "Note", "").of_kind(FieldKind::Area);
        let form = Shown {
            action: "request".to_owned(),
            is_folded: true,
            ..Shown::default()
        };
        let form = form.with("id", text(item, "id")).with("order", order);
        let form = form.with("digest", text(item, "digest"));
        form.field(note.hint("Why. It is kept with the client and in the audit log."))
    };
    vec![
        Block::Form(Shown {
            title: "Approve",
            button: "Approve",
            ..form("approve")
        }),
        Block::Form(Shown {
            title: "Deny",
            button: "Deny",
            is_dangerous: true,
            ..form("deny")
        }),
    ]
}

/// Approves or denies what the form names.
pub(super) async fn submit(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    let id = required(form, "id", "the request")?;
    let (order, done) = match required(form, "order", "the decision")? {
        "approve" => ("approve", "approved"),
        "deny" => ("deny", "denied"),
        _ => return Err(Failure::no_page()),
    };
    let mut decision = Map::new();
    for name in ["note", "digest"] {
        if let Some(value) = form.get(name) {
            decision.insert(name.to_owned(), value.into());
        }
    }
    let call = Call::post(&path(&["pending", id, order], &[]), &decision.into());
    visit.call(call).await?;
    Ok(Content::Redirect(href("pending", &[("done", done)])))
}
