//! `registrar events follow`: shows events as they occur.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{EVENTS, EventLines, PAGE, READ, RENEWAL, last, number};
use crate::cli::remote::PollFailure;
use crate::cli::{CommandFailure, Format, Remote, RemoteArguments, items};

/// Seconds that the server waits for an event.
const WAIT: u64 = 25;
/// The pause before another attempt to reach the server.
const PAUSE: Duration = Duration::from_secs(2);
/// Follows the events until the server rejects a call.
pub(super) async fn follow(
    after: Option<u64>,
    format: Format,
    arguments: &RemoteArguments,
) -> Result<(), CommandFailure> {
    let remote = arguments.connect(&[READ]).await?;
    let after = match after {
        Some(after) => after,
        None => last(&remote).await?,
    };
    let mut follower = FollowedLog {
        arguments,
        remote,
        renewed: Instant::now(),
        lines: EventLines::new(format),
        after,
        is_lost: false,
    };
    loop {
        follower.turn().await?;
    }
}

struct FollowedLog<'a> {
    arguments: &'a RemoteArguments,
    remote: Remote,
    renewed: Instant,
    lines: EventLines,
    after: u64,
    /// Whether the server is unreachable, which was reported.
    is_lost: bool,
}

impl FollowedLog<'_> {
    /// Waits for events and writes them.
    async fn turn(&mut self) -> Result<(), CommandFailure> {
        let query = [
            ("after", self.after.to_string()),
            ("limit", PAGE.to_string()),
            ("wait", WAIT.to_string()),
        ];
        match self.remote.poll(EVENTS, &query).await {
            Ok(page) => self.write(&page)?,
            Err(PollFailure::Rejected(failure)) => return Err(failure),
            Err(PollFailure::TokenExpired) => self.renew().await?,
            Err(PollFailure::Temporary(reason)) => {
                if !self.is_lost {
                    note!("registrar: {reason}; reconnecting");
                }
                self.is_lost = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
        if !self.is_lost && self.renewed.elapsed() > RENEWAL {
            self.renewed = Instant::now();
            // Otherwise the token that is still valid is used until the next attempt.
            drop(self.renew().await);
        }
        Ok(())
    }

    fn write(&mut self, page: &Value) -> Result<(), CommandFailure> {
        self.is_lost = false;
        let events = items(page, "events");
        if !events.is_empty() {
            self.lines.add(events)?;
        }
        self.after = number(page, "next").unwrap_or(self.after);
        Ok(())
    }

    async fn renew(&mut self) -> Result<(), CommandFailure> {
        self.remote = self.arguments.connect(&[READ]).await?;
        self.renewed = Instant::now();
        Ok(())
    }
}
