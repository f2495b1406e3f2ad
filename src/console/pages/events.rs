//! The consumers of events: how far they have come, and what is done with events that were not delivered.

use serde_json::{Value, json};

use crate::console::api::{Call, path};
use crate::console::respond::{Content, Failure};
use crate::console::value::{items, number, text, time};
use crate::console::view::{Block, Cell, Form as Shown, Table, Tone, href};
use crate::console::visit::Visit;
use crate::http::Form;

use super::{done, required};

/// Lists the consumers, and the events that wait or are parked.
pub(super) async fn show(visit: &Visit<'_>) -> Result<Content, Failure> {
    let all = visit.get(&path(&["events", "consumers"], &[])).await?;
    let may_order = visit.may(|scopes| &scopes.clients_write);
    let mut blocks = Vec::new();
    let texts = [
        ("retry", "The event is delivered again."),
        ("skip", "The event is never delivered to the consumer."),
        ("enable", "The consumer receives events again."),
    ];
    blocks.extend(done(visit, &texts));
    blocks.push(Block::Table(Table {
        title: "Consumers".to_owned(),
        heads: vec!["Consumer", "State", "Not received yet", "Parked", "Enable"],
        rows: items(&all, "consumers")
            .iter()
            .map(|it| consumer(it, may_order))
            .collect(),
        empty: "No script has a hook for events, and no webhook is configured.",
    }));
    let mut waiting = Vec::new();
    for consumer in items(&all, "consumers") {
        let name = text(consumer, "name");
        waiting.extend(
            items(consumer, "waiting")
                .iter()
                .map(|event| late(name, event, may_order)),
        );
    }
    blocks.push(Block::Table(Table {
        title: "Events that wait for another attempt".to_owned(),
        heads: vec![
            "Consumer",
            "Event",
            "Client",
            "Attempts",
            "Next attempt",
            "Last error",
            "Order",
        ],
        rows: waiting,
        empty: "There are none.",
    }));
    for consumer in items(&all, "consumers") {
        if number(consumer, "parked").unwrap_or(0) > 0 {
            blocks.extend(parked(visit, text(consumer, "name"), may_order).await?);
        }
    }
    Ok(Content::page("Events", blocks))
}

fn consumer(consumer: &Value, may_order: bool) -> Vec<Cell> {
    let (name, disabled) = (text(consumer, "name"), text(consumer, "disabled"));
    let count = |member: &str| Cell::Text(number(consumer, member).unwrap_or(0).to_string());
    let (state, enable) = if disabled.is_empty() {
        (Cell::badge(Tone::Good, "enabled"), Cell::Nothing)
    } else {
        let state = Cell::Many(vec![
            Cell::badge(Tone::Bad, "disabled"),
            Cell::text(disabled),
        ]);
        let form = Shown {
            action: "events".to_owned(),
            button: "Enable",
            label: format!("Enable {name}"),
            ..Shown::default()
        };
        let form = form.with("order", "enable").with("consumer", name);
        (state, button(form, may_order))
    };
    vec![
        Cell::code(name),
        state,
        count("lag"),
        count("parked"),
        enable,
    ]
}

fn button(form: Shown, may_order: bool) -> Cell {
    if may_order {
        Cell::Button(Box::new(form))
    } else {
        Cell::Nothing
    }
}

fn late(consumer: &str, event: &Value, may_order: bool) -> Vec<Cell> {
    vec![
        Cell::code(consumer),
        Cell::Text(number(event, "position").unwrap_or(0).to_string()),
        Cell::client(text(event, "client_id")),
        Cell::Text(number(event, "attempts").unwrap_or(0).to_string()),
        time(event, "due"),
        Cell::text(text(event, "error")),
        button(order("retry", "Retry", (consumer, event)), may_order),
    ]
}

/// Returns the form that orders something for one event.
fn order(order: &str, button: &'static str, (consumer, event): (&str, &Value)) -> Shown {
    let position = number(event, "position").unwrap_or(0).to_string();
    let form = Shown {
        action: "events".to_owned(),
        button,
        label: format!("{button} event {position} for {consumer}"),
        is_dangerous: order == "skip",
        ..Shown::default()
    };
    let form = form.with("order", order).with("consumer", consumer);
    form.with("position", position)
}

/// Returns the parked events of a consumer.
async fn parked(visit: &Visit<'_>, consumer: &str, may_order: bool) -> Result<Vec<Block>, Failure> {
    let is_meant = visit.query("consumer") == Some(consumer);
    let after = visit
        .query("after")
        .filter(|_| is_meant)
        .unwrap_or_default();
    let parameters = [("consumer", consumer), ("after", after)];
    let page = visit.get(&path(&["events", "parked"], &parameters)).await?;
    let row = |event: &Value| {
        vec![
            Cell::Text(number(event, "position").unwrap_or(0).to_string()),
            Cell::text(text(event, "type")),
            Cell::client(text(event, "client_id")),
            Cell::Text(number(event, "attempts").unwrap_or(0).to_string()),
            time(event, "parked_at"),
            Cell::text(text(event, "error")),
            button(order("retry", "Retry", (consumer, event)), may_order),
            button(order("skip", "Skip", (consumer, event)), may_order),
        ]
    };
    let mut blocks = vec![Block::Table(Table {
        title: format!("Parked events of {consumer}"),
        heads: vec![
            "Event",
            "Type",
            "Client",
            "Attempts",
            "Parked",
            "Last error",
            "Retry",
            "Skip",
        ],
        rows: items(&page, "events").iter().map(row).collect(),
        empty: "There are none.",
    })];
    if let Some(next) = number(&page, "next") {
        let next = next.to_string();
        let parameters = [("consumer", consumer), ("after", next.as_str())];
        blocks.push(Block::Next(href("events", &parameters)));
    }
    Ok(blocks)
}

/// Retries or skips an event, or enables a consumer.
pub(super) async fn submit(visit: &Visit<'_>, form: &Form) -> Result<Content, Failure> {
    let consumer = required(form, "consumer", "the consumer")?;
    let order = required(form, "order", "the order")?;
    let body = match order {
        "enable" => json!({"consumer": consumer}),
        "retry" | "skip" => {
            let position = required(form, "position", "the event")?.parse::<u64>();
            let position = position.map_err(|_| Failure::invalid("The event must be a number."))?;
            json!({"consumer": consumer, "position": position})
        }
        _ => return Err(Failure::no_page()),
    };
    visit
        .call(Call::post(&path(&["events", order], &[]), &body))
        .await?;
    Ok(Content::Redirect(href("events", &[("done", order)])))
}
