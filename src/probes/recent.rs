//! Whether something is well: looked at once for all who ask, and remembered for a moment.
//!
//! A look costs something, and anybody may ask. So however many do, one look is under way, and there
//! is no more than one in the time for which its outcome is remembered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// For how long an outcome is remembered: so long it may take until a change is noticed.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Whether all was well, and when that was seen; none while nobody knows.
type Look = watch::Receiver<Option<(bool, Instant)>>;

/// The last look.
#[derive(Default)]
pub(super) struct Recent {
    last: Mutex<Option<Look>>,
    tasks: TaskTracker,
}

impl Recent {
    /// Whether all is well: what the last look saw, when that was a moment ago or is still to come;
    /// else what `look` sees.
    pub(super) async fn is_well<F>(&self, look: impl FnOnce() -> F) -> bool
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let mut last = self.last(look);
        // A look that broke off saw nothing that is well.
        let seen = last.wait_for(Option::is_some).await.ok().and_then(|seen| *seen);
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

    /// Looks, in a task of its own: it goes on when those who asked go away, so that whoever comes and
    /// goes begins no second one, and what it sees is as old as it seems.
    fn begin(&self, look: impl Future<Output = bool> + Send + 'static) -> Look {
        let (tell, told) = watch::channel(None);
        self.tasks.spawn(async move {
            let is_well = look.await;
            tell.send_replace(Some((is_well, Instant::now())));
        });
        told
    }
}

/// Whether `look` is under way, or ended a moment ago.
fn is_recent(look: &Look) -> bool {
    let seen = *look.borrow();
    match seen {
        Some((_, at)) => at.elapsed() < REMEMBERED,
        // One that broke off will tell nothing any more.
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

    /// How long a look takes.
    const TAKES: Duration = Duration::from_millis(100);
    /// The least by which the clock moves.
    const TICK: Duration = Duration::from_millis(1);
    /// So much less than an outcome is remembered.
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
    async fn all_who_ask_within_a_second_share_one_look() {
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
    async fn who_goes_away_begins_no_second_look_and_leaves_no_old_outcome() {
        let asked = Asked::default();
        for _ in 0..10 {
            assert!(timeout(TICK, asked.is_well()).await.is_err(), "nobody waits for the outcome");
        }
        assert!(asked.is_well().await);
        assert_eq!(asked.looks(), 1);
        advance(REMEMBERED).await;
        assert!(timeout(TICK, asked.is_well()).await.is_err());
        sleep(REMEMBERED * 60).await;
        asked.is_broken.store(true, Ordering::Relaxed);
        assert!(!asked.is_well().await, "what the look before saw was a minute ago");
        assert_eq!(asked.looks(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_breaks_off_is_not_waited_for() {
        let recent = Recent::default();
        let broken = recent.is_well(|| async {
            assert!(std::hint::black_box(false), "it breaks off");
            true
        });
        assert!(!broken.await);
        assert!(recent.is_well(|| async { true }).await);
    }
}
