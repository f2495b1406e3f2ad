//! `registrar audit`: who changed what.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::output::{self, Form, Format, Table, cell};
use super::remote::{Call, Needs, Remote, RemoteArguments};
use super::{Failure, moment};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Start after the event at this position. 0 starts with the oldest event that is kept.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// Keep running and show new events as they occur, until interrupted.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    remote: RemoteArguments,
}

const READ: Needs = |scopes| &scopes.audit_read;

/// The number of events requested per page.
const PAGE: usize = 500;
/// The interval between two polls for new events.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut remote = arguments.remote.connect(&[READ]).await?;
    let mut renewed = tokio::time::Instant::now();
    let mut table = Table::new([
        "POSITION", "TIME", "ACTION", "OUTCOME", "SUBJECT", "ACTOR", "ADDRESS", "DETAILS",
    ]);
    let mut after = arguments.after;
    loop {
        let events = page(&remote, after).await?;
        if let Some(last) = events
            .last()
            .and_then(|event| event.get("position"))
            .and_then(Value::as_u64)
        {
            after = last;
        }
        match arguments.form.format {
            Format::Table => table.rows(events.iter().map(row).collect())?,
            Format::Json => events
                .iter()
                .try_for_each(|event| output::line(&event.to_string()))?,
        }
        if events.len() >= PAGE {
            continue;
        }
        if !arguments.follow {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
        if renewed.elapsed() > RENEWAL {
            remote = arguments.remote.connect(&[READ]).await?;
            renewed = tokio::time::Instant::now();
        }
    }
}

/// How often the access token is renewed. It is valid for at least an hour unless configured shorter.
const RENEWAL: Duration = Duration::from_mins(5);

async fn page(remote: &Remote, after: u64) -> Result<Vec<Value>, Failure> {
    let query = [("after", after.to_string()), ("limit", PAGE.to_string())];
    let page = remote
        .call(Call {
            path: "/admin/v1/audit",
            query: &query,
            ..Call::default()
        })
        .await?;
    Ok(page
        .get("events")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default())
}

fn row(event: &Value) -> [String; 8] {
    let error = event.get("error");
    let details = event
        .get("details")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let details: Vec<String> = details
        .map(|(name, value)| format!("{name}={}", cell(Some(value))))
        .collect();
    [
        cell(event.get("position")),
        moment::shown(event.get("time")),
        cell(event.get("action")),
        cell(error.or_else(|| event.get("outcome"))),
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
