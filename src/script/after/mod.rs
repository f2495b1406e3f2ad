//! Hooks that run after the response: a bounded queue holds the events, and one task delivers them.
//!
//! An event goes to the scripts of the set that decided the request, in order. A script that fails is
//! retried after a pause. The next scripts wait meanwhile, and so do later events of the same client.
//! Nothing here can fail the request, whose response has been sent.

mod queues;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::client::Metadata;
use crate::script::{Facts, Hook, HookError, ScriptSet, json_size};
use queues::ClientQueues;

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

/// The result of delivering an event to its scripts.
enum Delivery {
    /// No script is left: each has received the event, or was given up.
    Done(Event),
    /// A script has failed, and will be retried after this pause.
    Retry(Event, Duration),
}

impl ScriptSet {
    /// Queues a change to `client` for every script that has `hook`. The scripts run some time after this
    /// function has returned. Never fails: an event that does not fit into the queue is logged and counted.
    pub fn tell(self: &Arc<Self>, hook: Hook, facts: Arc<Facts>, client: Metadata) {
        if !self.has(hook) {
            return;
        }
        let notifications = &self.runtime().notifications;
        let bytes = json_size(client.as_object()) + json_size(facts.register_request.as_object());
        let Some(places) = notifications.take_places(bytes) else {
            notifications.lose(
                hook,
                "the queue is full (scripts.limits.waitingNotifications)",
            );
            return;
        };
        notifications.send(Event {
            set: Arc::clone(self),
            hook,
            facts,
            client,
            next: 0,
            tries: 0,
            span: tracing::Span::current(),
            _places: places,
        });
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

    /// Takes the slots of the queue for an event with `bytes` of metadata, if so many are free.
    fn take_places(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let places = u32::try_from(1 + bytes / BYTES_OF_A_PLACE).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.places).try_acquire_many_owned(places);
        taken.ok()
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
            () = self.deliver_all(receiver, &finish) => {}
            () = end => {
                let left = self.waiting();
                self.lost.fetch_add(left, Ordering::Relaxed);
                tracing::error!(left, "script notifications lost: the server stopped");
            }
        }
    }

    /// Delivers events, [`AT_ONCE`] at a time and one per client, until the queue is closed and empty.
    async fn deliver_all(
        &self,
        mut receiver: UnboundedReceiver<Event>,
        finish: &CancellationToken,
    ) {
        let (mut deliveries, mut pauses) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut queues = ClientQueues::default();
        let mut is_open = true;
        while is_open || !queues.is_empty() {
            self.add_received(&mut receiver, &mut queues);
            while deliveries.len() < AT_ONCE
                && let Some(event) = queues.take_due()
            {
                deliveries.push(self.deliver(event));
            }
            tokio::select! {
                () = finish.cancelled(), if !receiver.is_closed() => receiver.close(),
                event = receiver.recv(), if is_open => match event {
                    Some(event) => self.forgo(queues.add(event)),
                    None => is_open = false,
                },
                Some(delivery) = deliveries.next() => {
                    pauses.extend(self.end_delivery(delivery, &mut queues, finish));
                }
                Some(event) = pauses.next() => self.forgo(queues.resume(event)),
            }
        }
    }

    /// Moves all received events to the queues of their clients. This happens before the next delivery,
    /// because a deletion among them replaces earlier events.
    fn add_received(&self, receiver: &mut UnboundedReceiver<Event>, queues: &mut ClientQueues) {
        for _ in 0..receiver.len() {
            let Ok(event) = receiver.try_recv() else {
                return;
            };
            self.forgo(queues.add(event));
        }
    }

    /// Notes in `queues` how `delivery` ended. Returns the pause before a retry, which `finish` cuts short.
    fn end_delivery(
        &self,
        delivery: Delivery,
        queues: &mut ClientQueues,
        finish: &CancellationToken,
    ) -> Option<impl Future<Output = Event> + use<>> {
        match delivery {
            Delivery::Done(event) => {
                queues.leave(&event);
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                None
            }
            Delivery::Retry(event, pause) => {
                let end = finish.child_token();
                queues.pause(&event, &end);
                Some(event.after(pause, end))
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

    /// Delivers `event` to its remaining scripts, until one of them has to be retried.
    async fn deliver(&self, mut event: Event) -> Delivery {
        while event.set.has_script(event.next) {
            let Some(cause) = event.tell_next().await else {
                event.pass_on();
                continue;
            };
            if let Some(pause) = event.retry_after(&cause) {
                return Delivery::Retry(event, pause);
            }
            event
                .span
                .in_scope(|| self.lose(event.hook, &cause.to_string()));
            event.pass_on();
        }
        Delivery::Done(event)
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
        let told = tracing::Instrument::instrument(told, self.span.clone()).await;
        match told {
            Err(error @ (HookError::Fault(_) | HookError::Busy)) => Some(error),
            _ => None,
        }
    }

    /// Turns to the script after the next one.
    const fn pass_on(&mut self) {
        self.next += 1;
        self.tries = 0;
    }

    /// Counts a failure of the next script. Returns the pause before its retry; none if this was the last.
    fn retry_after(&mut self, cause: &HookError) -> Option<Duration> {
        let pauses = &self.set.runtime().settings.retry_pauses_ms;
        let pause = *pauses.get(self.tries)?;
        self.tries += 1;
        let (hook, tries) = (self.hook.name(), self.tries);
        self.span.in_scope(
            || tracing::warn!(hook, tries, pause, %cause, "script notification failed; retrying"),
        );
        Some(Duration::from_millis(pause))
    }

    /// Returns the event after a pause, which `end` can cut short.
    async fn after(self, pause: Duration, end: CancellationToken) -> Self {
        let _ = tokio::time::timeout(pause, end.cancelled()).await;
        self
    }
}
