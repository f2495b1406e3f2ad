//! The list of clients, with the filters of the admin API.

use serde_json::Value;

use crate::base::{Timestamp, moment};
use crate::client::TrustLevel;
use crate::console::api::path;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{items, text, time};
use crate::console::view::{Block, Cell, FieldKind, FormField, PageForm, Tone, client_href};
use crate::console::visit::PageVisit;
use crate::store::ClientFilter;

use super::{bulk, done, next};

/// The parameters whose values are moments, which people enter as days.
const MOMENTS: &[&str] = &[
    "issued_from",
    "issued_before",
    "expires_before",
    "used_from",
    "used_before",
];

/// Lists the clients that the filters in the address select.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let filters = filters(|name| visit.query(name))?;
    let after = visit.query("after").unwrap_or_default();
    let parameters = [pairs(&filters), vec![("after", after)]].concat();
    let page = visit.get(&path(&["clients"], &parameters)).await?;
    let mut blocks = Vec::new();
    blocks.extend(done(visit, &[("deleted", "The client was deleted.")]));
    blocks.push(Block::Form(search(visit)));
    blocks.push(table(&page));
    blocks.extend(next(&page, ("clients", "after"), &pairs(&filters)));
    blocks.extend(bulk::entry(visit, &filters));
    Ok(PageContent::page("Clients", blocks))
}

/// Returns the filters that have a value, with moments as the API reads them.
///
/// # Errors
/// A moment that is neither a day nor seconds since 1970.
pub(super) fn filters<'a>(
    value: impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<(&'static str, String)>, PageFailure> {
    let mut filters = Vec::new();
    for &name in ClientFilter::PARAMETERS {
        let Some(value) = value(name) else {
            continue;
        };
        let value = if MOMENTS.contains(&name) {
            moment_of(value)?.to_string()
        } else {
            value.to_owned()
        };
        filters.push((name, value));
    }
    Ok(filters)
}

/// Returns filters as parameters.
pub(super) fn pairs<'a>(filters: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let pair = |(name, value): &'a (&'static str, String)| (*name, value.as_str());
    filters.iter().map(pair).collect()
}

/// Returns the moment that a field for a day has: the beginning of a day, or seconds since 1970.
///
/// # Errors
/// Another form.
pub(super) fn moment_of(text: &str) -> Result<Timestamp, PageFailure> {
    let moment = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok().map(Timestamp::from_unix)
    } else {
        moment::day(text)
    };
    moment.ok_or_else(|| PageFailure::invalid("Enter days in the form 2026-01-31."))
}

/// Returns what a field for a day shows of a moment.
fn day(visit: &PageVisit<'_>, name: &str) -> String {
    let value = visit.query(name).unwrap_or_default();
    match value.parse().map(|seconds| Cell::time(Some(seconds))) {
        Ok(Cell::Time { exact, .. }) => exact.chars().take(10).collect(),
        _ => value.to_owned(),
    }
}

/// The fields for texts.
const TEXTS: [(&str, &str); 3] = [
    ("client_name", "Name contains"),
    ("client_id", "Client ID begins with"),
    ("software_id", "Software ID"),
];

/// The fields for texts that are used rarely.
const RARE: [(&str, &str); 4] = [
    ("address", "Address or network"),
    ("initial_access_token", "Initial access token"),
    ("statement_iss", "Issuer of the statement"),
    ("script_version", "Version of the scripts"),
];

/// The fields for days.
const DAYS: [(&str, &str); 5] = [
    ("issued_from", "Registered from"),
    ("issued_before", "Registered before"),
    ("used_from", "Used from"),
    ("used_before", "Last used before"),
    ("expires_before", "Expires before"),
];

fn search(visit: &PageVisit<'_>) -> PageForm {
    let value = |name: &str| visit.query(name).unwrap_or_default();
    let mut form = PageForm::search("clients");
    for (name, label) in TEXTS {
        form = form.field(FormField::text(name, label, value(name)));
    }
    form = form.field(levels(value("trust_level")));
    for (name, label) in [("disabled", "Disabled"), ("never_used", "Never used")] {
        let switch = [("", "any"), ("true", "yes"), ("false", "no")];
        form = form.field(FormField::choice(name, label, value(name), &switch));
    }
    for (name, label) in RARE {
        form = form.rare_field(FormField::text(name, label, value(name)));
    }
    with_days(form, visit)
}

fn levels(value: &str) -> FormField {
    let levels = TrustLevel::ALL.map(|level| (level.as_str(), level.as_str()));
    let choices = [&[("", "any")], &levels[..]].concat();
    FormField::choice("trust_level", "Trust level", value, &choices)
}

fn with_days(mut form: PageForm, visit: &PageVisit<'_>) -> PageForm {
    for (name, label) in DAYS {
        let field = FormField::text(name, label, day(visit, name));
        form = form.rare_field(field.of_kind(FieldKind::Date));
    }
    form
}

/// Returns the clients of a page. A search looks at a limited number of clients, so a page can be short, or empty, although
/// others follow.
fn table(page: &Value) -> Block {
    let rows: Vec<Vec<Cell>> = items(page, "clients").iter().map(row).collect();
    let empty = if page.get("next").is_some() {
        "None of the clients that were searched so far matches. The search goes on with the next page."
    } else {
        "No client matches."
    };
    let heads = [
        "Client",
        "Trust level",
        "Registered",
        "Last used",
        "Expires",
    ];
    Block::table("Clients", &heads, rows, empty)
}

fn row(client: &Value) -> Vec<Cell> {
    let (id, name) = (text(client, "client_id"), text(client, "client_name"));
    let link = |text: &str| Cell::Link {
        href: client_href(id),
        text: text.to_owned(),
    };
    let named = if name.is_empty() {
        link(id)
    } else {
        Cell::Many(vec![link(name), Cell::code(id)])
    };
    vec![
        named,
        Cell::badge(Tone::Plain, text(client, "trust_level")),
        time(client, "client_id_issued_at"),
        time(client, "last_used_at"),
        time(client, "expires_at"),
    ]
}
