//! A health check whose result is shared by all callers and remembered for a moment.
//!
//! A check costs something, and anybody may request it. Therefore only one check runs at a time, and only one
//! in the period for which its result is remembered, however many callers there are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// How long a result is remembered, and thus how late a change may be noticed.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Whether the check succeeded, and when; none until a result is known.
type Look = watch::Receiver<Option<(bool, Instant)>>;

/// The last check.
#[derive(Default)]
pub(super) struct Recent {
    last: Mutex<Option<Look>>,
    tasks: TaskTracker,
}

impl Recent {
    /// Returns the result of the last check if that is recent or still running, else the result of a new
    /// check with `look`.
    pub(super) async fn is_well<F>(&self, look: impl FnOnce() -> F) -> bool
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let mut last = self.last(look);
        // An aborted check counts as a failure.
        let seen = last
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|seen| *seen);
        seen.is_some_and(|(is_well, _)| is_well)
    }

    fn last<F>(&self, look: impl FnOnce() -> F) -> Look
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| is_recent(known)) {
            return known.clone();
        }
        last.insert(self.begin(look())).clone()
    }

    /// Starts a check in its own task. It continues when its callers disconnect, so that callers that come
    /// and go start no second one, and its result is as old as recorded.
    fn begin(&self, look: impl Future<Output = bool> + Send + 'static) -> Look {
        let (tell, told) = watch::channel(None);
        self.tasks.spawn(async move {
            let is_well = look.await;
            tell.send_replace(Some((is_well, Instant::now())));
        });
        told
    }
}

/// Whether `look` is running, or has ended recently.
fn is_recent(look: &Look) -> bool {
    let seen = *look.borrow();
    match seen {
        Some((_, at)) => at.elapsed() < REMEMBERED,
        // An aborted check never has a result.
        None => look.has_changed().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    /// The duration of a check.
    const TAKES: Duration = Duration::from_millis(100);
    /// The smallest step of the clock.
    const TICK: Duration = Duration::from_millis(1);
    /// A little less than the time for which a result is remembered.
    const ALMOST: Duration = Duration::from_millis(999);

    #[derive(Default)]
    struct Asked {
        recent: Recent,
        looks: Arc<AtomicUsize>,
        is_broken: Arc<AtomicBool>,
    }

    impl Asked {
        async fn is_well(&self) -> bool {
            let look = || {
                let (looks, is_broken) = (Arc::clone(&self.looks), Arc::clone(&self.is_broken));
                async move {
                    looks.fetch_add(1, Ordering::Relaxed);
                    sleep(TAKES).await;
                    !is_broken.load(Ordering::Relaxed)
                }
            };
            self.recent.is_well(look).await
        }

        fn looks(&self) -> usize {
            self.looks.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_probes_within_a_second_share_one_check() {
        let asked = Asked::default();
        let answers = join_all((0..100).map(|_| asked.is_well())).await;
        assert!(answers.into_iter().all(|is_well| is_well));
        advance(ALMOST).await;
        assert!(asked.is_well().await);
        assert_eq!(asked.looks(), 1);
        advance(TICK).await;
        assert!(asked.is_well().await);
        assert_eq!(asked.looks(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_noticed_within_a_second() {
        let asked = Asked::default();
        for is_broken in [false, true, false] {
            asked.is_broken.store(is_broken, Ordering::Relaxed);
            assert_eq!(asked.is_well().await, !is_broken);
            advance(REMEMBERED).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_probe_starts_no_second_check_and_leaves_no_stale_result() {
        let asked = Asked::default();
        for _ in 0..10 {
            assert!(
                timeout(TICK, asked.is_well()).await.is_err(),
                "nobody waits for the outcome"
            );
        }
        assert!(asked.is_well().await);
        assert_eq!(asked.looks(), 1);
        advance(REMEMBERED).await;
        assert!(timeout(TICK, asked.is_well()).await.is_err());
        sleep(REMEMBERED * 60).await;
        asked.is_broken.store(true, Ordering::Relaxed);
        assert!(
            !asked.is_well().await,
            "what the look before saw was a minute ago"
        );
        assert_eq!(asked.looks(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_breaks_off_is_not_awaited() {
        let recent = Recent::default();
        let broken = recent.is_well(|| async {
            assert!(std::hint::black_box(false), "it breaks off");
            true
        });
        assert!(!broken.await);
        assert!(recent.is_well(|| async { true }).await);
    }
}
