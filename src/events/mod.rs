//! What follows from changes of clients: the consumers of the event log, and how they are worked for.
//!
//! A consumer is the scripts' hooks that run after the response, or a webhook. Each has a cursor in the store, and
//! sees every event at least once, those of one client in order. One server works for a consumer at a time.

mod backlog;
mod consumer;
mod hooks;
mod lease;
mod session;
mod subject;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::Timestamp;
use crate::service::{Service, Snapshot};
use crate::store::{ConsumerState, StoreError, Trim, WaitingEvent};
use consumer::{AttemptResult, Attempted, Consumer, Delivery};
pub(crate) use lease::HeldLease;
use subject::{EventSubject, identified, subject};

/// The name of the consumer that calls the hooks of scripts.
pub(crate) const HOOKS: &str = "hooks";

/// How long a task that panicked is not noticed.
const AFTER_PANIC: Duration = Duration::from_secs(5);
/// Seconds of an hour.
const HOUR: u64 = 3_600;
/// Seconds of a day.
const DAY: u64 = 86_400;
/// How many times `store.events` the log may hold for a consumer that has not received its events yet.
const HELD_FOR_CONSUMERS: u64 = 2;

/// Returns the names of the consumers that `snapshot` configures.
pub(crate) fn consumers(snapshot: &Snapshot) -> Vec<String> {
    let mut names = Vec::new();
    if hooks::are_wanted(snapshot) {
        names.push(HOOKS.to_owned());
    }
    names.extend(webhook::consumers(&snapshot.live));
    names
}

/// Makes sure that each consumer of `next` has a cursor, before `next` is in force: a consumer that is new sees all
/// events from now on.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn prepare(service: &Service, next: &Snapshot) -> Result<(), StoreError> {
    for name in consumers(next) {
        consumer::prepare(service, &name, next.live.registration.event_retry_hours).await?;
    }
    Ok(())
}

/// Works for every consumer of the snapshot in force until `stop`. Deliveries that were begun then have `patience`
/// to finish; the next start makes all others.
pub(crate) async fn run(service: Arc<Service>, stop: CancellationToken, patience: Duration) {
    let mut replaced = service.replacements();
    let mut workers = Workers {
        service,
        patience,
        tasks: TaskTracker::new(),
        working: BTreeMap::new(),
    };
    loop {
        replaced.borrow_and_update();
        let wanted = consumers(&workers.service.snapshot());
        workers.end_all_but(&wanted).await;
        workers.begin(wanted, &stop);
        tokio::select! {
            () = stop.cancelled() => break,
            changed = replaced.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(AFTER_PANIC) => {}
        }
    }
    for worker in workers.working.into_values() {
        drop(worker.task.await);
    }
}

/// The task that works for a consumer.
struct Worker {
    end: CancellationToken,
    task: JoinHandle<()>,
}

/// The tasks that work for consumers, by their names.
struct Workers {
    service: Arc<Service>,
    patience: Duration,
    tasks: TaskTracker,
    working: BTreeMap<String, Worker>,
}

impl Workers {
    /// Ends the work for consumers that are no longer configured.
    async fn end_all_but(&mut self, wanted: &[String]) {
        for (name, worker) in std::mem::take(&mut self.working) {
            if wanted.contains(&name) {
                self.working.insert(name, worker);
                continue;
            }
            worker.end.cancel();
            // A task that panicked has said so.
            drop(worker.task.await);
            consumer::note_dormant(&self.service, &name).await;
        }
    }

    /// Begins the work for consumers that no task works for.
    fn begin(&mut self, wanted: Vec<String>, stop: &CancellationToken) {
        for name in wanted {
            let worker = self.working.get(&name);
            if worker.is_some_and(|worker| !worker.task.is_finished()) {
                continue;
            }
            if worker.is_some() {
                tracing::error!(
                    consumer = name,
                    "delivery of events ended unexpectedly; restarting it"
                );
            }
            let end = stop.child_token();
            let consumer = Consumer::new(Arc::clone(&self.service), &name);
            let task = self.tasks.spawn(consumer.work(end.clone(), self.patience));
            self.working.insert(name, Worker { end, task });
        }
    }
}

/// Returns the position up to which every consumer has received all events.
async fn received_by_all(service: &Service) -> Result<u64, StoreError> {
    let mut received = service.store.events.last().await?;
    for name in consumers(&service.snapshot()) {
        let Some(state) = service.store.consumers.state(&name).await? else {
            continue;
        };
        // A disabled consumer does not fill the log.
        if state.disabled.is_some() {
            continue;
        }
        let first_waiting = state.waiting.iter().map(|waiting| waiting.position).min();
        let up_to = first_waiting.map_or(state.cursor, |first| first.saturating_sub(1));
        received = received.min(up_to);
    }
    Ok(received)
}

/// Returns which events the configuration lets a sweep remove.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn trim_bounds(service: &Service) -> Result<Trim, StoreError> {
    let settings = &service.settings.store;
    let last = service.store.events.last().await?;
    let age = settings.event_days.saturating_mul(DAY);
    let most = settings.events.saturating_mul(HELD_FOR_CONSUMERS);
    let bounds = Trim {
        kept_from: last.saturating_sub(most).saturating_add(1),
        wanted_from: last.saturating_sub(settings.events).saturating_add(1),
        since: Timestamp::from_unix(service.clock.now().unix().saturating_sub(age)),
        free_to: received_by_all(service).await?,
    };
    let needed_from = bounds.free_to.saturating_add(1);
    if needed_from < bounds.kept_from {
        let count = bounds.kept_from.saturating_sub(needed_from);
        tracing::error!(
            count,
            "event log full: events are deleted that a consumer has not received (registrar events consumers)"
        );
    }
    Ok(bounds)
}

/// How far a consumer has come.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerStatus {
    /// Its name.
    pub(crate) name: String,
    /// Every event up to this position was delivered, was parked, or is one of those that wait.
    pub(crate) cursor: u64,
    /// The number of events that it has not received yet.
    pub(crate) lag: u64,
    /// The events that wait for another attempt.
    pub(crate) waiting: Vec<WaitingEvent>,
    /// The number of parked events, at most [`MOST_COUNTED`].
    pub(crate) parked: u64,
    /// Why it receives nothing until an operator enables it.
    pub(crate) disabled: Option<String>,
}

/// The maximum number of parked events that are counted.
pub(crate) const MOST_COUNTED: usize = 10_000;

/// Returns how far each configured consumer has come.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn statuses(service: &Service) -> Result<Vec<ConsumerStatus>, StoreError> {
    let (store, mut statuses) = (&service.store, Vec::new());
    let last = store.events.last().await?;
    for name in consumers(&service.snapshot()) {
        let state = store.consumers.state(&name).await?.unwrap_or_default();
        let parked = store.consumers.count_parked(&name, MOST_COUNTED).await?;
        statuses.push(ConsumerStatus {
            name,
            cursor: state.cursor,
            lag: lag_of(&state, last),
            waiting: state.waiting,
            parked: u64::try_from(parked).unwrap_or(u64::MAX),
            disabled: state.disabled,
        });
    }
    Ok(statuses)
}

/// Returns the number of events that a consumer has not received yet.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn lag(service: &Service, name: &str) -> Result<u64, StoreError> {
    let store = &service.store;
    let last = store.events.last().await?;
    let state = store.consumers.state(name).await?.unwrap_or_default();
    Ok(lag_of(&state, last))
}

fn lag_of(state: &ConsumerState, last: u64) -> u64 {
    let waiting = u64::try_from(state.waiting.len()).unwrap_or(u64::MAX);
    last.saturating_sub(state.cursor).saturating_add(waiting)
}

/// Returns the name of the consumer that delivers to the webhook `name`.
pub(crate) fn webhook(name: &str) -> String {
    format!("{}{name}", webhook::PREFIX)
}

/// Whether a consumer receives clients that are replayed: it is a webhook, or a script has `clientCreated`.
pub(crate) fn can_replay(snapshot: &Snapshot, name: &str) -> bool {
    if name == HOOKS {
        return hooks::has_created(snapshot);
    }
    consumers(snapshot).iter().any(|own| own == name)
}
