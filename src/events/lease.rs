//! Which of several servers works for a consumer, or on anything else that only one of them may do.
//!
//! The holder changes the value of the lease every few seconds. Another server takes it over when it has not seen
//! a change for a while by its own clock, so the clocks of the servers need not agree.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::random;
use crate::store::{Consumers, Lease, Store, StoreError};

/// How often the holder changes the value.
const BEAT: Duration = Duration::from_secs(3);
/// How long the value stays before another server takes over. With [`LOOK`], that takes less than 15 seconds.
const STALE: Duration = Duration::from_secs(10);
/// How often another server looks.
const LOOK: Duration = Duration::from_secs(1);

/// The lease of a consumer in the hands of this server. On a store that no other server uses, there is none.
pub(crate) struct HeldLease {
    pub(super) lease: Lease,
    consumers: Consumers,
    name: String,
    owner: String,
    beat: u64,
    next_beat: Option<Instant>,
}

impl HeldLease {
    /// Waits until this server may work for the consumer; none when `stop` comes first.
    pub(crate) async fn take(store: &Store, name: &str, stop: &CancellationToken) -> Option<Self> {
        tokio::select! {
            () = stop.cancelled() => None,
            held = Self::wait(store, name) => Some(held),
        }
    }

    async fn wait(store: &Store, name: &str) -> Self {
        let mut held = Self {
            lease: Lease::default(),
            consumers: store.consumers.clone(),
            name: name.to_owned(),
            owner: random::client_id(),
            beat: 0,
            next_beat: None,
        };
        if !store.is_shared() {
            return held;
        }
        let mut seen: Option<(Lease, Instant)> = None;
        loop {
            match held.try_take(&mut seen).await {
                Ok(true) => return held,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(consumer = name, %error, "cannot read which server holds the lease");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes the lease if nobody holds it, or if its holder has not changed it for a while.
    async fn try_take(&mut self, seen: &mut Option<(Lease, Instant)>) -> Result<bool, StoreError> {
        let found = self.consumers.lease(&self.name).await?;
        let since = match seen {
            Some((lease, since)) if *lease == found => *since,
            _ => Instant::now(),
        };
        *seen = Some((found.clone(), since));
        if found != Lease::default() && since.elapsed() < STALE {
            return Ok(false);
        }
        // An attempt whose outcome is not known may have written the previous value.
        self.beat += 1;
        let next = Instant::now() + BEAT;
        let taken = self
            .consumers
            .take_lease(&self.name, &found, &self.owner, self.beat)
            .await?;
        let Some(lease) = taken else {
            return Ok(false);
        };
        self.lease = lease;
        self.next_beat = Some(next);
        Ok(true)
    }

    /// Returns when the value must be changed next; never on a store that no other server uses.
    pub(super) const fn next_beat(&self) -> Option<Instant> {
        self.next_beat
    }

    /// Returns how long no other server can have taken over.
    pub(super) fn left(&self) -> Duration {
        self.next_beat.map_or(Duration::MAX, |next| {
            (next + STALE.saturating_sub(BEAT)).saturating_duration_since(Instant::now())
        })
    }

    /// Changes the value if it is time. Returns whether this server still holds the lease.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn keep(&mut self) -> Result<bool, StoreError> {
        if self.next_beat.is_none_or(|beat| beat > Instant::now()) {
            return Ok(true);
        }
        self.beat += 1;
        let next = Instant::now() + BEAT;
        let kept = self
            .consumers
            .take_lease(&self.name, &self.lease, &self.owner, self.beat)
            .await?;
        self.next_beat = Some(next);
        match kept {
            Some(lease) => {
                self.lease = lease;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Gives the lease up, so that another server can take over at once.
    pub(crate) async fn release(self) {
        if self.next_beat.is_none() {
            return;
        }
        if let Err(error) = self.consumers.release_lease(&self.name, &self.lease).await {
            tracing::warn!(consumer = self.name, %error, "cannot hand over the lease");
        }
    }
}
