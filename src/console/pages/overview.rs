//! What an administrator looks at first: how many clients there are, what was registered and refused, and what needs
//! attention. Each part is there if the administrator has the scope for it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::Timestamp;
use crate::console::api::path;
use crate::console::chart::Chart;
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{flag, items, number, text};
use crate::console::view::{Block, Cell, Figure, Tone, href, live};
use crate::console::visit::PageVisit;
use crate::store::clients::unused::Unused;

use super::bad;

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
/// The clients that are counted at most.
const COUNTED: usize = 1_000;
/// The reasons for refusals that are shown.
const REASONS: usize = 8;

/// Shows the overview. A refresh has its live part only: the plot is made of the audit log.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let mut blocks = live("figures", figures(visit).await?);
    if visit.is_refresh() {
        return Ok(PageContent::page("Overview", blocks));
    }
    if visit.may(|scopes| &scopes.audit_read) {
        blocks.extend(registrations(visit).await?);
    }
    if visit.may(|scopes| &scopes.scripts_read) {
        blocks.extend(scripts(visit).await?);
    }
    Ok(PageContent::page("Overview", blocks))
}

/// Returns the numbers.
async fn figures(visit: &PageVisit<'_>) -> Result<Vec<Block>, PageFailure> {
    let mut blocks = Vec::new();
    if visit.may(|scopes| &scopes.clients_read) {
        blocks.push(Block::Figures(levels(visit).await?));
    }
    let attention = attention(visit).await?;
    if !attention.is_empty() {
        blocks.push(Block::Figures(attention));
    }
    let has_other = [
        visit.may(|scopes| &scopes.audit_read),
        visit.may(|scopes| &scopes.scripts_read),
    ];
    if blocks.is_empty() && has_other == [false, false] {
        blocks.push(Block::Text(
            "You have none of the scopes that this page needs.".to_owned(),
        ));
    }
    Ok(blocks)
}

fn figure(name: impl Into<String>, value: impl Into<String>, href: String) -> Figure {
    Figure {
        name: name.into(),
        value: value.into(),
        href,
    }
}

/// Returns the number of clients, and that of each trust level.
async fn levels(visit: &PageVisit<'_>) -> Result<Vec<Figure>, PageFailure> {
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
async fn attention(visit: &PageVisit<'_>) -> Result<Vec<Figure>, PageFailure> {
    let mut figures = Vec::new();
    if visit.may(|scopes| &scopes.pending_read) {
        let waiting = path(&["pending"], &[("state", "waiting"), ("limit", "200")]);
        let waiting = at_least(&visit.get(&waiting).await?, "pending");
        figures.push(figure("wait for approval", waiting, "pending".to_owned()));
    }
    if visit.may(|scopes| &scopes.clients_read) {
        figures.extend(deliveries(visit).await?);
        figures.extend(ends(visit).await?);
    }
    Ok(figures)
}

/// Returns what the consumers of events have not received.
async fn deliveries(visit: &PageVisit<'_>) -> Result<Vec<Figure>, PageFailure> {
    let consumers = visit.get(&path(&["events", "consumers"], &[])).await?;
    let consumers = items(&consumers, "consumers");
    let sum = |member: &str| {
        let each = consumers.iter().filter_map(|it| number(it, member));
        each.fold(0, u64::saturating_add).to_string()
    };
    let is_disabled = |consumer: &&Value| !text(consumer, "disabled").is_empty();
    let disabled = consumers.iter().filter(is_disabled).count();
    let page = || "events".to_owned();
    let mut figures = vec![
        figure("events not delivered yet", sum("lag"), page()),
        figure("parked events", sum("parked"), page()),
    ];
    if disabled > 0 {
        figures.push(figure("disabled consumers", disabled.to_string(), page()));
    }
    Ok(figures)
}

/// Returns the clients that nobody uses, and those that end soon. They are counted in the indexes of the store, which is as
/// cheap for a million clients as for ten.
async fn ends(visit: &PageVisit<'_>) -> Result<[Figure; 3], PageFailure> {
    let (store, now) = (&visit.cx.service.store, visit.cx.begun_at);
    let unused_at = Timestamp::from_unix(now.unix().saturating_sub(UNUSED * DAY));
    let unused = Unused {
        never_since: Some(unused_at),
        idle_since: Some(unused_at),
    };
    let soon = now.plus(EXPIRING * DAY);
    let (never, idle) = store.uses.count_unused(unused, COUNTED + 1).await?;
    let expiring = store.clients.count_expiring(now, soon, COUNTED + 1);
    Ok(shown_ends([idle, never, expiring.await?], unused_at, soon))
}

/// Returns the figures for these numbers of clients, each with a link to their list.
fn shown_ends(counts: [usize; 3], unused_at: Timestamp, soon: Timestamp) -> [Figure; 3] {
    let unused = unused_at.plus(1).unix().to_string();
    let soon = soon.unix().to_string();
    let [idle, never, expiring] = counts.map(counted);
    let list = |filter: &[(&str, &str)]| href("clients", filter);
    let never_used = [("never_used", "true"), ("issued_before", unused.as_str())];
    [
        figure(
            format!("not used for {UNUSED} days"),
            idle,
            list(&[("used_before", &unused)]),
        ),
        figure(
            format!("never used in {UNUSED} days"),
            never,
            list(&never_used),
        ),
        figure(
            format!("expire within {EXPIRING} days"),
            expiring,
            list(&[("expires_before", &soon)]),
        ),
    ]
}

/// Returns how many there are, or that there are more than are counted.
fn counted(count: usize) -> String {
    if count > COUNTED {
        format!("more than {COUNTED}")
    } else {
        count.to_string()
    }
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

/// What was registered and refused in the last days.
struct RecentCounts {
    /// The first day, counted from 1970.
    first: u64,
    /// The numbers of each day.
    days: BTreeMap<u64, (u64, u64)>,
    /// How often each reason was given.
    reasons: BTreeMap<String, u64>,
}

impl RecentCounts {
    fn new(now: u64) -> Self {
        let today = now / DAY;
        let first = today.saturating_sub(DAYS - 1);
        Self {
            first,
            days: (first..=today).map(|day| (day, (0, 0))).collect(),
            reasons: BTreeMap::new(),
        }
    }

    /// Counts events. Returns whether one of them is older than the first day.
    fn count_all(&mut self, events: &[Value]) -> bool {
        let mut is_past = false;
        for event in events {
            is_past |= self.count(event);
        }
        is_past
    }

    /// Counts an event. Returns whether it is older than the first day.
    fn count(&mut self, event: &Value) -> bool {
        let day = number(event, "time").unwrap_or(0) / DAY;
        if let Some((done, refused)) = self.days.get_mut(&day) {
            match text(event, "action") {
                "client_created" if !is_operators(event) => *done = done.saturating_add(1),
                "registration_refused" => {
                    *refused = refused.saturating_add(1);
                    let reason = text(event, "error").to_owned();
                    let count = self.reasons.entry(reason).or_default();
                    *count = count.saturating_add(1);
                }
                _ => {}
            }
        }
        day < self.first
    }

    fn chart(&self) -> Chart {
        let period = |(day, (done, refused)): (&u64, &(u64, u64))| (day * DAY, *done, *refused);
        Chart {
            title: "Registrations of the last 14 days",
            names: ("registered", "refused"),
            periods: self.days.iter().map(period).collect(),
        }
    }

    /// Returns the commonest reasons for refusals.
    fn reasons(&self) -> Block {
        let mut reasons: Vec<(&String, &u64)> = self.reasons.iter().collect();
        reasons.sort_by(|one, other| other.1.cmp(one.1));
        reasons.truncate(REASONS);
        let row = |(reason, count): (&String, &u64)| vec![Cell::code(reason), Cell::number(*count)];
        Block::table(
            "Most common reasons for refusals",
            &["Error", "Registrations"],
            reasons.into_iter().map(row).collect(),
            "No registration was refused.",
        )
    }
}

/// Whether the server or an administrator created the client of an event.
fn is_operators(event: &Value) -> bool {
    let level = event.pointer("/details/trust_level");
    level.is_some_and(|level| level == "operator")
}

/// Returns the plot of the last days, and the commonest reasons for refusals.
async fn registrations(visit: &PageVisit<'_>) -> Result<Vec<Block>, PageFailure> {
    let mut counted = RecentCounts::new(visit.cx.begun_at.unix());
    let mut before = Some(String::new());
    for _ in 0..PAGES {
        let Some(position) = before.take() else { break };
        let parameters = [
            ("order", "newest"),
            ("limit", "1000"),
            ("before", &position),
        ];
        let page = visit.get(&path(&["audit"], &parameters)).await?;
        let is_past = counted.count_all(items(&page, "events"));
        let next = number(&page, "next").filter(|_| !is_past);
        before = next.map(|next| next.to_string());
    }
    let mut blocks = vec![Block::Chart(counted.chart())];
    if before.is_some() {
        let text = "The audit log has more events than this page reads, so the plot shows only the newest 10,000.";
        blocks.push(Block::Text(text.to_owned()));
    }
    blocks.push(counted.reasons());
    Ok(blocks)
}

/// Returns the scripts that failed.
async fn scripts(visit: &PageVisit<'_>) -> Result<Vec<Block>, PageFailure> {
    let scripts = visit.get(&path(&["scripts"], &[])).await?;
    let failed = |calls: &&Value| number(calls, "faults").unwrap_or(0) > 0;
    let rows = items(&scripts, "calls").iter().filter(failed).map(failure);
    let mut blocks = vec![Block::table(
        "Faults of scripts since the server started",
        &["Script", "Hook", "Faults", "Calls"],
        rows.collect(),
        "No script has failed.",
    )];
    let candidate = visit.find(&path(&["scripts", "candidate"], &[])).await?;
    let canary = candidate.as_ref().and_then(|it| it.get("canary"));
    if canary.is_some_and(|canary| flag(canary, "has_stopped")) {
        blocks.push(bad(
            "The candidate of the scripts decides no more requests, because it had too many faults.",
        ));
    }
    Ok(blocks)
}

fn failure(calls: &Value) -> Vec<Cell> {
    let count = |member: &str| number(calls, member).unwrap_or(0);
    vec![
        Cell::code(text(calls, "script")),
        Cell::code(text(calls, "hook")),
        Cell::badge(Tone::Bad, count("faults").to_string()),
        Cell::number(count("calls")),
    ]
}
