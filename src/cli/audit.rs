//! `registrar audit`: who changed what.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokio::time::Instant;

use crate::cli::{
    CommandFailure, Format, Needs, OutputForm, RemoteArguments, Table, cell, items, moment,
};

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// Start after the event at this position. 0 starts with the oldest event that is kept.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// Keep running and show new events as they occur, until interrupted.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

const READ: Needs = |scopes| &scopes.audit_read;

/// The number of events requested per page.
const PAGE: usize = 500;
/// The interval between two polls for new events.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the access token is renewed. It is valid for at least an hour unless configured shorter.
const RENEWAL: Duration = Duration::from_mins(5);

pub(super) async fn run(arguments: &AuditArguments) -> Result<(), CommandFailure> {
    let mut remote = arguments.remote.connect(&[READ]).await?;
    let mut renewed = Instant::now();
    let mut table = Table::new([
        "POSITION", "TIME", "ACTION", "OUTCOME", "SUBJECT", "ACTOR", "ADDRESS", "DETAILS",
    ]);
    let mut after = arguments.after;
    loop {
        let query = [("after", after.to_string()), ("limit", PAGE.to_string())];
        let page = remote.get("/admin/v1/audit", &query).await?;
        let events = items(&page, "events");
        write_events(events, arguments.form.format, &mut table)?;
        after = last_position(events).unwrap_or(after);
        if events.len() >= PAGE {
            continue;
        }
        if !arguments.follow {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
        if renewed.elapsed() > RENEWAL {
            remote = arguments.remote.connect(&[READ]).await?;
            renewed = Instant::now();
        }
    }
}

fn write_events(
    events: &[Value],
    format: Format,
    table: &mut Table<8>,
) -> Result<(), CommandFailure> {
    if format == Format::Table {
        return table.rows(events.iter().map(row).collect());
    }
    events.iter().try_for_each(|event| format.write_item(event))
}

fn last_position(events: &[Value]) -> Option<u64> {
    events.last()?.get("position")?.as_u64()
}

fn row(event: &Value) -> [String; 8] {
    let outcome = event.get("error").or_else(|| event.get("outcome"));
    let mut details = Vec::new();
    if let Some(Value::Object(members)) = event.get("details") {
        for (name, value) in members {
            details.push(format!("{name}={}", cell(Some(value))));
        }
    }
    [
        cell(event.get("position")),
        moment::shown(event.get("time")),
        cell(event.get("action")),
        cell(outcome),
        cell(event.get("subject")),
        cell(event.get("actor")),
        cell(event.get("address")),
        details.join(" "),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_has_the_details() {
        let event = json!({
            "position": 7, "time": 0, "action": "client_updated", "outcome": "success", "subject": "one",
            "details": {"revision": 2, "changed": ["scope", "contacts"]},
        });
        let row = row(&event);
        assert_eq!(
            (row[0].as_str(), row[7].as_str()),
            ("7", "revision=2 changed=scope, contacts")
        );
        assert_eq!(super::row(&json!({}))[7], "");
    }
}
