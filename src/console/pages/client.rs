//! One client: its metadata with the origin of each member, its provenance and its history, and what can be done with it.

use hyper::Method;
use hyper::header::IF_MATCH;
use serde_json::{Value, json};

use crate::console::api::{Call, path};
use crate::console::respond::{Content, Failure};
use crate::console::value::{cell, flag, members, number, text, time};
use crate::console::view::{Block, Cell, Facts, Form as Shown, Once, Table, Tone, href};
use crate::console::visit::Visit;
use crate::http::{Form, entity_tag};

use super::audit::history;
use super::{done, required};

/// The media type of the patch that disables or enables a client (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Shows the client that the address names.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let id = visit.query("id").ok_or_else(Failure::no_page)?;
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
    visit: &Visit<'_>,
    client: &Value,
    mut blocks: Vec<Block>,
) -> Result<Content, Failure> {
    let id = text(client, "client_id");
    let name = client
        .get("metadata")
        .map_or("", |it| text(it, "client_name"));
    blocks.push(Block::Facts(state(client)));
    let is_changeable = trust_level(client) != "operator";
    if is_changeable && visit.may(|scopes| &scopes.clients_write) {
        blocks.extend(orders(client));
    }
    blocks.push(Block::Table(metadata(client)));
    blocks.push(Block::Facts(provenance(client)));
    if visit.may(|scopes| &scopes.audit_read) {
        blocks.push(history(visit, id).await?);
    }
    let title = if name.is_empty() { id } else { name };
    Ok(Content::page(title, blocks))
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

fn state(client: &Value) -> Facts {
    let state = if is_disabled(client) {
        Cell::badge(Tone::Bad, "disabled")
    } else {
        Cell::badge(Tone::Good, "enabled")
    };
    let secret = if flag(client, "has_secret") {
        "yes"
    } else {
        "no"
    };
    let mut rows = vec![
        (
            "Client ID".to_owned(),
            Cell::code(text(client, "client_id")),
        ),
        ("State".to_owned(), state),
        (
            "Trust level".to_owned(),
            Cell::badge(Tone::Plain, trust_level(client)),
        ),
        ("Registered".to_owned(), time(client, "client_id_issued_at")),
        ("Last used".to_owned(), time(client, "last_used_at")),
        ("Expires".to_owned(), time(client, "expires_at")),
        ("Has a secret".to_owned(), Cell::text(secret)),
        (
            "Revision".to_owned(),
            Cell::text(number(client, "revision").unwrap_or(0).to_string()),
        ),
    ];
    let document = text(client, "client_document_uri");
    if !document.is_empty() {
        rows.push(("Published document".to_owned(), Cell::text(document)));
    }
    for (name, value) in members(client, "document") {
        rows.push((format!("Document: {}", name.replace('_', " ")), cell(value)));
    }
    Facts {
        title: "State",
        rows,
    }
}

fn metadata(client: &Value) -> Table {
    let origins = client.get("origins");
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
        rows: members(client, "metadata").map(row).collect(),
        empty: "The client has no metadata.",
    }
}

fn provenance(client: &Value) -> Facts {
    let mut rows = Vec::new();
    for (name, value) in members(client, "provenance") {
        let label = name.replace('_', " ");
        match value {
            Value::Object(inner) => {
                for (part, value) in inner {
                    rows.push((format!("{label}: {}", part.replace('_', " ")), cell(value)));
                }
            }
            Value::Array(items) if name == "scripts" => {
                let names = items.iter().map(|item| Cell::text(text(item, "name")));
                rows.push((label, Cell::Many(names.collect())));
            }
            other => rows.push((label, cell(other))),
        }
    }
    Facts {
        title: "Provenance",
        rows,
    }
}

/// Returns the forms that change the client as it is shown.
fn orders(client: &Value) -> Vec<Block> {
    let id = text(client, "client_id");
    let form = |order: &str, button: &'static str| {
        let form = Shown {
            action: "client".to_owned(),
            button,
            ..Shown::default()
        };
        let revision = number(client, "revision").unwrap_or(0).to_string();
        form.with("id", id)
            .with("revision", revision)
            .with("order", order)
    };
    let mut buttons = Vec::new();
    buttons.push(if is_disabled(client) {
        form("enable", "Enable")
    } else {
        form("disable", "Disable")
    });
    let mut blocks = Vec::new();
    if flag(client, "has_secret") {
        blocks.push(Block::Form(Shown {
            title: "New secret",
            text: "The present secret is invalid at once. The new one is shown once.".to_owned(),
            is_folded: true,
            ..form("secret", "Create a new secret")
        }));
    }
    blocks.push(Block::Form(Shown {
        title: "New registration access token",
        text: "The present token is invalid at once: the client cannot manage itself until it has the new one, which is shown once.".to_owned(),
        is_folded: true,
        ..form("token", "Create a new token")
    }));
    blocks.push(Block::Form(Shown {
        title: "Delete",
        text: "The client is deleted with its tokens. That cannot be undone.".to_owned(),
        is_folded: true,
        is_dangerous: true,
        ..form("delete", "Delete this client")
    }));
    blocks.insert(0, Block::Buttons(buttons));
    blocks
}

/// Changes or deletes the client that the form names.
pub(super) async fn submit(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    let id = required(form, "id", "the client")?;
    let revision = required(form, "revision", "the revision")?;
    let order = required(form, "order", "the order")?;
    let one = path(&["clients", id], &[]);
    let expected = |call: Call| call.header(IF_MATCH, &entity_tag(revision));
    match order {
        "disable" | "enable" => {
            let patch = json!({"disabled": order == "disable"});
            let call = Call::new(Method::PATCH, &one).json(MERGE_PATCH, &patch);
            visit.call(expected(call)).await?;
            let done = format!("{order}d");
            Ok(Content::Redirect(href(
                "client",
                &[("id", id), ("done", &done)],
            )))
        }
        "secret" | "token" => {
            let last = if order == "secret" {
                "secret"
            } else {
                "registration-token"
            };
            let call = Call::new(Method::POST, &path(&["clients", id, last], &[]));
            let issued = visit.call(expected(call)).await?;
            let blocks = vec![Block::Once(credential(order, &issued.body))];
            shown_client(visit, &issued.body, blocks).await
        }
        "delete" => {
            visit
                .call(expected(Call::new(Method::DELETE, &one)))
                .await?;
            Ok(Content::Redirect("clients?done=deleted".to_owned()))
        }
        _ => Err(Failure::no_page()),
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
