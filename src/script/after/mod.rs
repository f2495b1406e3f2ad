//! Hooks that run after the response: a bounded queue holds the events, and one task delivers them.
//!
//! An event goes to the scripts of the set that decided the request, in order. A script that fails is
//! retried after a pause. The next scripts wait meanwhile, and so do later events of the same client.
//! Nothing here can fail the request, whose response has been sent.

mod lines;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::lines::ClientQueues;
use super::hook::Hook;
use super::load::set::ScriptSet;
use super::outcome::HookError;
use super::value::facts::Facts;
use super::value::members::weight;
use crate::client::Metadata;

/// The number of events that are delivered at the same time. It is small, so that requests are not held
/// up.
const AT_ONCE: usize = 8;

/// The bytes of metadata for which an event takes one slot of the queue.
const BYTES_OF_A_PLACE: usize = 8_192;

/// The queue.
pub(super) struct Notifications {
    places: Arc<Semaphore>,
    sender: UnboundedSender<Event>,
    receiver: Mutex<Option<UnboundedReceiver<Event>>>,
    /// Events that are queued or being delivered.
    waiting: AtomicU64,
    lost: AtomicU64,
}

/// A change to a client.
struct Event {
    set: Arc<ScriptSet>,
    hook: Hook,
    facts: Arc<Facts>,
    client: Metadata,
    /// The index of the script that is called next, and the number of failed attempts.
    next: usize,
    tries: usize,
    span: tracing::Span,
    _places: OwnedSemaphorePermit,
}

impl ScriptSet {
    /// Queues a change to `client` for every script that has `hook`. The scripts run some time after this
    /// function has returned. Never fails: an event that does not fit into the queue is logged and counted.
    pub fn tell(self: &Arc<Self>, hook: Hook, facts: Arc<Facts>, client: Metadata) {
        if !self.has(hook) {
            return;
        }
        let bytes = weight(client.as_object()) + weight(facts.register_request.as_object());
        let places = u32::try_from(1 + bytes / BYTES_OF_A_PLACE).unwrap_or(u32::MAX);
        let notifications = &self.runtime().notifications;
        match Arc::clone(&notifications.places).try_acquire_many_owned(places) {
            Ok(places) => {
                let span = tracing::Span::current();
                let set = Arc::clone(self);
                let event = Event {
                    set,
                    hook,
                    facts,
                    client,
                    next: 0,
                    tries: 0,
                    span,
                    _places: places,
                };
                notifications.send(event);
            }
            Err(_) => {
                notifications.lose(
                    hook,
                    "the queue is full (scripts.limits.waitingNotifications)",
                );
            }
        }
    }
}

impl Notifications {
    /// Creates a queue with the given number of slots.
    pub(super) fn new(places: usize) -> Self {
        let (sender, receiver) = unbounded_channel();
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            sender,
            receiver: Mutex::new(Some(receiver)),
            waiting: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    fn send(&self, event: Event) {
        let hook = event.hook;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(event).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.lose(hook, "the server is stopping");
        }
    }

    fn lose(&self, hook: Hook, cause: &str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(hook = hook.name(), cause, "script notification lost");
    }

    /// Delivers events until `finish`; then delivers the remaining events, for at most `patience`.
    pub(super) async fn work(&self, finish: CancellationToken, patience: Duration) {
        let receiver = self
            .receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(receiver) = receiver else { return };
        let end = async {
            finish.cancelled().await;
            tokio::time::sleep(patience).await;
        };
        tokio::select! {
            () = self.tell_all(receiver, &finish) => {}
            () = end => {
                let left = self.waiting();
                self.lost.fetch_add(left, Ordering::Relaxed);
                tracing::error!(left, "script notifications lost: the server stopped");
            }
        }
    }

    /// Delivers events, [`AT_ONCE`] at a time and one per client, until the queue is closed and empty.
    async fn tell_all(&self, mut receiver: UnboundedReceiver<Event>, finish: &CancellationToken) {
        let (mut told, mut paused) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut lines = ClientQueues::default();
        let (mut is_open, mut is_closing) = (true, false);
        while is_open || !lines.is_empty() {
            // All queued events are read first, because a deletion among them replaces earlier ones.
            for _ in 0..receiver.len() {
                let Ok(event) = receiver.try_recv() else {
                    break;
                };
                self.forgo(lines.add(event));
            }
            while told.len() < AT_ONCE
                && let Some(event) = lines.take_due()
            {
                told.push(self.advance(event));
            }
            tokio::select! {
                () = finish.cancelled(), if !is_closing => {
                    receiver.close();
                    is_closing = true;
                }
                event = receiver.recv(), if is_open => match event {
                    Some(event) => self.forgo(lines.add(event)),
                    None => is_open = false,
                },
                Some((event, pause)) = told.next() => if let Some(pause) = pause {
                    let end = finish.child_token();
                    lines.pause(&event, &end);
                    paused.push(after(event, pause, end));
                } else {
                    lines.leave(&event);
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                },
                Some(event) = paused.next() => self.forgo(lines.resume(event)),
            }
        }
    }

    /// Drops events of deleted clients: only the deletion is delivered.
    fn forgo(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let hook = event.hook.name();
            event.span.in_scope(|| {
                tracing::debug!(hook, "script notification dropped: the client was deleted");
            });
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Delivers `event` to its remaining scripts. Returns it, with a pause when a script has failed and
    /// will be retried.
    async fn advance(&self, mut event: Event) -> (Event, Option<Duration>) {
        while event.set.has_script(event.next) {
            let failure = event.tell_next().await;
            let pauses = &event.set.runtime().settings.retry_pauses_ms;
            let pause = pauses.get(event.tries).copied();
            match (failure, pause) {
                (None, _) => (event.next, event.tries) = (event.next + 1, 0),
                (Some(cause), Some(pause)) => {
                    let (hook, tries) = (event.hook.name(), event.tries + 1);
                    event.span.in_scope(|| {
                        tracing::warn!(hook, tries, pause, %cause, "script notification failed; retrying");
                    });
                    event.tries += 1;
                    return (event, Some(Duration::from_millis(pause)));
                }
                (Some(cause), None) => {
                    event
                        .span
                        .in_scope(|| self.lose(event.hook, &cause.to_string()));
                    (event.next, event.tries) = (event.next + 1, 0);
                }
            }
        }
        (event, None)
    }
}

impl Event {
    /// Returns the client of the event.
    fn client_id(&self) -> &str {
        self.client.text("client_id").unwrap_or_default()
    }

    fn is_deletion(&self) -> bool {
        self.hook == Hook::ClientDeleted
    }

    /// Calls the next script, and ignores its result and its response. Returns a fault or a lack of
    /// capacity.
    async fn tell_next(&self) -> Option<HookError> {
        let told = self
            .set
            .tell_one(self.next, self.hook, &self.facts, &self.client);
        let told = tracing::Instrument::instrument(told, self.span.clone());
        told.await
            .err()
            .filter(|error| matches!(error, HookError::Fault(_) | HookError::Busy))
    }
}

/// Returns `event` after a pause, which `end` can cut short.
async fn after(event: Event, pause: Duration, end: CancellationToken) -> Event {
    let _ = tokio::time::timeout(pause, end.cancelled()).await;
    event
}
