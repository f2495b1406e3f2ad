//! Works for one consumer: takes events from the log, delivers them, and stores how far it has come.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::events::{HOOKS, HOUR, HeldLease, hooks, session::AT_ONCE, session::Session, webhook};
use crate::fetch::Fetcher;
use crate::service::Service;
use crate::store::{ConsumerState, LoggedEvent, StoreError, Turn, WaitingEvent};

/// How long the server waits after the store has failed.
const AFTER_STORE_FAILURE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// An event to be delivered.
pub(super) struct Delivery {
    pub(super) logged: LoggedEvent,
    /// The number of this attempt, starting at 1.
    pub(super) attempt: u32,
    /// Where the last attempt stopped.
    pub(super) resume_at: Option<String>,
}

/// The outcome of an attempt.
pub(super) enum Attempt {
    /// The event was received, or its consumer does not want it.
    Done,
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

impl Attempt {
    pub(super) fn failed(error: &impl ToString) -> Self {
        Self::Failed {
            error: error.to_string(),
            resume_at: None,
        }
    }
}

/// Notes in the store that a consumer is no longer configured. If it comes back soon, it continues where it stopped.
pub(super) async fn note_dormant(service: &Service, name: &str) {
    let noted = async {
        let Some(mut state) = service.store.consumers.state(name).await? else {
            return Ok(());
        };
        state.dormant_since = Some(service.clock.now());
        let turn = Turn {
            state,
            ..Turn::default()
        };
        let lease = service.store.consumers.lease(name).await?;
        service.store.consumers.commit(name, &lease, &turn).await
    };
    match noted.await {
        // Another server works for the consumer now.
        Ok(()) | Err(StoreError::Conflict) => {}
        Err(error) => {
            tracing::warn!(consumer = name, %error, "cannot note that a consumer has ended");
        }
    }
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
                    let session = Session::new(&self, state, lease);
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

    /// Returns how far the consumer has come. One that nobody configured for long starts with the next event.
    async fn state(&self) -> Result<ConsumerState, StoreError> {
        let store = &self.service.store;
        let stored = store.consumers.state(&self.name).await?;
        let (now, hours) = (self.service.clock.now(), self.retry_hours());
        let is_recent = |state: &ConsumerState| {
            let since = state.dormant_since;
            since.is_none_or(|since| now <= since.plus(hours.saturating_mul(HOUR)))
        };
        let state = match stored {
            Some(state) if is_recent(&state) => ConsumerState {
                dormant_since: None,
                ..state
            },
            _ => ConsumerState {
                cursor: store.events.last().await?,
                ..ConsumerState::default()
            },
        };
        Ok(state)
    }

    fn retry_hours(&self) -> u64 {
        self.service.snapshot().live.registration.event_retry_hours
    }

    /// Returns the pause before the attempt after the failed attempt number `attempt`; none when the event is given
    /// up.
    pub(super) fn pause(&self, waiting: &WaitingEvent) -> Option<Duration> {
        let since = waiting.failing_since?;
        let end = since.plus(self.retry_hours().saturating_mul(HOUR));
        let pauses = &self.service.settings.scripts.retry_pauses_ms;
        let last = *pauses.last()?;
        if self.service.clock.now() > end {
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
            Err(error) => return Attempted::Tried(None, Attempt::failed(&error)),
        };
        let event = &logged.event;
        if event
            .consumer
            .as_ref()
            .is_some_and(|only| *only != self.name)
        {
            return Attempted::Tried(None, Attempt::Done);
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

    async fn deliver(&self, delivery: &Delivery) -> Attempt {
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
    Tried(Option<Box<LoggedEvent>>, Attempt),
}
