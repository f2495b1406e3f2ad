//! The audit log in the form that administrators read.

use serde_json::{Map, Value};

use crate::store::audit::Logged;

/// Returns one event as JSON: position, time, action, outcome, subject, actor, address and details.
pub fn shown(logged: &Logged) -> Value {
    let event = &logged.event;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("position", logged.position.into());
    put("time", event.at.unix().into());
    put(
        "action",
        serde_json::to_value(event.action).unwrap_or_default(),
    );
    put(
        "outcome",
        if event.error.is_some() {
            "refused"
        } else {
            "done"
        }
        .into(),
    );
    let texts = [
        ("error", event.error.clone()),
        (
            "subject",
            Some(event.subject.clone()).filter(|subject| !subject.is_empty()),
        ),
        ("actor", event.actor.clone()),
        ("address", event.address.map(|address| address.to_string())),
        ("correlation_id", event.correlation_id.clone()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            put(name, text.into());
        }
    }
    if !event.details.is_empty() {
        put("details", event.details.clone().into());
    }
    members.into()
}
