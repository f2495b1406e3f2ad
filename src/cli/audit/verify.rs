//! `registrar audit verify`: whether the kept events are those that were stored.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::copies;
use crate::admin::endpoint::audit::AuditVerification;
use crate::cli::offline::{self, OfflineArguments};
use crate::cli::{CommandFailure, OutputForm, RemoteArguments, audit::READ, counted, wait};
use crate::store::{Store, Verification, audit};

/// The number of events that the server checks per call.
const PAGE: u64 = 10_000;
/// The number of events that are read from a store at a time.
const AT_ONCE: usize = 10_000;

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Check the events after the one at this position only. 0 starts with the oldest event that is kept.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// A digest that an earlier check has printed, or that was noted from the log of the server. The event with this
    /// digest must still be there.
    #[arg(long, value_name = "DIGEST")]
    from: Option<String>,
    /// Check the log in the store itself, without a server. No server may have an embedded store open meanwhile.
    #[arg(long)]
    offline: bool,
    /// The folder of the embedded store to check, as with --offline.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Check the lines in this file, in the order of their positions: lines that a server logged with
    /// telemetry.auditLog, or that audit --format json has printed. They may begin with something else, as journalctl
    /// prints them. Other lines are skipped. - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["offline", "data"])]
    file: Option<PathBuf>,
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
    /// The position of the first line of a file, which only the event before it could confirm.
    unconfirmed: Option<u64>,
    /// The number of lines of a file without an event.
    skipped: Option<u64>,
    fault: Option<(u64, String)>,
}

impl VerifiedLog {
    /// Adds what one look into a store or a file has found.
    fn add_shown(&mut self, found: Verification) -> Result<(), CommandFailure> {
        let page = serde_json::to_value(AuditVerification::from(found));
        self.add(&page.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Adds what one call has found. Returns the position after which the next one continues, if events are left.
    fn add(&mut self, page: &Value) -> Option<u64> {
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
        number("next")
    }

    fn json(&self) -> Value {
        let fault = self.fault.as_ref();
        json!({
            "first": self.first, "events": self.events, "without_digest": self.without_digest, "last": self.last,
            "digest": self.digest, "found": self.noted,
            "unconfirmed": self.unconfirmed, "skipped": self.skipped,
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
        if let Some(from) = from.filter(|_| self.noted.is_none()) {
            return Some(format!(
                "no event that is kept has the digest {from}: it was removed because of store.auditEvents, or somebody \
                 has rewritten the log"
            ));
        }
        self.nothing()
    }

    /// Returns the message about a log with events, or about a file, of which nothing was verified. It says nothing about
    /// the log, good or bad.
    fn nothing(&self) -> Option<String> {
        let without_digest = counted(self.without_digest, "event");
        match self.skipped {
            _ if self.events > 0 => None,
            None if self.without_digest == 0 => None,
            None => Some(format!(
                "no event was verified: the log has {without_digest} that an earlier version wrote without a digest"
            )),
            Some(skipped) => Some(self.nothing_in_file(&without_digest, skipped)),
        }
    }

    fn nothing_in_file(&self, without_digest: &str, skipped: u64) -> String {
        let skipped = counted(skipped, "line");
        let only = match self.unconfirmed {
            Some(position) => format!(
                ", and the event at position {position}, which only the event before it could confirm"
            ),
            None => String::new(),
        };
        format!(
            "no event was verified: the file has {without_digest} without a digest, {skipped} without an event{only}"
        )
    }

    fn say(&self) {
        match (self.first, self.last) {
            (Some(first), Some(last)) if self.events > 0 => say!(
                "{} verified, from position {} to {last}",
                counted(self.events, "event"),
                first + self.without_digest
            ),
            (None, Some(_)) => say!("no event follows the first one, so nothing can be verified"),
            _ => say!("no event has a digest"),
        }
        if let Some(position) = self.unconfirmed {
            say!(
                "the event at position {position} is the first one here: only the event before it could confirm it"
            );
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
        if let Some(skipped) = self.skipped.filter(|skipped| *skipped > 0) {
            say!("{} without an event skipped", counted(skipped, "line"));
        }
        if let Some(digest) = &self.digest {
            say!("digest of the last event: {digest}");
        }
    }
}

pub(super) fn run(arguments: &VerifyArguments) -> Result<(), CommandFailure> {
    let found = if arguments.file.is_some() || arguments.is_offline() {
        arguments.local()?
    } else {
        wait(arguments.remote())?
    };
    if arguments.form.format.is_data() {
        arguments.form.format.write(&found.json())?;
    }
    if let Some(failure) = found.failure(arguments.from.as_deref()) {
        return Err(CommandFailure::Failed(failure));
    }
    if !arguments.form.format.is_data() {
        found.say();
    }
    Ok(())
}

impl VerifyArguments {
    fn is_offline(&self) -> bool {
        self.offline || self.data.is_some()
    }

    /// Returns the digest to look for.
    fn wanted(&self) -> Result<Option<[u8; 32]>, CommandFailure> {
        let Some(text) = &self.from else {
            return Ok(None);
        };
        let digest = audit::parse_digest(&text.trim().to_lowercase());
        let digest = digest.ok_or_else(|| {
            let message = "--from must be the digest of an event: 64 hexadecimal digits";
            CommandFailure::Usage(message.to_owned())
        });
        digest.map(Some)
    }

    /// Asks a running server.
    async fn remote(&self) -> Result<VerifiedLog, CommandFailure> {
        let remote = self.remote.connect(&[READ]).await?;
        let mut found = VerifiedLog::default();
        let mut after = Some(self.after);
        while let Some(position) = after {
            let mut query = vec![("after", position.to_string()), ("limit", PAGE.to_string())];
            if let Some(digest) = &self.from {
                query.push(("digest", digest.trim().to_lowercase()));
            }
            let page = remote.get("/admin/v1/audit/verification", &query).await?;
            after = found.add(&page);
        }
        Ok(found)
    }

    /// Checks a file, or the store.
    fn local(&self) -> Result<VerifiedLog, CommandFailure> {
        let wanted = self.wanted()?;
        let mut found = VerifiedLog::default();
        if let Some(file) = &self.file {
            let checked = copies::check(file, self.after, wanted)?;
            found.add_shown(checked.found)?;
            found.unconfirmed = checked.unconfirmed;
            found.skipped = Some(checked.skipped);
            return Ok(found);
        }
        let store = OfflineArguments::new(self.remote.file().0, self.data.clone());
        let pages = store.run(async |store, _| self.pages(store, wanted).await)?;
        for page in pages {
            found.add_shown(page)?;
        }
        Ok(found)
    }

    /// Checks the log of a store.
    async fn pages(
        &self,
        store: &Store,
        wanted: Option<[u8; 32]>,
    ) -> Result<Vec<Verification>, String> {
        let mut pages = Vec::new();
        let mut after = Some(self.after);
        while let Some(position) = after {
            let page = store.audit.verify(position, wanted, AT_ONCE).await;
            let page = page.map_err(offline::message)?;
            after = page.next;
            pages.push(page);
        }
        Ok(pages)
    }
}
