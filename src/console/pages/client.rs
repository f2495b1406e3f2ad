//! One client: its metadata with the origin of each member, its provenance and its history, and what can be done with it.

use hyper::Method;
use hyper::header::IF_MATCH;
use serde_json::{Value, json};

use crate::console::api::{ApiCall, path};
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{cell, flag, members, number, text, time};
use crate::console::view::{Block, Cell, Once, PageForm, Tone, fact, href};
use crate::console::visit::PageVisit;
use crate::http::{Form, entity_tag};

use super::audit::history;
use super::{done, required};

/// The media type of the patch that disables or enables a client (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Shows the client that the address names.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let id = visit.query("id").ok_or_else(PageFailure::no_page)?;
    let client = visit.get(&path(&["clients", id], &[])).await?;
    let notice = done(
        visit,
        &[
            ("disabled", "The client is disabled."),
            ("enabled", "The client is enabled."),
        ],
    );
    shown_client(visit, &client, notice.into_iter().collect()).await
}

/// Returns the page of a client, which begins with `blocks`.
async fn shown_client(
    visit: &PageVisit<'_>,
    client: &Value,
    mut blocks: Vec<Block>,
) -> Result<PageContent, PageFailure> {
    let id = text(client, "client_id");
    let name = client
        .get("metadata")
        .map_or("", |it| text(it, "client_name"));
    blocks.push(state(client));
    let is_changeable = trust_level(client) != "operator";
    if is_changeable && visit.may(|scopes| &scopes.clients_write) {
        blocks.extend(orders(client));
    }
    blocks.push(metadata(client));
    blocks.push(provenance(client));
    if visit.may(|scopes| &scopes.audit_read) {
        blocks.push(history(visit, id).await?);
    }
    let title = if name.is_empty() { id } else { name };
    Ok(PageContent::page(title, blocks))
}

fn trust_level(client: &Value) -> &str {
    client
        .get("provenance")
        .map_or("", |it| text(it, "trust_level"))
}

fn is_disabled(client: &Value) -> bool {
    client
        .get("metadata")
        .is_some_and(|it| flag(it, "disabled"))
}

fn switch(client: &Value) -> Cell {
    if is_disabled(client) {
        Cell::badge(Tone::Bad, "disabled")
    } else {
        Cell::badge(Tone::Good, "enabled")
    }
}

fn state(client: &Value) -> Block {
    let secret = if flag(client, "has_secret") {
        "yes"
    } else {
        "no"
    };
    let mut rows = vec![
        fact("Client ID", Cell::code(text(client, "client_id"))),
        fact("State", switch(client)),
        fact("Trust level", Cell::badge(Tone::Plain, trust_level(client))),
        fact("Registered", time(client, "client_id_issued_at")),
        fact("Last used", time(client, "last_used_at")),
        fact("Expires", time(client, "expires_at")),
        fact("Has a secret", Cell::text(secret)),
        fact("Revision", Cell::number(revision(client))),
    ];
    let published = text(client, "client_document_uri");
    if !published.is_empty() {
        rows.push(fact("Published document", Cell::text(published)));
    }
    let document = members(client, "document");
    rows.extend(document.map(|(name, value)| (format!("Document: {}", label(name)), cell(value))));
    Block::facts("State", rows)
}

fn revision(client: &Value) -> u64 {
    number(client, "revision").unwrap_or(0)
}

/// Returns the name of a member as people write it.
fn label(name: &str) -> String {
    name.replace('_', " ")
}

/// Returns the metadata of a client, or of something that waits, with the origin of each member.
pub(super) fn metadata(client: &Value) -> Block {
    let origins = client.get("origins");
    let row = |(name, value): (&str, &Value)| {
        let origin = |origins| Cell::text(label(text(origins, name)));
        let mut row = vec![Cell::code(name), cell(value)];
        row.extend(origins.map(origin));
        row
    };
    let rows = members(client, "metadata").map(row).collect();
    // What waits has no origins yet.
    let heads = match origins {
        Some(_) => &["Member", "Value", "Origin"][..],
        None => &["Member", "Value"],
    };
    Block::table("Metadata", heads, rows, "It has no metadata.")
}

fn provenance(client: &Value) -> Block {
    let mut rows = Vec::new();
    for (name, value) in members(client, "provenance") {
        match value {
            Value::Object(inner) => {
                for (part, value) in inner {
                    rows.push((format!("{}: {}", label(name), label(part)), cell(value)));
                }
            }
            Value::Array(items) if name == "scripts" => {
                let names = items.iter().map(|item| Cell::text(text(item, "name")));
                rows.push((label(name), Cell::Many(names.collect())));
            }
            other => rows.push((label(name), cell(other))),
        }
    }
    Block::facts("Provenance", rows)
}

/// Returns the forms that change the client as it is shown.
fn orders(client: &Value) -> Vec<Block> {
    let switch = if is_disabled(client) {
        order(client, "enable", "Enable")
    } else {
        order(client, "disable", "Disable")
    };
    let mut blocks = vec![Block::Buttons(vec![switch])];
    if flag(client, "has_secret") {
        let text = "The present secret is invalid at once. The new one is shown once.";
        let form = order(client, "secret", "Create a new secret");
        blocks.push(Block::Form(form.titled("New secret", text).folded()));
    }
    let text = "The present token is invalid at once: the client cannot manage itself until it has the new one, which is shown once.";
    let form = order(client, "token", "Create a new token");
    let form = form.titled("New registration access token", text);
    blocks.push(Block::Form(form.folded()));
    let text = "The client is deleted with its tokens. That cannot be undone.";
    let form = order(client, "delete", "Delete this client").titled("Delete", text);
    blocks.push(Block::Form(form.folded().dangerous()));
    blocks
}

/// Returns the form that gives an order about the client as it is shown.
fn order(client: &Value, order: &str, button: &'static str) -> PageForm {
    let form = PageForm::to("client", button).with("id", text(client, "client_id"));
    let form = form.with("revision", revision(client).to_string());
    form.with("order", order)
}

/// Changes or deletes the client that the form names.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let id = required(form, "id", "the client")?;
    let revision = required(form, "revision", "the revision")?;
    let order = required(form, "order", "the order")?;
    let call = call(id, order)?.header(IF_MATCH, &entity_tag(revision));
    let answer = visit.call(call).await?.body;
    match order {
        "secret" | "token" => {
            let blocks = vec![Block::Once(credential(order, &answer))];
            shown_client(visit, &answer, blocks).await
        }
        "delete" => Ok(PageContent::Redirect("clients?done=deleted".to_owned())),
        order => {
            let done = format!("{order}d");
            let page = href("client", &[("id", id), ("done", &done)]);
            Ok(PageContent::Redirect(page))
        }
    }
}

/// Returns the call for an order.
fn call(id: &str, order: &str) -> Result<ApiCall, PageFailure> {
    let one = path(&["clients", id], &[]);
    let new = |credential| ApiCall::new(Method::POST, &path(&["clients", id, credential], &[]));
    match order {
        "disable" | "enable" => {
            let patch = json!({"disabled": order == "disable"});
            Ok(ApiCall::new(Method::PATCH, &one).json(MERGE_PATCH, &patch))
        }
        "secret" => Ok(new("secret")),
        "token" => Ok(new("registration-token")),
        "delete" => Ok(ApiCall::new(Method::DELETE, &one)),
        _ => Err(PageFailure::no_page()),
    }
}

fn credential(order: &str, issued: &Value) -> Once {
    let (member, label) = match order {
        "secret" => ("client_secret", "New secret"),
        _ => ("registration_access_token", "New registration access token"),
    };
    Once {
        label,
        value: text(issued, member).to_owned(),
        text: "Copy it now: it is shown only once.",
    }
}
