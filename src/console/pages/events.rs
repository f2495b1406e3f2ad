//! The consumers of events: how far they have come, and what is done with events that were not delivered.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::console::api::{ApiCall, path};
use crate::console::respond::{PageContent, PageFailure};
use crate::console::value::{cell, items, number, shown, text, time};
use crate::console::view::{Block, Cell, PageForm, Tone, href, live};
use crate::console::visit::PageVisit;
use crate::http::Form;

use super::{done, next, required, unconfirmed};

/// Lists the consumers, and the events that wait or are parked.
pub(super) async fn show(visit: &PageVisit<'_>) -> Result<PageContent, PageFailure> {
    let all = visit.get(&path(&["events", "consumers"], &[])).await?;
    let consumers = items(&all, "consumers");
    let may_order = visit.may(|scopes| &scopes.clients_write);
    let mut blocks = vec![Block::table(
        "Consumers",
        &["Consumer", "State", "Not received yet", "Parked", "Enable"],
        consumers.iter().map(|it| consumer(it, may_order)).collect(),
        "No script has a hook for events, and no webhook is configured.",
    )];
    blocks.push(waiting(consumers, may_order));
    for consumer in consumers {
        if number(consumer, "parked").unwrap_or(0) > 0 {
            blocks.extend(parked(visit, text(consumer, "name"), may_order).await?);
        }
    }
    blocks.push(latest(visit).await?);
    let mut page: Vec<Block> = done(visit, &DONE).into_iter().collect();
    page.extend(live("events", blocks));
    Ok(PageContent::page("Events", page))
}

/// The events that are shown of all.
const LATEST: u64 = 50;

/// Returns the last events, the newest first.
async fn latest(visit: &PageVisit<'_>) -> Result<Block, PageFailure> {
    let page = async |after: &str, limit: &str| {
        let parameters = [("after", after), ("limit", limit)];
        visit.get(&path(&["events"], &parameters)).await
    };
    let limit = LATEST.to_string();
    let oldest = page("", "1").await?;
    let last = number(&oldest, "last").unwrap_or(0);
    let after = last.saturating_sub(LATEST).to_string();
    let found = match page(&after, &limit).await {
        // Events after that position are no longer kept, so there are fewer.
        Err(failure) if failure.status == StatusCode::GONE => page("", &limit).await?,
        found => found?,
    };
    Ok(Block::table(
        "Latest events",
        &["Event", "Time", "Type", "Client", "Why", "Changed", "By"],
        items(&found, "events").iter().rev().map(event).collect(),
        "No event is kept.",
    ))
}

fn event(event: &Value) -> Vec<Cell> {
    let changed = items(event, "changed").iter();
    vec![
        Cell::number(number(event, "position").unwrap_or(0)),
        time(event, "at"),
        Cell::code(text(event, "type")),
        Cell::client(text(event, "client_id")),
        Cell::text(text(event, "reason").replace('_', " ")),
        Cell::Many(changed.map(cell).collect()),
        Cell::text(text(event, "actor")),
    ]
}

/// What each order has done.
const DONE: [(&str, &str); 3] = [
    ("retry", "The event is delivered again."),
    ("skip", "The event is never delivered to the consumer."),
    ("enable", "The consumer receives events again."),
];

/// Returns the events that wait for another attempt.
fn waiting(consumers: &[Value], may_order: bool) -> Block {
    let mut rows = Vec::new();
    for consumer in consumers {
        let name = text(consumer, "name");
        let events = items(consumer, "waiting").iter();
        rows.extend(events.map(|event| late(name, event, may_order)));
    }
    Block::table(
        "Events that wait for another attempt",
        &[
            "Consumer",
            "Event",
            "Client",
            "Attempts",
            "Next attempt",
            "Last error",
            "Order",
        ],
        rows,
        "There are none.",
    )
}

fn consumer(consumer: &Value, may_order: bool) -> Vec<Cell> {
    let (name, disabled) = (text(consumer, "name"), text(consumer, "disabled"));
    let count = |member: &str| Cell::number(number(consumer, member).unwrap_or(0));
    let (state, enable) = if disabled.is_empty() {
        (Cell::badge(Tone::Good, "enabled"), Cell::Nothing)
    } else {
        let state = vec![Cell::badge(Tone::Bad, "disabled"), Cell::text(disabled)];
        let form = PageForm::to("events", "Enable").with("order", "enable");
        let form = form.with("consumer", name);
        let enable = button(form, format!("Enable {name}"), may_order);
        (Cell::Many(state), enable)
    };
    vec![
        Cell::code(name),
        state,
        count("lag"),
        count("parked"),
        enable,
    ]
}

fn button(form: PageForm, label: String, may_order: bool) -> Cell {
    if may_order {
        form.button(label)
    } else {
        Cell::Nothing
    }
}

fn late(consumer: &str, event: &Value, may_order: bool) -> Vec<Cell> {
    vec![
        Cell::code(consumer),
        Cell::number(number(event, "position").unwrap_or(0)),
        Cell::client(text(event, "client_id")),
        Cell::number(number(event, "attempts").unwrap_or(0)),
        time(event, "due"),
        Cell::text(text(event, "error")),
        order(("retry", "Retry"), (consumer, event), may_order),
    ]
}

/// Returns the button that orders something for one event.
fn order(
    (order, text): (&str, &'static str),
    (consumer, event): (&str, &Value),
    may_order: bool,
) -> Cell {
    let position = number(event, "position").unwrap_or(0).to_string();
    let label = format!("{text} event {position} for {consumer}");
    let form = PageForm::to("events", text).with("order", order);
    let form = form.with("consumer", consumer).with("position", position);
    button(form, label, may_order)
}

/// Returns the parked events of a consumer.
async fn parked(
    visit: &PageVisit<'_>,
    consumer: &str,
    may_order: bool,
) -> Result<Vec<Block>, PageFailure> {
    let is_meant = visit.query("consumer") == Some(consumer);
    let after = visit
        .query("after")
        .filter(|_| is_meant)
        .unwrap_or_default();
    let parameters = [("consumer", consumer), ("after", after)];
    let page = visit.get(&path(&["events", "parked"], &parameters)).await?;
    let events = items(&page, "events").iter();
    let mut blocks = vec![Block::table(
        format!("Parked events of {consumer}"),
        &[
            "Event",
            "Type",
            "Client",
            "Attempts",
            "Parked",
            "Last error",
            "Retry",
            "Skip",
        ],
        events
            .map(|event| given_up(consumer, event, may_order))
            .collect(),
        "There are none.",
    )];
    blocks.extend(next(&page, ("events", "after"), &[("consumer", consumer)]));
    Ok(blocks)
}

fn given_up(consumer: &str, event: &Value, may_order: bool) -> Vec<Cell> {
    vec![
        Cell::number(number(event, "position").unwrap_or(0)),
        Cell::text(text(event, "type")),
        Cell::client(text(event, "client_id")),
        Cell::number(number(event, "attempts").unwrap_or(0)),
        time(event, "parked_at"),
        Cell::text(text(event, "error")),
        order(("retry", "Retry"), (consumer, event), may_order),
        order(("skip", "Skip"), (consumer, event), may_order),
    ]
}

/// What it means to skip an event.
const SKIP: &str =
    "The event is never delivered to the consumer. Later events of the same client follow.";

/// Retries or skips an event, or enables a consumer. To skip an event is asked for twice.
pub(super) async fn submit(visit: &PageVisit<'_>, form: &Form) -> Result<PageContent, PageFailure> {
    let order = required(form, "order", "the order")?;
    let body = wanted(form, order)?;
    if order == "skip" {
        let again = PageForm::to("events", "Skip this event").titled("Skip", SKIP);
        let row = |(name, value): (&String, &Value)| (name.clone(), Cell::text(shown(value)));
        let blocks = vec![Block::facts("Event", body.iter().map(row).collect())];
        if let Some(question) = unconfirmed(form, again, "Skip an event", blocks) {
            return Ok(question);
        }
    }
    visit
        .call(ApiCall::post(&path(&["events", order], &[]), &body.into()))
        .await?;
    Ok(PageContent::Redirect(href("events", &[("done", order)])))
}

/// Returns the request that a form stands for.
fn wanted(form: &Form, order: &str) -> Result<Map<String, Value>, PageFailure> {
    let consumer = required(form, "consumer", "the consumer")?;
    let mut body = Map::from_iter([("consumer".to_owned(), consumer.into())]);
    match order {
        "enable" => {}
        "retry" | "skip" => {
            let position = required(form, "position", "the event")?.parse::<u64>();
            let position =
                position.map_err(|_| PageFailure::invalid("The event must be a number."))?;
            body.insert("position".to_owned(), position.into());
        }
        _ => return Err(PageFailure::no_page()),
    }
    Ok(body)
}
