//! The operations for the feed of events and its consumers.

use serde_json::{Value, json};

use super::administration::operation;
use super::operation::{Operation, named, query};
use crate::config::AdminScopes;

/// Returns the operations for events.
pub(super) fn operations(scopes: &AdminScopes) -> Vec<Operation> {
    let (read, write) = (scopes.clients_read.as_str(), scopes.clients_write.as_str());
    vec![
        feed(read),
        consumers(read),
        parked(read),
        order("retry", ("retryEvent", write), RETRY),
        order("skip", ("skipEvent", write), SKIP),
        enable(write),
        replay(write),
    ]
}

const RETRY: &str = "Deliver a parked or waiting event again, now.";
const SKIP: &str = "Drop a parked or waiting event. Its consumer never receives it.";

fn position() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn limit(most: usize) -> Value {
    let schema = json!({"type": "integer", "minimum": 1, "maximum": most, "default": 50});
    query("limit", "The maximum number of events.", &schema)
}

fn feed(scope: &str) -> Operation {
    let wait = json!({"type": "integer", "minimum": 0, "maximum": 60, "default": 0});
    let last = json!({
        "name": "Last-Event-ID", "in": "header", "schema": position(),
        "description": "With Accept: text/event-stream, replaces after.",
    });
    operation(
        "get",
        "/admin/v1/events",
        ("readEvents", scope),
        "Read what happened to clients, oldest events first, or follow it.",
    )
    .parameters(vec![
        query(
            "after",
            "The position after which the page starts. Default: the oldest event that is kept.",
            &position(),
        ),
        limit(1_000),
        query("wait", "Seconds to wait for an event if there is none.", &wait),
        last,
    ])
    .json(
        200,
        "The page. With Accept: text/event-stream, a stream that does not end, of Server-Sent Events \
         with the position as id, the type as event, and a ClientEvent as data.",
        "EventPage",
        &[],
    )
    .problems(&[400, 410])
}

fn consumers(scope: &str) -> Operation {
    operation(
        "get",
        "/admin/v1/events/consumers",
        ("listEventConsumers", scope),
        "Show how far the hooks of scripts and each webhook have come.",
    )
    .json(200, "The consumers.", "ConsumerList", &[])
    .problems(&[400])
}

fn parked(scope: &str) -> Operation {
    let text = json!({"type": "string", "minLength": 1});
    let mut consumer = query("consumer", "The name of the consumer.", &text);
    if let Some(members) = consumer.as_object_mut() {
        members.insert("required".to_owned(), true.into());
    }
    let after = "The position after which the page starts.";
    operation(
        "get",
        "/admin/v1/events/parked",
        ("listParkedEvents", scope),
        "List the events that were given up, oldest first.",
    )
    .parameters(vec![
        consumer,
        query("after", after, &position()),
        limit(200),
    ])
    .json(200, "The page.", "ParkedPage", &[])
    .problems(&[400, 404])
}

fn order(name: &str, id: (&str, &str), summary: &str) -> Operation {
    let path = format!("/admin/v1/events/{name}");
    operation("post", &path, id, summary)
        .body(true, &[("application/json", named("EventReference"))])
        .example(
            "application/json",
            json!({"consumer": "hooks", "position": 17}),
        )
        .json(200, "The event.", "EventOrder", &[])
        .problems(&[400, 404, 408, 409, 413, 415])
}

fn enable(scope: &str) -> Operation {
    operation(
        "post",
        "/admin/v1/events/enable",
        ("enableEventConsumer", scope),
        "Enable a consumer that was disabled.",
    )
    .body(true, &[("application/json", named("ConsumerReference"))])
    .example("application/json", json!({"consumer": "webhook:billing"}))
    .empty(204, "The consumer is enabled.")
    .problems(&[400, 404, 408, 409, 413, 415])
}

fn replay(scope: &str) -> Operation {
    operation(
        "post",
        "/admin/v1/events/replay",
        ("replayEvents", scope),
        "Send existing clients to the hook clientCreated or to a webhook again, page by page.",
    )
    .body(true, &[("application/json", named("ReplayRequest"))])
    .example(
        "application/json",
        json!({"hook": "clientCreated", "filter": {"trust_level": "open"}, "limit": 500}),
    )
    .json(
        200,
        "The number of clients. It can be small even if more clients follow.",
        "Replayed",
        &[],
    )
    .problems(&[400, 404, 408, 409, 413, 415])
}
