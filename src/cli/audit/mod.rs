//! `registrar audit`: who changed what.

mod copies;
mod verify;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::time::Instant;

use crate::cli::{
    CommandFailure, Format, Needs, OutputForm, RemoteArguments, Table, cell, items, moment, wait,
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AuditArguments {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    show: ShownEvents,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check the digests of the events: whether somebody has changed, removed or moved an event in the store.
    Verify(verify::VerifyArguments),
}

#[derive(Debug, Args)]
struct ShownEvents {
    /// Start after the event at this position. 0 starts with the oldest event that is kept.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// Show events at or after this time only: 1h (ago), 2026-01-31T12:00:00Z, 2026-01-31, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<u64>,
    /// Show this action only, such as `client_updated`. Several are separated by commas.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Show what this client or administrator did: its `client_id` or its name.
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Show what was done to this client, token or revision.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
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

impl ShownEvents {
    fn query(&self, after: u64) -> Vec<(&'static str, String)> {
        let mut query = vec![("after", after.to_string()), ("limit", PAGE.to_string())];
        let since = self.since.map(|since| since.to_string());
        for (name, value) in [
            ("since", &since),
            ("action", &self.action),
            ("actor", &self.actor),
            ("subject", &self.subject),
        ] {
            query.extend(value.clone().map(|value| (name, value)));
        }
        query
    }
}

pub(super) fn run(arguments: &AuditArguments) -> Result<(), CommandFailure> {
    match &arguments.command {
        Some(AuditCommand::Verify(arguments)) => verify::run(arguments),
        None => wait(show(&arguments.show)),
    }
}

async fn show(arguments: &ShownEvents) -> Result<(), CommandFailure> {
    let mut remote = arguments.remote.connect(&[READ]).await?;
    let mut renewed = Instant::now();
    let mut table = Table::new([
        "POSITION", "TIME", "ACTION", "OUTCOME", "SUBJECT", "ACTOR", "ADDRESS", "DETAILS",
    ]);
    let mut after = arguments.after;
    loop {
        let page = remote
            .get("/admin/v1/audit", &arguments.query(after))
            .await?;
        let events = items(&page, "events");
        write_events(events, arguments.form.format, &mut table)?;
        after = last_position(events).unwrap_or(after);
        if let Some(next) = page.get("next").and_then(Value::as_u64) {
            after = next;
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
