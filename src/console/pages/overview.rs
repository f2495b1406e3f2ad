//! What an administrator looks at first: how many clients there are, what was registered and refused, and what needs
//! attention. Each part is there if the administrator has the scope for it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::console::api::path;
use crate::console::chart::Chart;
use crate::console::respond::{Content, Failure};
use crate::console::value::{flag, items, number, text};
use crate::console::view::{Block, Cell, Figure, Table, Tone, href};
use crate::console::visit::Visit;

/// Seconds of a day.
const DAY: u64 = 86_400;
/// The days that the plot shows.
const DAYS: u64 = 14;
/// The pages of the audit log that are read for it, of 1000 events each.
const PAGES: usize = 10;
/// The days after which a client counts as unused.
const UNUSED: u64 = 90;
/// The days in which a client that expires is shown.
const EXPIRING: u64 = 14;
/// The reasons for refusals that are shown.
const REASONS: usize = 8;

/// Shows the overview.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let mut blocks = Vec::new();
    if visit.may(|scopes| &scopes.clients_read) {
        blocks.push(Block::Figures(levels(visit).await?));
    }
    let attention = attention(visit).await?;
    if !attention.is_empty() {
        blocks.push(Block::Figures(attention));
    }
    if visit.may(|scopes| &scopes.audit_read) {
        blocks.extend(registrations(visit).await?);
    }
    if visit.may(|scopes| &scopes.scripts_read) {
        blocks.extend(scripts(visit).await?);
    }
    if blocks.is_empty() {
        blocks.push(Block::Text(
            "You have none of the scopes that this page needs.".to_owned(),
        ));
    }
    Ok(Content::page("Overview", blocks))
}

fn figure(name: impl Into<String>, value: impl Into<String>, href: String) -> Figure {
    Figure {
        name: name.into(),
        value: value.into(),
        href,
    }
}

/// Returns the number of clients, and that of each trust level.
async fn levels(visit: &Visit<'_>) -> Result<Vec<Figure>, Failure> {
    let counted = visit.cx.service.store.statistics().await?.clients;
    let sum: u64 = counted.iter().map(|(_, count)| count).sum();
    let mut figures = vec![figure("clients", sum.to_string(), "clients".to_owned())];
    for (level, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
        let level = level.as_str();
        let list = href("clients", &[("trust_level", level)]);
        figures.push(figure(level, count.to_string(), list));
    }
    Ok(figures)
}

/// Returns what waits, lags, fails or ends soon.
async fn attention(visit: &Visit<'_>) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    if visit.may(|scopes| &scopes.pending_read) {
        let waiting = path(&["pending"], &[("state", "waiting"), ("limit", "200")]);
        let page = visit.get(&waiting).await?;
        figures.push(figure(
            "wait for approval",
            at_least(&page, "pending"),
            "pending".to_owned(),
        ));
    }
    if !visit.may(|scopes| &scopes.clients_read) {
        return Ok(figures);
    }
    let consumers = visit.get(&path(&["events", "consumers"], &[])).await?;
    let consumers = items(&consumers, "consumers");
    let sum = |member: &str| {
        let each = consumers.iter().filter_map(|it| number(it, member));
        each.fold(0, u64::saturating_add).to_string()
    };
    figures.push(figure(
        "events not delivered yet",
        sum("lag"),
        "events".to_owned(),
    ));
    figures.push(figure("parked events", sum("parked"), "events".to_owned()));
    let disabled = consumers
        .iter()
        .filter(|it| !text(it, "disabled").is_empty());
    let disabled = disabled.count();
    if disabled > 0 {
        figures.push(figure(
            "disabled consumers",
            disabled.to_string(),
            "events".to_owned(),
        ));
    }
    let now = visit.cx.begun_at.unix();
    let unused = now.saturating_sub(UNUSED * DAY).to_string();
    for (name, filter) in [
        (
            format!("not used for {UNUSED} days"),
            vec![("used_before", unused.clone())],
        ),
        (
            format!("never used since they registered, {UNUSED} days ago or earlier"),
            vec![("never_used", "true".to_owned()), ("issued_before", unused)],
        ),
        (
            format!("expire within {EXPIRING} days"),
            vec![(
                "expires_before",
                now.saturating_add(EXPIRING * DAY).to_string(),
            )],
        ),
    ] {
        let mut parameters: Vec<(&str, &str)> = filter
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let list = href("clients", &parameters);
        parameters.push(("limit", "500"));
        let page = visit.get(&path(&["clients"], &parameters)).await?;
        figures.push(figure(name, at_least(&page, "clients"), list));
    }
    Ok(figures)
}

/// Returns how many items a list has, or how many at least if there is another page.
fn at_least(page: &Value, member: &str) -> String {
    let count = items(page, member).len();
    if page.get("next").is_some() {
        format!("{count}+")
    } else {
        count.to_string()
    }
}

/// Returns the plot of the last days, and the commonest reasons for refusals.
async fn registrations(visit: &Visit<'_>) -> Result<Vec<Block>, Failure> {
    let today = visit.cx.begun_at.unix() / DAY;
    let first = today.saturating_sub(DAYS - 1);
    let mut days: BTreeMap<u64, (u64, u64)> = (first..=today).map(|day| (day, (0, 0))).collect();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut before = String::new();
    let mut is_whole = false;
    for _ in 0..PAGES {
        let parameters = [("order", "newest"), ("limit", "1000"), ("before", &before)];
        let page = visit.get(&path(&["audit"], &parameters)).await?;
        let events = items(&page, "events");
        for event in events {
            let day = number(event, "time").unwrap_or(0) / DAY;
            let Some(counted) = days.get_mut(&day) else {
                continue;
            };
            match text(event, "action") {
                "client_created" => counted.0 = counted.0.saturating_add(1),
                "registration_refused" => {
                    counted.1 = counted.1.saturating_add(1);
                    let count = reasons.entry(text(event, "error").to_owned()).or_default();
                    *count = count.saturating_add(1);
                }
                _ => {}
            }
        }
        let is_past = events
            .iter()
            .any(|event| number(event, "time").unwrap_or(0) / DAY < first);
        match number(&page, "next") {
            Some(next) if !is_past => before = next.to_string(),
            _ => {
                is_whole = true;
                break;
            }
        }
    }
    Ok(plotted(days, reasons, is_whole))
}

fn plotted(
    days: BTreeMap<u64, (u64, u64)>,
    reasons: BTreeMap<String, u64>,
    is_whole: bool,
) -> Vec<Block> {
    let periods = days
        .into_iter()
        .map(|(day, (done, refused))| (day * DAY, done, refused));
    let mut blocks = vec![Block::Chart(Chart {
        title: "Registrations of the last 14 days",
        names: ("registered", "refused"),
        periods: periods.collect(),
    })];
    if !is_whole {
        let text = "The audit log has more events than this page reads, so the plot shows only the newest 10,000.";
        blocks.push(Block::Text(text.to_owned()));
    }
    let mut reasons: Vec<(String, u64)> = reasons.into_iter().collect();
    reasons.sort_by(|one, other| other.1.cmp(&one.1));
    let row = |(reason, count): &(String, u64)| {
        vec![Cell::code(reason.as_str()), Cell::text(count.to_string())]
    };
    blocks.push(Block::Table(Table {
        title: "Commonest reasons for refusals".to_owned(),
        heads: vec!["Error", "Registrations"],
        rows: reasons.iter().take(REASONS).map(row).collect(),
        empty: "No registration was refused.",
    }));
    blocks
}

/// Returns the scripts that failed.
async fn scripts(visit: &Visit<'_>) -> Result<Vec<Block>, Failure> {
    let scripts = visit.get(&path(&["scripts"], &[])).await?;
    let failed = |calls: &&Value| number(calls, "faults").unwrap_or(0) > 0;
    let row = |calls: &Value| {
        vec![
            Cell::code(text(calls, "script")),
            Cell::code(text(calls, "hook")),
            Cell::badge(Tone::Bad, number(calls, "faults").unwrap_or(0).to_string()),
            Cell::text(number(calls, "calls").unwrap_or(0).to_string()),
        ]
    };
    let mut blocks = vec![Block::Table(Table {
        title: "Faults of scripts since the server started".to_owned(),
        heads: vec!["Script", "Hook", "Faults", "Calls"],
        rows: items(&scripts, "calls")
            .iter()
            .filter(failed)
            .map(row)
            .collect(),
        empty: "No script has failed.",
    })];
    if let Some(candidate) = visit.find(&path(&["scripts", "candidate"], &[])).await?
        && candidate
            .get("canary")
            .is_some_and(|canary| flag(canary, "has_stopped"))
    {
        blocks.push(super::bad("The candidate of the scripts decides no more requests, because it had too many faults."));
    }
    Ok(blocks)
}
