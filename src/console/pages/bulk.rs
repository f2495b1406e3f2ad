//! Changes of all clients that a filter selects: first what they touch, and then, with the number typed, the change.

use hyper::Method;
use serde_json::Value;

use crate::console::api::{ApiCall, path};
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{items, number, shown, text};
use crate::console::view::{Block, Cell, FieldKind, FormField, PageForm, fact, href};
use crate::console::visit::PageVisit;
use crate::http::Form;

use super::clients::{filters, pairs};
use super::{good, required};

/// The orders, each with the button that gives it.
const ORDERS: [(&str, &str); 3] = [
    ("disable", "Disable them"),
    ("enable", "Enable them"),
    ("delete", "Delete them"),
];

/// Returns the form that leads from a list to the preview, if there are filters and the administrator may change clients.
pub(super) fn entry(visit: &PageVisit<'_>, filters: &[(&'static str, String)]) -> Option<Block> {
    if filters.is_empty() || !visit.may(|scopes| &scopes.clients_write) {
        return None;
    }
    let text = "The next page shows what would be changed.";
    let form = PageForm {
        button: "Preview",
        ..PageForm::search("bulk")
    };
    let form = form.titled("Change all clients that match", text).folded();
    let form = with_filters(form, filters);
    let order = FormField::choice("order", "Change", "disable", &ORDERS);
    Some(Block::Form(form.field(order)))
}

fn with_filters(mut form: PageForm, filters: &[(&'static str, String)]) -> PageForm {
    for (name, value) in filters {
        form = form.with(name, value.as_str());
    }
    form
}

/// Shows what a change would touch.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let filters = filters(|name| visit.query(name))?;
    let (order, button) = known(visit.query("order").unwrap_or_default())?;
    let matching = call(order, &filters, ("dry_run", "true"));
    let matching = visit.call(matching).await?.body;
    let count = number(&matching, "count").unwrap_or(0);
    let rows = filters
        .iter()
        .map(|(name, value)| fact(name, Cell::text(value.as_str())));
    let mut blocks = vec![
        Block::facts("Filter", rows.collect()),
        first(visit, &filters, &matching).await?,
    ];
    if count > 0 {
        let form = with_filters(confirmation(order, button), &filters);
        blocks.push(Block::Form(form));
    }
    Ok(PageContent::page("Change many clients", blocks))
}

/// Returns the first of the clients that match, with the names of those that the list of clients shows.
async fn first(
    visit: &PageVisit<'_>,
    filters: &[(&'static str, String)],
    matching: &Value,
) -> Result<Block, PageFailure> {
    let mut list = Value::Null;
    if visit.may(|scopes| &scopes.clients_read) {
        list = visit.get(&path(&["clients"], &pairs(filters))).await?;
    }
    let row = |id: &Value| row(&shown(id), items(&list, "clients"));
    let title = match number(matching, "count").unwrap_or(0) {
        1 => "1 client matches".to_owned(),
        count => format!("{count} clients match"),
    };
    Ok(Block::table(
        title,
        &["The first of them", "Name"],
        items(matching, "first").iter().map(row).collect(),
        "No client matches.",
    ))
}

fn row(id: &str, listed: &[Value]) -> Vec<Cell> {
    let mut listed = listed.iter();
    let found = listed.find(|client| text(client, "client_id") == id);
    let name = found.map_or("", |client| text(client, "client_name"));
    vec![Cell::client(id), Cell::text(name)]
}

fn confirmation(order: &str, button: &'static str) -> PageForm {
    let text = "The change applies to all of them, and only if exactly this many match.";
    let field = FormField::text("confirm", "Type the number of clients", "");
    let field = field.of_kind(FieldKind::Number).required();
    let form = PageForm::to("bulk", button).titled("Confirm", text);
    PageForm {
        is_dangerous: order != "enable",
        ..form.with("order", order).field(field)
    }
}

fn known(order: &str) -> Result<(&'static str, &'static str), PageFailure> {
    let known = ORDERS.into_iter().find(|(name, _)| *name == order);
    known.ok_or_else(PageFailure::no_page)
}

/// Returns the call for an order.
fn call(order: &str, filters: &[(&'static str, String)], last: (&str, &str)) -> ApiCall {
    let mut parameters = pairs(filters);
    parameters.push(last);
    match order {
        "delete" => ApiCall::new(Method::DELETE, &path(&["clients"], &parameters)),
        order => ApiCall::new(Method::POST, &path(&["clients", order], &parameters)),
    }
}

/// Carries out an order, if the number is right.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let filters = filters(|name| form.get(name))?;
    let (order, _) = known(required(form, "order", "the change")?)?;
    let confirmed = required(form, "confirm", "the number of clients")?;
    let tally = visit
        .call(call(order, &filters, ("confirm", confirmed)))
        .await?;
    let list = href("clients", &pairs(&filters));
    let list = Cell::link(list, "The clients that match now");
    let blocks = vec![
        good(told(&tally.body)),
        Block::facts("List", vec![fact("Clients", list)]),
    ];
    Ok(PageContent::page("Change many clients", blocks))
}

/// Returns what was done, in words.
fn told(tally: &Value) -> String {
    let names = ["disabled", "enabled", "deleted", "unchanged", "refused"];
    let counted = names.iter().filter_map(|name| {
        let count = number(tally, name)?;
        Some(format!("{count} {name}"))
    });
    let counted: Vec<String> = counted.collect();
    format!("Clients: {}.", counted.join(", "))
}
