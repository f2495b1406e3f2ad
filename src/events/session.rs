//! The work for a consumer as long as this server holds its lease.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::events::{
    Attempt, Attempted, Consumer, HeldLease, backlog::AfterFailure, backlog::Backlog,
};
use crate::store::{
    ConsumerState, EventType, LoggedEvent, Order, Parked, StoreError, Turn, WaitingEvent,
};
use crate::telemetry::{DeliveryOutcome, meter};

/// The number of events that are delivered at the same time. It is small, so that requests are not held up.
pub(super) const AT_ONCE: usize = 8;
/// The number of events that are read from the log at a time.
const PAGE: usize = 256;
/// How often the state is stored while events are delivered.
const COMMIT: Duration = Duration::from_millis(250);
/// How often the store is searched for orders of operators, and for events of other servers.
const LOOK: Duration = Duration::from_secs(1);
/// After so many failures in a row, the first success means that the other system works again.
const DOWN: u32 = 3;
/// Maximum number of orders that are carried out at a time.
const ORDERS: usize = 100;

/// An attempt that is under way.
type Flight<'a> = BoxFuture<'a, (WaitingEvent, Attempted)>;

/// The work for a consumer as long as this server holds its lease.
pub(super) struct Session<'a> {
    consumer: &'a Consumer,
    lease: HeldLease,
    backlog: Backlog,
    flights: FuturesUnordered<Flight<'a>>,
    /// The last event that was taken from the log.
    cursor: u64,
    disabled: Option<String>,
    /// What is to be stored with the state.
    parked: Vec<Parked>,
    /// Events to park that must be read from the log first.
    to_park: Vec<WaitingEvent>,
    orders: Vec<u64>,
    /// When the state has to be stored; none if it has not changed.
    commit_at: Option<Instant>,
    look_at: Instant,
    /// Failed attempts since the last success.
    failures: u32,
}

impl<'a> Session<'a> {
    pub(super) fn new(consumer: &'a Consumer, state: ConsumerState, lease: HeldLease) -> Self {
        Self {
            backlog: Backlog::restored(state.waiting, consumer.service.clock.now()),
            consumer,
            lease,
            flights: FuturesUnordered::new(),
            cursor: state.cursor,
            disabled: state.disabled,
            parked: Vec::new(),
            to_park: Vec::new(),
            orders: Vec::new(),
            // The state may have been changed when it was read.
            commit_at: Some(Instant::now()),
            look_at: Instant::now(),
            failures: 0,
        }
    }

    /// Delivers until `stop`, or until the store fails or another server holds the lease.
    pub(super) async fn run(mut self, stop: &CancellationToken, patience: Duration) {
        let outcome = self.deliver_until(stop).await;
        if let Err(StoreError::Conflict) = outcome {
            tracing::warn!(
                consumer = self.consumer.name,
                "another server delivers the events now"
            );
            return;
        }
        if let Err(error) = outcome {
            tracing::error!(consumer = self.consumer.name, %error, "cannot deliver events: the store failed");
        }
        let finished = tokio::time::timeout(patience, self.finish()).await;
        if finished.is_err() {
            let left = self.flights.len();
            tracing::warn!(
                consumer = self.consumer.name,
                left,
                "deliveries aborted; the next start repeats them"
            );
            self.flights.clear();
        }
        if let Err(error) = self.commit().await {
            tracing::error!(consumer = self.consumer.name, %error, "cannot store how far events were delivered");
        }
        self.lease.release().await;
    }

    /// Waits for the deliveries that were begun.
    async fn finish(&mut self) {
        while let Some((waiting, attempted)) = self.flights.next().await {
            self.landed(waiting, attempted);
        }
    }

    async fn deliver_until(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut appended = self.consumer.service.store.events.watch();
        loop {
            appended.borrow_and_update();
            let has_more = self.fill().await?;
            self.launch();
            let wake_at = self.wake_at(has_more);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some((waiting, attempted)) = self.flights.next() => self.landed(waiting, attempted),
                changed = appended.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(wake_at) => {}
            }
            self.upkeep().await?;
        }
    }

    /// Takes events from the log as long as there is room. Returns whether there may be more.
    async fn fill(&mut self) -> Result<bool, StoreError> {
        if self.disabled.is_some() {
            return Ok(false);
        }
        if !self.backlog.has_room() {
            self.make_room();
            return Ok(false);
        }
        let events = &self.consumer.service.store.events;
        let page = events.page(self.cursor, PAGE).await?;
        let has_more = page.len() >= PAGE;
        for logged in page {
            self.cursor = logged.position;
            self.note_change();
            let is_for_others = logged
                .event
                .consumer
                .as_ref()
                .is_some_and(|only| *only != self.consumer.name);
            if is_for_others {
                continue;
            }
            self.backlog.add(WaitingEvent {
                position: logged.position,
                client_id: logged.event.client_id,
                attempts: 0,
                failing_since: None,
                due: None,
                error: None,
                resume_at: None,
                is_deletion: logged.event.kind == EventType::Deleted,
            });
        }
        Ok(has_more)
    }

    /// Parks the event that has failed most often if the other system works, so that others go on.
    fn make_room(&mut self) {
        let works = self.failures < DOWN;
        if works && let Some(stuck) = self.backlog.most_failed().cloned() {
            self.backlog.skip(stuck.position);
            self.note_change();
            tracing::error!(
                consumer = self.consumer.name,
                position = stuck.position,
                client_id = stuck.client_id.as_str(),
                error = stuck.error,
                "event parked: too many events wait (registrar events parked)"
            );
            self.to_park.push(stuck);
        }
    }

    /// Begins to deliver what is due.
    fn launch(&mut self) {
        while self.disabled.is_none()
            && self.flights.len() < AT_ONCE
            && let Some(waiting) = self.backlog.take_due()
        {
            let consumer = self.consumer;
            self.flights.push(Box::pin(async move {
                let attempted = consumer.attempt(&waiting).await;
                (waiting, attempted)
            }));
        }
    }

    /// Returns when there is something to do, unless something happens before.
    fn wake_at(&self, has_more: bool) -> Instant {
        let now = Instant::now();
        if has_more && self.backlog.has_room() {
            return now;
        }
        let is_busy = self.flights.len() >= AT_ONCE || self.disabled.is_some();
        let due = self.backlog.next_due().filter(|_| !is_busy);
        let moments = [
            Some(self.look_at),
            self.commit_at,
            self.lease.next_beat(),
            due,
        ];
        moments.into_iter().flatten().min().unwrap_or(now)
    }

    /// Notes that the state has to be stored.
    fn note_change(&mut self) {
        if self.commit_at.is_none() {
            self.commit_at = Some(Instant::now() + COMMIT);
        }
    }

    /// Processes the outcome of an attempt.
    fn landed(&mut self, waiting: WaitingEvent, attempted: Attempted) {
        self.note_change();
        let (logged, attempt) = match attempted {
            Attempted::Missing => return self.lost(&waiting),
            Attempted::Tried(logged, attempt) => (logged, attempt),
        };
        match attempt {
            Attempt::Done => {
                meter::event_attempt(&self.consumer.name, DeliveryOutcome::Delivered);
                self.backlog.delivered(&waiting.client_id);
                if self.failures >= DOWN {
                    self.backlog.wake_all();
                }
                self.failures = 0;
            }
            Attempt::Failed { error, resume_at } => {
                meter::event_attempt(&self.consumer.name, DeliveryOutcome::Failed);
                self.failures = self.failures.saturating_add(1);
                self.failed(waiting, logged, &error, resume_at);
            }
            Attempt::Refused(reason) => {
                meter::event_attempt(&self.consumer.name, DeliveryOutcome::Failed);
                self.disable(waiting, reason);
            }
        }
    }

    fn lost(&mut self, waiting: &WaitingEvent) {
        tracing::error!(
            consumer = self.consumer.name,
            position = waiting.position,
            client_id = waiting.client_id.as_str(),
            "event lost: it was deleted from the log before it was delivered (store.events)"
        );
        meter::event_attempt(&self.consumer.name, DeliveryOutcome::Lost);
        self.backlog.delivered(&waiting.client_id);
    }

    /// Delivers nothing more until an operator enables the consumer. The event that was refused is the first then.
    fn disable(&mut self, waiting: WaitingEvent, reason: String) {
        if self.disabled.is_none() {
            tracing::error!(
                consumer = self.consumer.name,
                position = waiting.position,
                client_id = waiting.client_id.as_str(),
                reason,
                "event consumer disabled; it receives nothing until it is enabled (registrar events enable)"
            );
        }
        self.disabled.get_or_insert(reason);
        self.backlog.failed(waiting, Duration::ZERO);
    }

    /// Decides what becomes of an event that failed.
    fn failed(
        &mut self,
        waiting: WaitingEvent,
        logged: Option<Box<LoggedEvent>>,
        error: &str,
        resume_at: Option<String>,
    ) {
        let now = self.consumer.service.clock.now();
        let mut waiting = WaitingEvent {
            resume_at,
            ..waiting.after_failure(now, error)
        };
        let pause = self.consumer.pause(&waiting);
        let (name, position) = (&self.consumer.name, waiting.position);
        let client_id = waiting.client_id.as_str();
        match self.backlog.after_failure(&waiting.client_id, pause) {
            AfterFailure::Again(pause) => {
                self.warn_of_retry(&waiting, pause);
                waiting.due = Some(now.plus(pause.as_secs()));
                self.backlog.failed(waiting, pause);
            }
            AfterFailure::Superseded => {
                tracing::warn!(
                    consumer = name,
                    position,
                    client_id,
                    error,
                    "event dropped: its delivery failed and the client was deleted"
                );
                self.backlog.delivered(&waiting.client_id);
            }
            AfterFailure::Park => {
                self.give_up(waiting, logged);
            }
        }
    }

    fn warn_of_retry(&self, waiting: &WaitingEvent, pause: Duration) {
        tracing::warn!(
            consumer = self.consumer.name,
            position = waiting.position,
            client_id = waiting.client_id.as_str(),
            attempts = waiting.attempts,
            ?pause,
            error = waiting.error,
            "event delivery failed; retrying"
        );
    }

    /// Parks an event whose delivery failed.
    fn give_up(&mut self, waiting: WaitingEvent, logged: Option<Box<LoggedEvent>>) {
        tracing::error!(
            consumer = self.consumer.name,
            position = waiting.position,
            client_id = waiting.client_id.as_str(),
            attempts = waiting.attempts,
            error = waiting.error,
            "event parked: its delivery failed (registrar events parked)"
        );
        self.backlog.delivered(&waiting.client_id);
        match logged {
            Some(logged) => self.park(waiting, *logged),
            None => self.to_park.push(waiting),
        }
    }

    fn park(&mut self, waiting: WaitingEvent, logged: LoggedEvent) {
        meter::event_attempt(&self.consumer.name, DeliveryOutcome::Parked);
        self.parked.push(Parked {
            position: waiting.position,
            event: logged.event,
            attempts: waiting.attempts,
            error: waiting.error.unwrap_or_default(),
            parked_at: self.consumer.service.clock.now(),
        });
    }

    /// Keeps the lease, carries out orders, and stores the state, each when it is time.
    async fn upkeep(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if !self.lease.keep().await? {
            return Err(StoreError::Conflict);
        }
        if self.look_at <= now {
            self.look_at = now + LOOK;
            self.carry_out().await?;
        }
        if self.commit_at.is_some_and(|at| at <= now) {
            self.commit().await?;
        }
        Ok(())
    }

    /// Carries out the orders of operators.
    async fn carry_out(&mut self) -> Result<(), StoreError> {
        let consumers = &self.consumer.service.store.consumers;
        for (position, order) in consumers.orders(&self.consumer.name, ORDERS).await? {
            if self.orders.contains(&position) {
                continue;
            }
            match order {
                Order::Enable => self.enable(),
                Order::Retry => drop(self.backlog.wake(position)),
                // An event that is being delivered may be delivered yet; then there is nothing to skip.
                Order::Skip => drop(self.backlog.skip(position)),
            }
            self.orders.push(position);
            self.note_change();
        }
        Ok(())
    }

    fn enable(&mut self) {
        if let Some(reason) = self.disabled.take() {
            tracing::info!(
                consumer = self.consumer.name,
                reason,
                "event consumer enabled; it was disabled for this reason"
            );
        }
    }

    /// Stores the state.
    async fn commit(&mut self) -> Result<(), StoreError> {
        let service = &self.consumer.service;
        for waiting in std::mem::take(&mut self.to_park) {
            if let Some(logged) = service.store.events.find(waiting.position).await? {
                self.park(waiting, logged);
            }
        }
        let turn = Turn {
            state: ConsumerState {
                cursor: self.cursor,
                waiting: self.backlog.stored(),
                disabled: self.disabled.clone(),
                dormant_since: None,
            },
            parked: std::mem::take(&mut self.parked),
            orders: std::mem::take(&mut self.orders),
        };
        let committed =
            service
                .store
                .consumers
                .commit(&self.consumer.name, &self.lease.lease, &turn);
        match committed.await {
            Ok(()) => {
                self.commit_at = None;
                Ok(())
            }
            Err(error) => {
                self.parked = turn.parked;
                self.orders = turn.orders;
                Err(error)
            }
        }
    }
}
