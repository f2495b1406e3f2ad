//! `registrar audit verify`: whether the kept events are those that were stored.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{
    CommandFailure, Format, OutputForm, RemoteArguments, audit::READ, counted, write_json,
};

/// The number of events that the server checks per call.
const PAGE: u64 = 10_000;

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Check the events after the one at this position only. 0 starts with the oldest event that is kept.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// A digest that an earlier check has printed, or that was noted from the log of the server. The event with this
    /// digest must still be there.
    #[arg(long, value_name = "DIGEST")]
    from: Option<String>,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

/// What all calls together have found.
#[derive(Default)]
struct VerifiedLog {
    first: Option<u64>,
    events: u64,
    without_digest: u64,
    last: Option<u64>,
    digest: Option<String>,
    /// The position of the event with the digest of `--from`.
    noted: Option<u64>,
    fault: Option<(u64, String)>,
}

impl VerifiedLog {
    /// Adds what one call has found.
    fn add(&mut self, page: &Value) {
        let number = |name: &str| page.get(name).and_then(Value::as_u64);
        self.first = self.first.or(number("first"));
        self.events += number("events").unwrap_or(0);
        self.without_digest += number("without_digest").unwrap_or(0);
        self.last = number("last").or(self.last);
        self.noted = number("found").or(self.noted);
        if let Some(digest) = page.get("digest").and_then(Value::as_str) {
            self.digest = Some(digest.to_owned());
        }
        if let Some(fault) = page.get("fault") {
            let position = fault.get("position").and_then(Value::as_u64);
            let reason = fault.get("reason").and_then(Value::as_str);
            self.fault = Some((
                position.unwrap_or(0),
                reason.unwrap_or("it does not fit").to_owned(),
            ));
        }
    }

    fn json(&self) -> Value {
        let fault = self.fault.as_ref();
        json!({
            "first": self.first, "events": self.events, "without_digest": self.without_digest, "last": self.last,
            "digest": self.digest, "found": self.noted,
            "fault": fault.map(|(position, reason)| json!({"position": position, "reason": reason})),
        })
    }

    /// Returns the message about the first event that does not fit, if there is one.
    fn failure(&self, from: Option<&str>) -> Option<String> {
        if let Some((position, reason)) = &self.fault {
            return Some(format!(
                "the event at position {position} does not fit to the audit log: {reason}. Compare the log with the \
                 lines that your SIEM has, and find out who can write to the store"
            ));
        }
        let from = from.filter(|_| self.noted.is_none())?;
        Some(format!(
            "no event that is kept has the digest {from}: it was removed because of store.auditEvents, or somebody has \
             rewritten the log"
        ))
    }

    fn say(&self) {
        match (self.first, self.last) {
            (Some(first), Some(last)) if self.events > 0 => say!(
                "{} verified, from position {} to {last}",
                counted(self.events, "event"),
                first + self.without_digest
            ),
            _ => say!("no event has a digest"),
        }
        if self.without_digest > 0 {
            say!(
                "{} before them written by an earlier version, without a digest",
                counted(self.without_digest, "event")
            );
        }
        if let Some(position) = self.noted {
            say!("the event at position {position} has the digest that was looked for");
        }
        if let Some(digest) = &self.digest {
            say!("digest of the last event: {digest}");
        }
    }
}

pub(super) async fn run(arguments: &VerifyArguments) -> Result<(), CommandFailure> {
    let remote = arguments.remote.connect(&[READ]).await?;
    let mut found = VerifiedLog::default();
    let mut after = Some(arguments.after);
    while let Some(position) = after {
        let mut query = vec![("after", position.to_string()), ("limit", PAGE.to_string())];
        if let Some(digest) = &arguments.from {
            query.push(("digest", digest.trim().to_lowercase()));
        }
        let page = remote.get("/admin/v1/audit/verification", &query).await?;
        found.add(&page);
        after = page.get("next").and_then(Value::as_u64);
    }
    if arguments.form.format == Format::Json {
        write_json(&found.json())?;
    }
    if let Some(failure) = found.failure(arguments.from.as_deref()) {
        return Err(CommandFailure::Failed(failure));
    }
    if arguments.form.format != Format::Json {
        found.say();
    }
    Ok(())
}
