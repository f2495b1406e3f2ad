//! Changes of all clients that a filter selects: first what they touch, and then, with the number typed, the change.

use hyper::Method;
use serde_json::Value;

use crate::console::api::{Call, path};
use crate::console::respond::{Content, Failure};
use crate::console::value::{items, number, shown};
use crate::console::view::{
    Block, Cell, Facts, Field, FieldKind, Form as Shown, Table, client_href, href,
};
use crate::console::visit::Visit;
use crate::http::Form;

use super::clients::{filters, pairs};
use super::{good, required};

/// The orders, each with the button that gives it.
const ORDERS: [(&str, &str); 3] = [
    ("disable", "Disable them"),
    ("enable", "Enable them"),
    ("delete", "Delete them"),
];

/// Returns the form that leads from a list to the preview.
pub(super) fn entry(filters: &[(&'static str, String)]) -> Shown {
    let mut form = Shown {
        title: "Change all clients that match",
        text: "The next page shows what would be changed.".to_owned(),
        action: "bulk".to_owned(),
        is_search: true,
        button: "Preview",
        is_folded: true,
        ..Shown::default()
    };
    for (name, value) in filters {
        form = form.with(name, value.as_str());
    }
    form.field(Field::choice("order", "Change", "disable", &ORDERS))
}

/// Shows what a change would touch.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let filters = filters(|name| visit.query(name))?;
    let order = visit.query("order").unwrap_or_default();
    let (order, button) = known(order)?;
    let matching = visit
        .call(call(order, &filters, ("dry_run", "true")))
        .await?;
    let count = number(&matching.body, "count").unwrap_or(0);
    let rows = filters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Cell::text(value.as_str())));
    let row = |id: &Value| {
        let text = shown(id);
        vec![Cell::Link {
            href: client_href(&text),
            text,
        }]
    };
    let mut blocks = vec![
        Block::Facts(Facts {
            title: "Filter",
            rows: rows.collect(),
        }),
        Block::Table(Table {
            title: format!("{count} clients match"),
            heads: vec!["The first of them"],
            rows: items(&matching.body, "first").iter().map(row).collect(),
            empty: "No client matches.",
        }),
    ];
    if count > 0 {
        let mut form = Shown {
            title: "Confirm",
            text: "The change applies to all of them, and only if exactly this many match."
                .to_owned(),
            action: "bulk".to_owned(),
            button,
            is_dangerous: order != "enable",
            ..Shown::default()
        }
        .with("order", order);
        for (name, value) in &filters {
            form = form.with(name, value.as_str());
        }
        let field = Field::text("confirm", "Type the number of clients", "");
        blocks.push(Block::Form(
            form.field(field.of_kind(FieldKind::Number).required()),
        ));
    }
    Ok(Content::page("Change many clients", blocks))
}

fn known(order: &str) -> Result<(&'static str, &'static str), Failure> {
    let known = ORDERS.into_iter().find(|(name, _)| *name == order);
    known.ok_or_else(Failure::no_page)
}

/// Returns the call for an order.
fn call(order: &str, filters: &[(&'static str, String)], last: (&str, &str)) -> Call {
    let mut parameters = pairs(filters);
    parameters.push(last);
    match order {
        "delete" => Call::new(Method::DELETE, &path(&["clients"], &parameters)),
        order => Call::new(Method::POST, &path(&["clients", order], &parameters)),
    }
}

/// Carries out an order, if the number is right.
pub(super) async fn submit(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    let filters = filters(|name| form.get(name))?;
    let (order, _) = known(required(form, "order", "the change")?)?;
    let confirmed = required(form, "confirm", "the number of clients")?;
    let tally = visit
        .call(call(order, &filters, ("confirm", confirmed)))
        .await?;
    let mut texts = Vec::new();
    for name in ["disabled", "enabled", "deleted", "unchanged", "refused"] {
        if let Some(count) = number(&tally.body, name) {
            texts.push(format!("{count} {name}"));
        }
    }
    let list = Cell::Link {
        href: href("clients", &pairs(&filters)),
        text: "The clients that match now".to_owned(),
    };
    let blocks = vec![
        good(format!("Clients: {}.", texts.join(", "))),
        Block::Facts(Facts {
            title: "List",
            rows: vec![("Clients".to_owned(), list)],
        }),
    ];
    Ok(Content::page("Change many clients", blocks))
}
