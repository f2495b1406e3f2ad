//! The number of concurrent fetches, in total and for each host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The number of hosts that are remembered before idle ones are removed.
const REMEMBERED: usize = 1_024;

/// The fetches that are running or queued.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
    per_host: usize,
}

/// A turn. Dropping it lets the next fetch begin.
pub(super) struct FetchTurn {
    _of_all: OwnedSemaphorePermit,
    _of_host: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(all: usize, per_host: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Self {
            all,
            hosts: Mutex::default(),
            per_host: per_host.min(Semaphore::MAX_PERMITS),
        }
    }

    /// Waits for a turn with `host`. The queue of the host comes first, so that fetches from a slow host do
    /// not delay the others.
    pub(super) async fn wait(&self, host: &str) -> Result<FetchTurn, AcquireError> {
        let of_host = self.queue(host).acquire_owned().await?;
        let of_all = Arc::clone(&self.all).acquire_owned().await?;
        Ok(FetchTurn {
            _of_all: of_all,
            _of_host: of_host,
        })
    }

    fn queue(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= REMEMBERED {
            // A turn, and every fetch that waits for one, holds the queue too.
            hosts.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        let fresh = || Arc::new(Semaphore::new(self.per_host));
        Arc::clone(hosts.entry(host.to_owned()).or_insert_with(fresh))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_host_does_not_delay_another() {
        let turns = Turns::new(3, 2);
        let first = turns.wait("a").await.unwrap();
        let _second = turns.wait("a").await.unwrap();
        assert!(turns.wait("a").now_or_never().is_none());
        let _other = turns.wait("b").await.unwrap();
        assert!(turns.wait("c").now_or_never().is_none());
        drop(first);
        assert!(turns.wait("c").now_or_never().is_some());
    }

    #[tokio::test]
    async fn hosts_without_requests_are_forgotten() {
        let turns = Turns::new(1, 1);
        let held = turns.wait("held").await.unwrap();
        for number in 0..3 * REMEMBERED {
            assert!(turns.wait(&format!("{number}")).now_or_never().is_none());
        }
        assert!(turns.hosts.lock().unwrap().len() <= REMEMBERED);
        drop(held);
        turns.wait("held").await.unwrap();
    }
}
