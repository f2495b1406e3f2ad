//! Events of requests that were refused, on their way into the log.
//!
//! Whoever sends nonsense must not make the store flush for each of them. So such events wait,
//! bounded, and are written many at a time; those for which there is no place are counted, and
//! their number is an event itself.
//!
//! The log keeps so many events and no more. So that strangers can not push out of it what others
//! did, those who proved nothing have a budget together; what is beyond it is counted too.

mod losses;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::losses::Losses;
use super::{Action, AuditEvent, AuditLog, Author};
use crate::store::{StoreError, outage};

/// Events that may wait.
const MOST_WAITING: usize = 4_096;
/// Events that are written at a time.
const MOST_AT_ONCE: usize = 500;
/// How long the first event waits for others to be written with it.
const PAUSE: Duration = Duration::from_millis(250);

enum Message {
    Event(Box<AuditEvent>),
    /// To be told when all that came before is written, or given up.
    Flush(oneshot::Sender<()>),
}

/// Where events are left that go with no change.
#[derive(Debug, Clone)]
pub struct AuditQueue {
    sender: mpsc::Sender<Message>,
    losses: Arc<Losses>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl AuditQueue {
    /// Leaves `event` to be written soon; it is counted as lost when too many wait, or when it has no
    /// actor and too many like it came just now.
    pub fn leave(&self, event: AuditEvent) {
        if event.actor.is_some() {
            self.send(event);
        } else {
            self.leave_of_stranger(event);
        }
    }

    /// The same of an event whose actor, if it has one, is nobody in particular: whoever registers a
    /// client is one.
    pub fn leave_of_stranger(&self, event: AuditEvent) {
        if self.losses.admits_stranger() {
            self.send(event);
        } else {
            self.losses.add(1, event.at);
        }
    }

    fn send(&self, event: AuditEvent) {
        let at = event.at;
        if self.sender.try_send(Message::Event(Box::new(event))).is_err() {
            self.losses.add(1, at);
        }
    }

    /// Returns when all that was left before is written, or lost.
    pub async fn flush(&self) {
        let (told, written) = oneshot::channel();
        if self.sender.send(Message::Flush(told)).await.is_ok() {
            // Whoever writes has ended: there is nothing to wait for.
            let _ = written.await;
        }
    }
}

/// Who writes what was left.
pub struct AuditWriter {
    log: AuditLog,
    receiver: mpsc::Receiver<Message>,
    losses: Arc<Losses>,
    events: Vec<AuditEvent>,
    waiting: Vec<oneshot::Sender<()>>,
    /// When what is here is written.
    due: Option<Instant>,
}

/// A queue whose events come to be in `log`, and who writes them.
pub fn queue(log: AuditLog) -> (AuditQueue, AuditWriter) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    let losses = Arc::new(Losses::none());
    let queue = AuditQueue { sender, losses: Arc::clone(&losses) };
    (queue, AuditWriter { log, receiver, losses, events: Vec::new(), waiting: Vec::new(), due: None })
}

impl AuditWriter {
    /// Writes what is left until `stop`, and then the rest.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.gather() => self.write().await,
            }
        }
        self.receiver.close();
        while let Some(message) = self.receiver.recv().await {
            self.take(message);
            if self.events.len() >= MOST_AT_ONCE {
                self.write().await;
            }
        }
        self.write().await;
    }

    /// Returns when it is time to write. Can be dropped: what was gathered stays.
    async fn gather(&mut self) {
        while self.waiting.is_empty() && self.events.len() < MOST_AT_ONCE {
            let due = self.due;
            let message = tokio::select! {
                message = self.receiver.recv() => message,
                () = until(due) => return,
            };
            match message {
                Some(message) => self.take(message),
                // Nobody leaves anything any more; it goes on when the server stops.
                None => return std::future::pending().await,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event) => {
                self.due.get_or_insert_with(|| Instant::now() + PAUSE);
                self.events.push(*event);
            }
            Message::Flush(told) => self.waiting.push(told),
        }
    }

    async fn write(&mut self) {
        self.due = None;
        let events = std::mem::take(&mut self.events);
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let last = events.last().map(|event| event.at);
        if let Err(error) = self.append(events).await {
            // How many are lost is counted, in the log itself.
            outage::tell(&error);
            if let Some(last) = last {
                self.losses.add(count, last);
            }
        }
        for told in self.waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = told.send(());
        }
    }

    /// Writes `events`, and how many were lost before them when the log is to tell of it.
    async fn append(&self, mut events: Vec<AuditEvent>) -> Result<(), StoreError> {
        // Who waits for what is here looks at the log; after a stop there is no other time to tell.
        let is_looked_at = !self.waiting.is_empty() || self.receiver.is_closed();
        let lost = self.losses.to_tell(is_looked_at);
        if let Some((count, last)) = lost {
            let now = events.last().map_or(last, |event| event.at.max(last));
            events.push(Author::default().did(Action::RefusalsLost, "", now).with("count", count));
        }
        if events.is_empty() {
            return Ok(());
        }
        self.log.append_all(&events).await?;
        if let Some((count, _)) = lost {
            self.losses.told(count);
            tracing::warn!(count, "refusals are not in the audit log, which says how many they were");
        }
        Ok(())
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
