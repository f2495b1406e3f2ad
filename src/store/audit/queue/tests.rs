//! Refusals, many and few, and a store that does not take them.

use std::ops::Range;
use std::sync::atomic::AtomicUsize;

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::Timestamp;
use crate::store::backend::{Backend, Change, Facts, Pair};
use crate::store::memory::Memory;

/// A store that counts its changes, and takes none while it is broken.
#[derive(Default)]
struct Counting {
    memory: Memory,
    changes: AtomicUsize,
    is_broken: std::sync::atomic::AtomicBool,
}

impl Backend for Counting {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.memory.get(key)
    }

    fn scan(&self, range: Range<Vec<u8>>, limit: usize) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        self.memory.scan(range, limit)
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<Vec<i64>, StoreError>> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::Busy) });
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.memory.apply(change)
    }

    fn facts(&self) -> Facts {
        self.memory.facts()
    }
}

fn event(subject: usize) -> AuditEvent {
    let event =
        Author::default().did(Action::RegistrationRefused, subject.to_string(), Timestamp::from_unix(5));
    event.refused("invalid_redirect_uri")
}

struct Running {
    queue: AuditQueue,
    log: AuditLog,
    store: Arc<Counting>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

fn run() -> Running {
    let store = Arc::new(Counting::default());
    let log = AuditLog::new(store.clone());
    let (queue, writer) = queue(log.clone());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(writer.run(stop.clone()));
    tasks.close();
    Running { queue, log, store, stop, tasks }
}

async fn subjects(log: &AuditLog) -> Vec<String> {
    log.page(0, 10_000).await.unwrap().into_iter().map(|logged| logged.event.subject).collect()
}

#[tokio::test(start_paused = true)]
async fn many_refusals_share_a_change_and_keep_their_order() {
    let running = run();
    for subject in 0..1_200 {
        running.queue.leave(event(subject));
    }
    running.queue.flush().await;
    let expected: Vec<_> = (0..1_200).map(|subject| subject.to_string()).collect();
    assert_eq!(subjects(&running.log).await, expected);
    assert_eq!(running.store.changes.load(Ordering::Relaxed), 3);
    running.queue.flush().await;
    assert_eq!(running.store.changes.load(Ordering::Relaxed), 3, "nothing to write is no change");
}

#[tokio::test(start_paused = true)]
async fn a_single_one_is_written_soon() {
    let running = run();
    running.queue.leave(event(1));
    tokio::time::sleep(PAUSE / 2).await;
    assert!(subjects(&running.log).await.is_empty());
    running.queue.leave(event(2));
    tokio::time::sleep(PAUSE).await;
    assert_eq!(subjects(&running.log).await, ["1", "2"]);
    assert_eq!(running.store.changes.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn those_for_which_there_is_no_place_are_counted() {
    let running = run();
    for subject in 0..MOST_WAITING + 10 {
        running.queue.leave(event(subject));
    }
    running.queue.flush().await;
    let logged = running.log.page(0, 10_000).await.unwrap();
    let lost: Vec<_> = logged.iter().filter(|one| one.event.action == Action::RefusalsLost).collect();
    assert_eq!(logged.len(), MOST_WAITING + 1);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].event.details["count"], 10);
}

#[tokio::test(start_paused = true)]
async fn those_that_the_store_does_not_take_are_counted_too() {
    let running = run();
    running.store.is_broken.store(true, Ordering::Relaxed);
    (0..3).for_each(|subject| running.queue.leave(event(subject)));
    running.queue.flush().await;
    running.store.is_broken.store(false, Ordering::Relaxed);
    running.queue.leave(event(9));
    running.queue.flush().await;
    let logged = running.log.page(0, 10).await.unwrap();
    assert_eq!(logged.len(), 2);
    assert_eq!(logged[1].event.details["count"], 3);
}

#[tokio::test(start_paused = true)]
async fn all_that_was_left_is_written_at_the_end() {
    let running = run();
    (0..700).for_each(|subject| running.queue.leave(event(subject)));
    running.stop.cancel();
    running.tasks.wait().await;
    assert_eq!(subjects(&running.log).await.len(), 700);
    running.queue.flush().await;
}
