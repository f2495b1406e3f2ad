//! `registrar events replay`: sends existing clients to one consumer again.

use std::time::Duration;

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{READ, RENEWAL, WRITE, all_consumers, number, post};
use crate::cli::{
    CommandFailure, Format, OutputForm, Progress, Remote, RemoteArguments, cell, items, moment,
    write_line,
};
use crate::store::ClientFilter;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").required(true).args(["hook", "webhook"])))]
pub(in crate::cli) struct ReplayArguments {
    /// The hook of scripts to call: clientCreated.
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,
    /// The webhook to send to.
    #[arg(long, value_name = "NAME")]
    webhook: Option<String>,
    /// Select clients as clients list does, for example `software_id=app` or `issued_from=30d`. Can be repeated; a
    /// client must match all filters.
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = filter)]
    filters: Vec<(String, Value)>,
    /// Start after this `client_id`, to continue a replay that stopped.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// Parses a filter for clients.
fn filter(text: &str) -> Result<(String, Value), String> {
    const KEYS: &[&str] = ClientFilter::PARAMETERS;
    let Some((key, value)) = text.split_once('=') else {
        return Err("expected KEY=VALUE, such as software_id=app".to_owned());
    };
    if !KEYS.contains(&key) {
        let keys = KEYS.join(", ");
        return Err(format!("unknown key {key}; the keys are {keys}"));
    }
    let value = match key {
        "issued_from" | "issued_before" | "expires_before" | "used_from" | "used_before" => {
            moment::parse(value)?.into()
        }
        "disabled" | "never_used" => {
            let flag = value.parse::<bool>();
            flag.map_err(|_| format!("{key} must be true or false"))?
                .into()
        }
        _ => value.into(),
    };
    Ok((key.to_owned(), value))
}

/// A replay pauses while its consumer has more events than this to receive.
const MOST_LAG: u64 = 50_000;
/// How often the lag is read during the pause.
const LOOK: Duration = Duration::from_secs(2);

pub(super) async fn replay(arguments: &ReplayArguments) -> Result<(), CommandFailure> {
    let mut remote = arguments.remote.connect(&[READ, WRITE]).await?;
    let mut renewed = Instant::now();
    let mut progress = Progress::new("clients replayed");
    let mut body = arguments.body();
    let mut replayed = 0;
    loop {
        let answer = replay_page(&remote, &body, replayed).await?;
        let count = number(&answer, "replayed").unwrap_or(0);
        progress.add(count);
        replayed += count;
        let Some(next) = answer.get("next") else {
            break;
        };
        body.insert("after".to_owned(), next.clone());
        arguments.wait_for(&remote, number(&answer, "lag")).await?;
        if renewed.elapsed() > RENEWAL {
            remote = arguments.remote.connect(&[READ, WRITE]).await?;
            renewed = Instant::now();
        }
    }
    drop(progress);
    arguments.report(replayed)
}

/// Replays one page, after `replayed` clients.
async fn replay_page(
    remote: &Remote,
    body: &Map<String, Value>,
    replayed: u64,
) -> Result<Value, CommandFailure> {
    let answer = post(remote, "replay", &body.clone().into()).await;
    answer.map_err(|failure| interrupted(failure, replayed, body))
}

/// Adds to `failure` how to continue the replay.
fn interrupted(
    failure: CommandFailure,
    replayed: u64,
    body: &Map<String, Value>,
) -> CommandFailure {
    match (failure, body.get("after").and_then(Value::as_str)) {
        (CommandFailure::Failed(reason), Some(after)) if replayed > 0 => CommandFailure::Failed(
            format!("{reason}; {replayed} clients were replayed, continue with --after {after}"),
        ),
        (failure, _) => failure,
    }
}

impl ReplayArguments {
    /// Waits until the consumer is not too far behind.
    async fn wait_for(&self, remote: &Remote, lag: Option<u64>) -> Result<(), CommandFailure> {
        let mut lag = lag;
        while lag.is_some_and(|lag| lag > MOST_LAG) {
            tokio::time::sleep(LOOK).await;
            lag = self.lag(remote).await?;
        }
        Ok(())
    }

    fn report(&self, replayed: u64) -> Result<(), CommandFailure> {
        match self.form.format {
            data @ (Format::Json | Format::Yaml) => data.write(&json!({"replayed": replayed})),
            Format::Table => write_line(&format!("{replayed} replayed")),
        }
    }

    /// Returns the body of the first request.
    fn body(&self) -> Map<String, Value> {
        let texts = [
            ("hook", &self.hook),
            ("webhook", &self.webhook),
            ("after", &self.after),
        ];
        let mut body = Map::new();
        for (name, text) in texts {
            if let Some(text) = text {
                body.insert(name.to_owned(), text.as_str().into());
            }
        }
        if !self.filters.is_empty() {
            let filters = self.filters.iter().cloned();
            body.insert("filter".to_owned(), filters.collect::<Map<_, _>>().into());
        }
        body
    }

    /// Returns the number of events that the consumer has not received yet.
    async fn lag(&self, remote: &Remote) -> Result<Option<u64>, CommandFailure> {
        let name = match &self.webhook {
            Some(name) => format!("webhook:{name}"),
            None => "hooks".to_owned(),
        };
        let answer = all_consumers(remote).await?;
        let consumers = items(&answer, "consumers").iter();
        let mut meant = consumers.filter(|consumer| cell(consumer.get("name")) == name);
        let Some(consumer) = meant.next() else {
            return Ok(None);
        };
        if let Some(reason) = consumer.get("disabled").and_then(Value::as_str) {
            let message = format!(
                "{name} is disabled ({reason}) and receives nothing; registrar events enable {name}"
            );
            return Err(CommandFailure::Failed(message));
        }
        Ok(number(consumer, "lag"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_a_known_key() {
        let parsed = filter("software_id=a=b").unwrap();
        assert_eq!(parsed, ("software_id".to_owned(), json!("a=b")));
        let parsed = filter("issued_from=1970-01-01T00:01:00Z").unwrap();
        assert_eq!(parsed, ("issued_from".to_owned(), json!(60)));
        for bad in ["software_id", "name=x", "issued_from=yesterday"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_replay_that_stopped_can_be_continued() {
        let body = Map::from_iter([("after".to_owned(), json!("one"))]);
        let failure = |replayed| {
            let failed = CommandFailure::Failed("no response".to_owned());
            match interrupted(failed, replayed, &body) {
                CommandFailure::Failed(reason) => reason,
                other => format!("{other:?}"),
            }
        };
        assert_eq!(failure(0), "no response");
        let expected = "no response; 500 clients were replayed, continue with --after one";
        assert_eq!(failure(500), expected);
    }
}
