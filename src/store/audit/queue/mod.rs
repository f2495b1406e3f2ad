//! Events of rejected requests, on their way into the log.
//!
//! A flood of invalid requests must not cause a flush of the store for each. The events are therefore
//! queued, up to a limit, and written many at a time. Events that do not fit in the queue are counted, and
//! their number is itself recorded as an event.
//!
//! The log keeps a limited number of events. So that strangers cannot displace the events of others from
//! it, all unauthenticated callers share one budget. Events beyond it are counted too.

mod losses;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::store::{Action, AuditEvent, AuditLog, Author, StoreError, outage};
use losses::Losses;

/// Events that may be queued.
const MOST_WAITING: usize = 4_096;
/// Events that are written at a time.
const MOST_AT_ONCE: usize = 500;
/// How long the first event waits for others to be written with it.
const PAUSE: Duration = Duration::from_millis(250);

enum QueueMessage {
    Event(Box<AuditEvent>),
    /// Answered when everything queued before it is written or discarded.
    Flush(oneshot::Sender<()>),
}

/// Accepts events that do not belong to a change.
#[derive(Debug, Clone)]
pub(crate) struct AuditQueue {
    sender: mpsc::Sender<QueueMessage>,
    losses: Arc<Losses>,
}

impl std::fmt::Debug for QueueMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueueMessage")
    }
}

impl AuditQueue {
    /// Queues `event` to be written soon. It is counted as lost when the queue is full, or when it has no
    /// actor and there were too many such events recently.
    pub(crate) fn leave(&self, event: AuditEvent) {
        if event.actor.is_some() {
            self.send(event);
        } else {
            self.leave_of_stranger(event);
        }
    }

    /// Does the same for an event whose actor, if any, could be anybody: any client may register.
    pub(crate) fn leave_of_stranger(&self, event: AuditEvent) {
        if self.losses.admits_stranger() {
            self.send(event);
        } else {
            self.losses.add(1, event.at);
        }
    }

    fn send(&self, event: AuditEvent) {
        let at = event.at;
        if self
            .sender
            .try_send(QueueMessage::Event(Box::new(event)))
            .is_err()
        {
            self.losses.add(1, at);
        }
    }

    /// Returns when everything queued before is written or lost.
    pub(crate) async fn flush(&self) {
        let (told, written) = oneshot::channel();
        if self.sender.send(QueueMessage::Flush(told)).await.is_ok() {
            // The writer has stopped: there is nothing to wait for.
            let _ = written.await;
        }
    }
}

/// Writes the queued events.
pub(crate) struct AuditWriter {
    log: AuditLog,
    receiver: mpsc::Receiver<QueueMessage>,
    losses: Arc<Losses>,
    events: Vec<AuditEvent>,
    waiting: Vec<oneshot::Sender<()>>,
    /// When the gathered events are to be written.
    due: Option<Instant>,
}

/// Returns a queue for events and the writer that stores them in `log`.
pub(crate) fn queue(log: AuditLog) -> (AuditQueue, AuditWriter) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    let losses = Arc::new(Losses::none());
    let queue = AuditQueue {
        sender,
        losses: Arc::clone(&losses),
    };
    (
        queue,
        AuditWriter {
            log,
            receiver,
            losses,
            events: Vec::new(),
            waiting: Vec::new(),
            due: None,
        },
    )
}

impl AuditWriter {
    /// Writes queued events until `stop`, and then the remaining ones.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
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

    /// Returns when it is time to write. Cancellation is safe: gathered events are kept.
    async fn gather(&mut self) {
        while self.waiting.is_empty() && self.events.len() < MOST_AT_ONCE {
            let due = self.due;
            let message = tokio::select! {
                message = self.receiver.recv() => message,
                () = until(due) => return,
            };
            match message {
                Some(message) => self.take(message),
                // No sender is left; wait for the server to stop.
                None => return std::future::pending().await,
            }
        }
    }

    fn take(&mut self, message: QueueMessage) {
        match message {
            QueueMessage::Event(event) => {
                self.due.get_or_insert_with(|| Instant::now() + PAUSE);
                self.events.push(*event);
            }
            QueueMessage::Flush(told) => self.waiting.push(told),
        }
    }

    async fn write(&mut self) {
        self.due = None;
        let events = std::mem::take(&mut self.events);
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let last = events.last().map(|event| event.at);
        if let Err(error) = self.append(events).await {
            // The lost events are counted, and the log records their number.
            outage::tell(&error);
            if let Some(last) = last {
                self.losses.add(count, last);
            }
        }
        for told in self.waiting.drain(..) {
            // The caller may have gone.
            let _ = told.send(());
        }
    }

    /// Writes `events`, and the number of events lost before them when that is due.
    async fn append(&self, mut events: Vec<AuditEvent>) -> Result<(), StoreError> {
        // A caller of `flush` is about to read the log; after a stop, this is the last opportunity.
        let is_looked_at = !self.waiting.is_empty() || self.receiver.is_closed();
        let lost = self.losses.to_tell(is_looked_at);
        if let Some((count, last)) = lost {
            let now = events.last().map_or(last, |event| event.at.max(last));
            events.push(
                Author::default()
                    .did(Action::RefusalsLost, "", now)
                    .with("count", count),
            );
        }
        if events.is_empty() {
            return Ok(());
        }
        self.log.append_all(&events).await?;
        if let Some((count, _)) = lost {
            self.losses.told(count);
            tracing::warn!(
                count,
                "too many rejections; audit log records only their number"
            );
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
