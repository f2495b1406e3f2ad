//! The work for a consumer as long as this server holds its lease.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::base::Timestamp;
use crate::events::{
    AttemptResult, Attempted, Consumer, HeldLease, backlog::AfterFailure, backlog::Backlog,
};
use crate::store::{ConsumerState, LoggedEvent, Order, Parked, StoreError, Turn, WaitingEvent};
use crate::telemetry::{DeliveryOutcome, meter};

/// The number of events that are delivered at the same time. It is small, so that requests are not held up.
pub(super) const AT_ONCE: usize = 8;
/// The number of events that are read from the log at a time.
const PAGE: usize = 64;
/// How often the state is stored while events are delivered.
const COMMIT: Duration = Duration::from_millis(250);
/// How often the state is stored while the other system is down.
const COMMIT_WHILE_DOWN: Duration = Duration::from_secs(5);
/// How often the store is searched for orders of operators, and for events of other servers.
const LOOK: Duration = Duration::from_secs(1);
/// After so many failures in a row, the first success means that the other system works again.
const DOWN: u32 = 3;
/// Maximum number of orders that are carried out at a time.
const ORDERS: usize = 100;

/// An attempt that is under way.
type RunningAttempt<'a> = BoxFuture<'a, (WaitingEvent, Attempted)>;

/// The work for a consumer as long as this server holds its lease.
pub(super) struct ConsumerSession<'a> {
    consumer: &'a Consumer,
    lease: HeldLease,
    backlog: Backlog,
    /// The time of day and the reading of the monotonic clock at the start.
    begun: (Timestamp, Duration),
    flights: FuturesUnordered<RunningAttempt<'a>>,
    /// The last event that was taken from the log.
    cursor: u64,
    disabled: Option<String>,
    /// What is to be stored with the state.
    parked: Vec<Parked>,
    /// Events to park that must be read from the log first.
    to_park: Vec<WaitingEvent>,
    /// Orders that were carried out.
    orders: Vec<(u64, Order)>,
    /// Events to skip that are being delivered: if that fails, they are not tried again.
    to_skip: BTreeSet<u64>,
    /// Whether the log may have events after the cursor.
    is_unread: bool,
    /// When the state has to be stored; none if it has not changed.
    commit_at: Option<Instant>,
    look_at: Instant,
    /// Failed attempts since the last success.
    failures: u32,
    /// Whether an attempt of this session has succeeded.
    has_delivered: bool,
}

impl<'a> ConsumerSession<'a> {
    pub(super) fn new(consumer: &'a Consumer, state: ConsumerState, lease: HeldLease) -> Self {
        let clock = &consumer.service.clock;
        Self {
            backlog: Backlog::restored(state.waiting, clock.now()),
            begun: (clock.now(), clock.ticks()),
            consumer,
            lease,
            flights: FuturesUnordered::new(),
            cursor: state.cursor,
            disabled: state.disabled,
            parked: Vec::new(),
            to_park: Vec::new(),
            orders: Vec::new(),
            to_skip: BTreeSet::new(),
            is_unread: true,
            // The state may have been changed when it was read.
            commit_at: Some(Instant::now()),
            look_at: Instant::now(),
            failures: 0,
            has_delivered: false,
        }
    }

    /// Returns the time. If the clock is set meanwhile, no event fails for longer because of that.
    fn now(&self) -> Timestamp {
        let (begun, ticks) = self.begun;
        let passed = self.consumer.service.clock.ticks().saturating_sub(ticks);
        begun.plus(passed.as_secs())
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
        // Another server may begin to deliver the same events when the lease is stale.
        let patience = patience.min(self.lease.left());
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
            self.fill().await?;
            self.launch();
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some((waiting, attempted)) = self.flights.next() => self.landed(waiting, attempted),
                changed = appended.changed() => match changed {
                    Ok(()) => self.is_unread = true,
                    Err(_) => return Ok(()),
                },
                () = sleep_until(wake_at) => {}
            }
            self.upkeep().await?;
        }
    }

    /// Takes events from the log as long as there is room.
    async fn fill(&mut self) -> Result<(), StoreError> {
        if self.disabled.is_some() || !self.is_unread {
            return Ok(());
        }
        if !self.backlog.has_room() {
            self.make_room();
            return Ok(());
        }
        let events = &self.consumer.service.store.events;
        let page = events.page(self.cursor, PAGE).await?;
        self.is_unread = page.len() >= PAGE;
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
            self.backlog.add(WaitingEvent::first_attempt(logged));
        }
        Ok(())
    }

    /// Parks the event that has failed most often if the other system works and every other event is in a pause
    /// too, so that others go on. After an outage, all events that wait are tried before one is parked.
    fn make_room(&mut self) {
        let works = self.has_delivered && self.failures < DOWN;
        let is_idle = self.flights.is_empty() && !self.backlog.has_due();
        if works
            && is_idle
            && let Some(stuck) = self.backlog.most_failed().cloned()
        {
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
            && self.lease.left() > Duration::ZERO
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
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        if self.is_unread && self.disabled.is_none() && self.backlog.has_room() {
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
            // An outage fills the backlog, and only pauses change then.
            let is_down = self.failures >= DOWN;
            let pause = if is_down { COMMIT_WHILE_DOWN } else { COMMIT };
            self.commit_at = Some(Instant::now() + pause);
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
            AttemptResult::Unwanted => self.backlog.delivered(&waiting.client_id),
            AttemptResult::Done => {
                meter::event_attempt(&self.consumer.name, DeliveryOutcome::Delivered);
                self.backlog.delivered(&waiting.client_id);
                self.has_delivered = true;
                if self.failures >= DOWN {
                    self.backlog.wake_all();
                }
                self.failures = 0;
            }
            AttemptResult::Failed { error, resume_at } => {
                meter::event_attempt(&self.consumer.name, DeliveryOutcome::Failed);
                self.failures = self.failures.saturating_add(1);
                self.failed(waiting, logged, &error, resume_at);
            }
            AttemptResult::Refused(reason) => {
                meter::event_attempt(&self.consumer.name, DeliveryOutcome::Failed);
                self.disable(waiting, reason);
            }
        }
    }

    fn lost(&mut self, waiting: &WaitingEvent) {
        self.report_lost(waiting);
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

    fn report_lost(&self, waiting: &WaitingEvent) {
        tracing::error!(
            consumer = self.consumer.name,
            position = waiting.position,
            client_id = waiting.client_id.as_str(),
            "event lost: it was deleted from the log before it was delivered (store.events)"
        );
        meter::event_attempt(&self.consumer.name, DeliveryOutcome::Lost);
    }

    /// Decides what becomes of an event that failed.
    fn failed(
        &mut self,
        waiting: WaitingEvent,
        logged: Option<Box<LoggedEvent>>,
        error: &str,
        resume_at: Option<String>,
    ) {
        let now = self.now();
        let mut waiting = WaitingEvent {
            resume_at,
            ..waiting.after_failure(now, error)
        };
        if self.to_skip.remove(&waiting.position) {
            return self.backlog.delivered(&waiting.client_id);
        }
        let pause = self.consumer.pause(&waiting, now);
        match self.backlog.after_failure(&waiting.client_id, pause) {
            AfterFailure::Again(pause) => {
                self.warn_of_retry(&waiting, pause);
                waiting.due = Some(now.plus(pause.as_secs()));
                self.backlog.failed(waiting, pause);
            }
            AfterFailure::Superseded => {
                self.warn_of_drop(&waiting);
                self.backlog.delivered(&waiting.client_id);
            }
            AfterFailure::Park => {
                self.give_up(waiting, logged);
            }
        }
    }

    fn warn_of_drop(&self, waiting: &WaitingEvent) {
        tracing::warn!(
            consumer = self.consumer.name,
            position = waiting.position,
            client_id = waiting.client_id.as_str(),
            error = waiting.error,
            "event dropped: its delivery failed and the client was deleted"
        );
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
            given_up_at: self.consumer.service.clock.now(),
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
            self.is_unread = true;
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
            match order {
                Order::Enable => self.enable(),
                Order::Retry => drop(self.backlog.wake(position)),
                // The order stays in the store until it is known whether there is anything to skip.
                Order::Skip if self.backlog.is_flying(position) => {
                    self.to_skip.insert(position);
                    continue;
                }
                Order::Skip => {
                    self.backlog.skip(position);
                    self.to_skip.remove(&position);
                }
            }
            self.orders.push((position, order));
            self.commit_at = Some(Instant::now());
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
        self.read_parked().await?;
        let service = &self.consumer.service;
        let turn = Turn {
            state: ConsumerState {
                cursor: self.cursor,
                waiting: self.backlog.stored(),
                disabled: self.disabled.clone(),
                stored_at: Some(self.now()),
                dormant_since: None,
            },
            parked: std::mem::take(&mut self.parked),
        };
        let committed =
            service
                .store
                .consumers
                .commit(&self.consumer.name, &self.lease.lease, &turn);
        match committed.await {
            Ok(()) => self.commit_at = None,
            Err(error) => {
                self.parked = turn.parked;
                return Err(error);
            }
        }
        // A repeated order has no effect, so it may be removed after its effect is stored.
        for (position, order) in std::mem::take(&mut self.orders) {
            let consumers = &service.store.consumers;
            consumers
                .remove_order(&self.consumer.name, position, order)
                .await?;
        }
        Ok(())
    }

    /// Reads the events from the log that are to be parked.
    async fn read_parked(&mut self) -> Result<(), StoreError> {
        while let Some(waiting) = self.to_park.last() {
            let events = &self.consumer.service.store.events;
            let logged = events.find(waiting.position).await?;
            let Some(waiting) = self.to_park.pop() else {
                break;
            };
            match logged {
                Some(logged) => self.park(waiting, logged),
                None => self.report_lost(&waiting),
            }
        }
        Ok(())
    }
}
