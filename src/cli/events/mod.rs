//! `registrar events`: what happened to clients, and which scripts and webhooks have received it.

mod compare;
mod follow;
mod replay;

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, Remote, RemoteArguments, Table, cell, items,
    moment, write_line,
};
use compare::{CompareArguments, compare};
use follow::follow;
use replay::{ReplayArguments, replay};

/// The path of the feed in the admin API.
const EVENTS: &str = "/admin/v1/events";

/// How often the access token is renewed. It is valid for at least an hour unless configured shorter.
const RENEWAL: Duration = Duration::from_mins(5);

#[derive(Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// List the events that are kept, oldest first.
    List {
        /// Start after the event at this position. Default: the oldest event that is kept.
        #[arg(long, value_name = "POSITION")]
        after: Option<u64>,
        /// Show at most N events. Default: all.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show new events as they occur, until interrupted. Reconnects when the server restarts.
    Follow {
        /// Start after the event at this position. Default: new events only.
        #[arg(long, value_name = "POSITION")]
        after: Option<u64>,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show how far the hooks of scripts and each webhook have come.
    Consumers {
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// List the events that could not be delivered and were given up.
    Parked {
        /// The consumer: hooks, or webhook:NAME. Default: all consumers.
        #[arg(long, value_name = "NAME")]
        consumer: Option<String>,
        #[command(flatten)]
        form: OutputForm,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Deliver a parked or waiting event again, now.
    Retry(RetryArguments),
    /// Drop a parked or waiting event. Its consumer never receives it.
    Skip {
        /// The consumer: hooks, or webhook:NAME.
        #[arg(value_name = "CONSUMER")]
        consumer: String,
        /// The position of the event, as shown by events parked and events consumers.
        #[arg(value_name = "POSITION")]
        position: u64,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Enable a consumer that was disabled.
    Enable {
        /// The consumer, such as webhook:NAME.
        #[arg(value_name = "CONSUMER")]
        consumer: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Send existing clients to the hook clientCreated or to a webhook again, for example to fill a new system.
    Replay(ReplayArguments),
    /// Compare the clients of this server with those of a system that follows it, such as Keycloak. The exit code is 0
    /// without a difference, 1 with one, and 2 if the lists cannot be compared.
    Compare(CompareArguments),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("events").required(true).args(["position", "all"])))]
pub(super) struct RetryArguments {
    /// The consumer: hooks, or webhook:NAME.
    #[arg(value_name = "CONSUMER")]
    consumer: String,
    /// The position of the event, as shown by events parked and events consumers.
    #[arg(value_name = "POSITION")]
    position: Option<u64>,
    /// Retry all parked events of the consumer.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    remote: RemoteArguments,
}

const READ: Needs = |scopes| &scopes.clients_read;
const WRITE: Needs = |scopes| &scopes.clients_write;

pub(super) async fn run(command: &EventsCommand) -> Result<(), CommandFailure> {
    match command {
        EventsCommand::List {
            after,
            limit,
            form,
            remote,
        } => {
            let remote = remote.connect(&[READ]).await?;
            list(&remote, *after, *limit, form.format).await
        }
        EventsCommand::Follow {
            after,
            form,
            remote,
        } => follow(*after, form.format, remote).await,
        EventsCommand::Consumers { form, remote } => consumers(form.format, remote).await,
        EventsCommand::Parked {
            consumer,
            form,
            remote,
        } => {
            let remote = remote.connect(&[READ]).await?;
            parked(&remote, consumer.as_deref(), form.format).await
        }
        EventsCommand::Retry(arguments) => retry(arguments).await,
        EventsCommand::Skip {
            consumer,
            position,
            remote,
        } => skip(consumer, *position, remote).await,
        EventsCommand::Enable { consumer, remote } => enable(consumer, remote).await,
        EventsCommand::Replay(arguments) => replay(arguments).await,
        EventsCommand::Compare(arguments) => compare(arguments).await,
    }
}

async fn skip(
    consumer: &str,
    position: u64,
    remote: &RemoteArguments,
) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[WRITE]).await?;
    order(&remote, "skip", consumer, position).await?;
    write_line("1 skipped")
}

async fn enable(consumer: &str, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[WRITE]).await?;
    post(&remote, "enable", &json!({"consumer": consumer})).await?;
    write_line(&format!("{consumer} enabled"))
}

/// The number of events requested per page.
const PAGE: usize = 500;

/// Events as they are written: a table, or one JSON object per line.
struct EventLines {
    format: Format,
    table: Table<7>,
}

impl EventLines {
    fn new(format: Format) -> Self {
        let table = Table::new([
            "POSITION",
            "TIME",
            "TYPE",
            "CLIENT_ID",
            "REASON",
            "CHANGED",
            "ACTOR",
        ]);
        Self { format, table }
    }

    fn add(&mut self, events: &[Value]) -> Result<(), CommandFailure> {
        if self.format == Format::Table {
            return self.table.rows(events.iter().map(row).collect());
        }
        events
            .iter()
            .try_for_each(|event| self.format.write_item(event))
    }
}

fn row(event: &Value) -> [String; 7] {
    [
        cell(event.get("position")),
        moment::shown(event.get("at")),
        cell(event.get("type")),
        cell(event.get("client_id")),
        cell(event.get("reason")),
        cell(event.get("changed")),
        cell(event.get("actor")),
    ]
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

async fn list(
    remote: &Remote,
    after: Option<u64>,
    limit: Option<usize>,
    format: Format,
) -> Result<(), CommandFailure> {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut lines = EventLines::new(format);
    let mut after = after;
    while left > 0 {
        let mut query = vec![("limit", left.min(PAGE).to_string())];
        query.extend(after.map(|after| ("after", after.to_string())));
        let page = remote.get(EVENTS, &query).await?;
        let events = items(&page, "events");
        lines.add(events)?;
        left = left.saturating_sub(events.len());
        let next = number(&page, "next");
        if next >= number(&page, "last") {
            break;
        }
        after = next;
    }
    Ok(())
}

/// Returns the position of the last event.
async fn last(remote: &Remote) -> Result<u64, CommandFailure> {
    let page = remote.get(EVENTS, &[("limit", "1".to_owned())]).await?;
    Ok(number(&page, "last").unwrap_or(0))
}

async fn consumers(format: Format, remote: &RemoteArguments) -> Result<(), CommandFailure> {
    let remote = remote.connect(&[READ]).await?;
    let answer = all_consumers(&remote).await?;
    let consumers = items(&answer, "consumers");
    if format.is_data() {
        return format.write(&consumers.into());
    }
    let mut table = Table::new([
        "CONSUMER", "CURSOR", "LAG", "WAITING", "PARKED", "DISABLED", "ERROR",
    ]);
    table.rows(consumers.iter().map(consumer_row).collect())
}

fn consumer_row(consumer: &Value) -> [String; 7] {
    let waiting = items(consumer, "waiting");
    let failed = waiting.iter().find(|event| event.get("error").is_some());
    [
        cell(consumer.get("name")),
        cell(consumer.get("cursor")),
        cell(consumer.get("lag")),
        waiting.len().to_string(),
        cell(consumer.get("parked")),
        cell(consumer.get("disabled")),
        cell(failed.and_then(|event| event.get("error"))),
    ]
}

async fn all_consumers(remote: &Remote) -> Result<Value, CommandFailure> {
    remote.get(&format!("{EVENTS}/consumers"), &[]).await
}

/// The number of parked events requested per page.
const PARKED: usize = 200;

async fn parked_page(remote: &Remote, consumer: &str, after: u64) -> Result<Value, CommandFailure> {
    let query = [
        ("consumer", consumer.to_owned()),
        ("after", after.to_string()),
        ("limit", PARKED.to_string()),
    ];
    remote.get(&format!("{EVENTS}/parked"), &query).await
}

async fn parked(
    remote: &Remote,
    consumer: Option<&str>,
    format: Format,
) -> Result<(), CommandFailure> {
    let names = match consumer {
        Some(name) => vec![name.to_owned()],
        None => consumer_names(remote).await?,
    };
    let mut table = Table::new([
        "CONSUMER",
        "POSITION",
        "PARKED",
        "TYPE",
        "CLIENT_ID",
        "ATTEMPTS",
        "ERROR",
    ]);
    for name in &names {
        let mut after = Some(0);
        while let Some(position) = after {
            let page = parked_page(remote, name, position).await?;
            let events = items(&page, "events");
            let rows = events.iter().map(|event| parked_row(name, event));
            match format {
                Format::Table => table.rows(rows.collect())?,
                data @ (Format::Json | Format::Yaml) => write_parked(name, events, data)?,
            }
            after = number(&page, "next");
        }
    }
    Ok(())
}

/// Returns the names of the configured consumers.
async fn consumer_names(remote: &Remote) -> Result<Vec<String>, CommandFailure> {
    let answer = all_consumers(remote).await?;
    let consumers = items(&answer, "consumers").iter();
    Ok(consumers
        .map(|consumer| cell(consumer.get("name")))
        .collect())
}

fn write_parked(consumer: &str, events: &[Value], format: Format) -> Result<(), CommandFailure> {
    for event in events {
        let mut members = Map::from_iter([("consumer".to_owned(), consumer.into())]);
        members.extend(event.as_object().cloned().unwrap_or_default());
        format.write_item(&members.into())?;
    }
    Ok(())
}

fn parked_row(consumer: &str, event: &Value) -> [String; 7] {
    [
        consumer.to_owned(),
        cell(event.get("position")),
        moment::shown(event.get("parked_at")),
        cell(event.get("type")),
        cell(event.get("client_id")),
        cell(event.get("attempts")),
        cell(event.get("error")),
    ]
}

async fn post(remote: &Remote, name: &str, body: &Value) -> Result<Value, CommandFailure> {
    let path = format!("{EVENTS}/{name}");
    let call = Call {
        method: "POST",
        path: &path,
        body: Some(("application/json", body.to_string().into_bytes())),
        ..Call::default()
    };
    remote.call(call).await
}

async fn order(
    remote: &Remote,
    name: &str,
    consumer: &str,
    position: u64,
) -> Result<(), CommandFailure> {
    let body = json!({"consumer": consumer, "position": position});
    post(remote, name, &body).await.map(drop)
}

async fn retry(arguments: &RetryArguments) -> Result<(), CommandFailure> {
    let consumer = &arguments.consumer;
    if let Some(position) = arguments.position {
        let remote = arguments.remote.connect(&[WRITE]).await?;
        order(&remote, "retry", consumer, position).await?;
        return write_line("1 retried");
    }
    retry_all(arguments).await
}

async fn retry_all(arguments: &RetryArguments) -> Result<(), CommandFailure> {
    let consumer = &arguments.consumer;
    let remote = arguments.remote.connect(&[READ, WRITE]).await?;
    let (mut retried, mut after) = (0_u64, Some(0));
    // An event that fails again is parked at a later position, so each one is retried once at most.
    let end = last(&remote).await?;
    while let Some(position) = after {
        let page = parked_page(&remote, consumer, position).await?;
        let positions = items(&page, "events").iter();
        let positions = positions.filter_map(|event| number(event, "position"));
        for position in positions.take_while(|position| *position <= end) {
            order(&remote, "retry", consumer, position).await?;
            retried += 1;
        }
        after = number(&page, "next").filter(|next| *next <= end);
    }
    write_line(&format!("{retried} retried"))
}
