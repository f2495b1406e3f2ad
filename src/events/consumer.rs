//! Works for one consumer: takes events from the log, delivers them, and stores how far it has come.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::base::Timestamp;
use crate::events::{
    HOOKS, HOUR, HeldLease, hooks, session::AT_ONCE, session::ConsumerSession, webhook,
};
use crate::fetch::Fetcher;
use crate::service::Service;
use crate::store::{ConsumerState, LoggedEvent, StoreError, WaitingEvent};

/// How long the server waits after the store has failed.
const AFTER_STORE_FAILURE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// An event to be delivered.
pub(super) struct Delivery {
    pub(super) logged: LoggedEvent,
    /// The number of this attempt, starting at 1.
    pub(super) attempt: u32,
    /// Where the last attempt stopped.
    pub(super) resume_at: Option<String>,
}

/// The outcome of an attempt.
pub(super) enum AttemptResult {
    /// The event was received.
    Done,
    /// The consumer does not want the event. That says nothing about whether the other system works.
    Unwanted,
    /// The attempt failed.
    Failed {
        /// Why.
        error: String,
        /// Where the next attempt starts.
        resume_at: Option<String>,
    },
    /// The consumer wants no more events, for this reason.
    Refused(String),
}

impl AttemptResult {
    pub(super) fn failed(error: &impl ToString) -> Self {
        Self::Failed {
            error: error.to_string(),
            resume_at: None,
        }
    }
}

/// Notes in the store that a consumer is no longer configured. If it comes back soon, it continues where it stopped.
pub(super) async fn note_dormant(service: &Service, name: &str) {
    let now = service.clock.now();
    let noted = service.store.consumers.change_idle(name, |state| {
        Some(ConsumerState {
            dormant_since: Some(now),
            ..state
        })
    });
    if let Err(error) = noted.await {
        tracing::warn!(consumer = name, %error, "cannot note that a consumer has ended");
    }
}

/// Makes sure that a consumer has a cursor, before it is in force: one that is new, or that nobody configured for
/// longer than `retry_hours`, receives all events from now on.
pub(super) async fn prepare(
    service: &Service,
    name: &str,
    retry_hours: u64,
) -> Result<(), StoreError> {
    let (store, now) = (&service.store, service.clock.now());
    let fresh = ConsumerState {
        cursor: store.events.last().await?,
        ..ConsumerState::default()
    };
    store.consumers.begin(name, &fresh).await?;
    let renew = |state: ConsumerState| {
        let until = state.dormant_since?.plus(retry_hours.saturating_mul(HOUR));
        (now > until).then_some(fresh)
    };
    store.consumers.change_idle(name, renew).await.map(drop)
}

/// One consumer.
pub(super) struct Consumer {
    pub(super) service: Arc<Service>,
    pub(super) name: String,
    /// A webhook that is slow must not hold up what requests fetch.
    fetcher: Fetcher,
}

impl Consumer {
    pub(super) fn new(service: Arc<Service>, name: &str) -> Self {
        Self {
            fetcher: service.fetcher.apart(AT_ONCE),
            service,
            name: name.to_owned(),
        }
    }

    /// Works for the consumer until `stop`. Deliveries that were begun then have `patience` to finish.
    pub(super) async fn work(self, stop: CancellationToken, patience: Duration) {
        while let Some(lease) = HeldLease::take(&self.service.store, &self.name, &stop).await {
            match self.state().await {
                Ok(state) => {
                    let session = ConsumerSession::new(&self, state, lease);
                    session.run(&stop, patience).await;
                }
                Err(error) => {
                    tracing::error!(consumer = self.name, %error, "cannot read how far events were delivered");
                    lease.release().await;
                }
            }
            if stop.is_cancelled() {
                return;
            }
            tokio::time::sleep(AFTER_STORE_FAILURE).await;
        }
    }

    /// Returns how far the consumer has come. Events do not count as failing while no server worked for it.
    async fn state(&self) -> Result<ConsumerState, StoreError> {
        let store = &self.service.store;
        let Some(mut state) = store.consumers.state(&self.name).await? else {
            // [`prepare`] failed.
            return Ok(ConsumerState {
                cursor: store.events.last().await?,
                ..ConsumerState::default()
            });
        };
        let now = self.service.clock.now();
        let stored_at = state.stored_at.unwrap_or(now);
        let idle = now.unix().saturating_sub(stored_at.unix());
        for waiting in &mut state.waiting {
            let since = waiting.failing_since.map(|since| since.plus(idle).min(now));
            waiting.failing_since = since;
        }
        Ok(state)
    }

    fn retry_hours(&self) -> u64 {
        self.service.snapshot().live.registration.event_retry_hours
    }

    /// Returns the pause before the attempt after the failed attempt number `attempt`; none when the event is given
    /// up.
    pub(super) fn pause(&self, waiting: &WaitingEvent, now: Timestamp) -> Option<Duration> {
        let since = waiting.failing_since?;
        let end = since.plus(self.retry_hours().saturating_mul(HOUR));
        let pauses = &self.service.settings.scripts.retry_pauses_ms;
        let last = *pauses.last()?;
        if now > end {
            return None;
        }
        let done = usize::try_from(waiting.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let pause = pauses.get(done).copied().unwrap_or_else(|| {
            let beyond = done.saturating_sub(pauses.len()).saturating_add(1).min(20);
            last.max(1).saturating_mul(1 << beyond)
        });
        Some(Duration::from_millis(pause).min(LONGEST_PAUSE))
    }

    /// Makes one attempt to deliver the event of `waiting`.
    pub(super) async fn attempt(&self, waiting: &WaitingEvent) -> Attempted {
        let logged = match self.service.store.events.find(waiting.position).await {
            Ok(Some(logged)) => logged,
            Ok(None) => return Attempted::Missing,
            Err(error) => return Attempted::Tried(None, AttemptResult::failed(&error)),
        };
        let event = &logged.event;
        if event
            .consumer
            .as_ref()
            .is_some_and(|only| *only != self.name)
        {
            return Attempted::Tried(None, AttemptResult::Unwanted);
        }
        let span = tracing::info_span!(
            "event",
            consumer = self.name,
            position = logged.position,
            client_id = event.client_id.as_str(),
            correlation_id = event.correlation_id,
        );
        let delivery = Delivery {
            attempt: waiting.attempts.saturating_add(1),
            resume_at: waiting.resume_at.clone(),
            logged,
        };
        let outcome = self.deliver(&delivery).instrument(span).await;
        Attempted::Tried(Some(Box::new(delivery.logged)), outcome)
    }

    async fn deliver(&self, delivery: &Delivery) -> AttemptResult {
        if self.name == HOOKS {
            return hooks::deliver(&self.service, delivery).await;
        }
        webhook::deliver(&self.service, &self.fetcher, &self.name, delivery).await
    }
}

/// The outcome of an attempt, with the event.
pub(super) enum Attempted {
    /// The log no longer has the event.
    Missing,
    /// The attempt was made.
    Tried(Option<Box<LoggedEvent>>, AttemptResult),
}
