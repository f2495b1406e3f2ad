//! Rejections, few and many, and a store that does not accept them.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

use super::{losses::BURST, losses::GAP, losses::TELL, *};
use crate::base::Timestamp;
use crate::store::{Backend, BackendFacts, Change, Logged, Pair, backend::memory::Memory};

/// A store that counts its changes, and rejects all of them while it is broken.
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

    fn scan(
        &self,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Pair>, StoreError>> {
        self.memory.scan(range, limit)
    }

    fn apply(&self, change: Change) -> BoxFuture<'_, Result<crate::store::Applied, StoreError>> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::Busy) });
        }
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.memory.apply(change)
    }

    fn facts(&self) -> BackendFacts {
        self.memory.facts()
    }
}

fn refused(author: &Author, subject: usize) -> AuditEvent {
    let event = author.did(
        Action::RegistrationRefused,
        subject.to_string(),
        Timestamp::from_unix(5),
    );
    event.refused("invalid_redirect_uri")
}

/// A rejected request of an authenticated caller.
fn event(subject: usize) -> AuditEvent {
    let author = Author {
        actor: Some("administrator".to_owned()),
        ..Author::default()
    };
    refused(&author, subject)
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
    let log = AuditLog::new(store.clone(), Arc::default());
    let (queue, writer) = queue(log.clone());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(writer.run(stop.clone()));
    tasks.close();
    Running {
        queue,
        log,
        store,
        stop,
        tasks,
    }
}

impl Running {
    /// This many rejections of an unauthenticated caller.
    fn flood(&self, many: u32) {
        (0..many).for_each(|_| self.queue.leave(refused(&Author::default(), 0)));
    }

    /// Returns how many events of strangers were written, how many of others, and each recorded number of
    /// lost events.
    async fn written(&self) -> (u64, u64, Vec<u64>) {
        let (mut strangers, mut others, mut lost) = (0, 0, Vec::new());
        for Logged { event, .. } in self.log.page(0, 100_000).await.unwrap() {
            match event.action {
                Action::RefusalsLost => lost.push(event.details["count"].as_u64().unwrap()),
                _ if event.actor.is_none() => strangers += 1,
                _ => others += 1,
            }
        }
        (strangers, others, lost)
    }
}

async fn subjects(log: &AuditLog) -> Vec<String> {
    log.page(0, 10_000)
        .await
        .unwrap()
        .into_iter()
        .map(|logged| logged.event.subject)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn many_rejections_share_a_change_and_keep_their_order() {
    let running = run();
    for subject in 0..1_200 {
        running.queue.leave(event(subject));
    }
    running.queue.flush().await;
    let expected: Vec<_> = (0..1_200).map(|subject| subject.to_string()).collect();
    assert_eq!(subjects(&running.log).await, expected);
    assert_eq!(running.store.changes.load(Ordering::Relaxed), 3);
    running.queue.flush().await;
    assert_eq!(
        running.store.changes.load(Ordering::Relaxed),
        3,
        "without events, nothing is written"
    );
}

#[tokio::test(start_paused = true)]
async fn a_single_event_is_written_soon() {
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
async fn events_without_space_are_counted() {
    let running = run();
    for subject in 0..MOST_WAITING + 10 {
        running.queue.leave(event(subject));
    }
    running.queue.flush().await;
    let logged = running.log.page(0, 10_000).await.unwrap();
    let lost: Vec<_> = logged
        .iter()
        .filter(|one| one.event.action == Action::RefusalsLost)
        .collect();
    assert_eq!(logged.len(), MOST_WAITING + 1);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].event.details["count"], 10);
}

#[tokio::test(start_paused = true)]
async fn events_that_the_store_rejects_are_counted_too() {
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
async fn remaining_events_are_written_at_the_end() {
    let running = run();
    (0..700).for_each(|subject| running.queue.leave(event(subject)));
    running.stop.cancel();
    running.tasks.wait().await;
    assert_eq!(subjects(&running.log).await.len(), 700);
    running.queue.flush().await;
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_requests_cannot_displace_other_events() {
    let running = run();
    for turn in 0..10 {
        running.flood(100);
        running.queue.leave(event(turn));
    }
    running.queue.flush().await;
    assert_eq!(
        running.written().await,
        (u64::from(BURST), 10, vec![1_000 - u64::from(BURST)])
    );
    running.queue.flush().await;
    assert_eq!(
        running.store.changes.load(Ordering::Relaxed),
        1,
        "losses are reported once"
    );
}

#[tokio::test(start_paused = true)]
async fn self_registered_clients_count_as_unauthenticated_too() {
    let running = run();
    for subject in 0..1_000 {
        running.queue.leave_of_stranger(event(subject));
    }
    running.queue.flush().await;
    assert_eq!(
        running.written().await,
        (0, u64::from(BURST), vec![1_000 - u64::from(BURST)])
    );
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_requests_are_recorded_again_after_a_while() {
    let running = run();
    let expect = async |strangers: u32| {
        running.flood(2 * BURST);
        running.queue.flush().await;
        assert_eq!(running.written().await.0, u64::from(strangers));
    };
    expect(BURST).await;
    tokio::time::sleep(GAP * 20).await;
    expect(BURST + 20).await;
    tokio::time::sleep(GAP * BURST * 10).await;
    expect(2 * BURST + 20).await;
}

#[tokio::test(start_paused = true)]
async fn the_number_of_lost_events_is_recorded_periodically_and_at_the_end() {
    let running = run();
    for _ in 0..50 {
        running.flood(100);
        tokio::time::sleep(TELL / 100).await;
    }
    assert_eq!(
        running.written().await.2.len(),
        1,
        "the last report is old enough"
    );
    running.stop.cancel();
    running.tasks.wait().await;
    let (strangers, _, lost) = running.written().await;
    assert_eq!(
        (lost.len(), strangers + lost.iter().sum::<u64>()),
        (2, 5_000),
        "every loss is counted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_the_log_sees_the_number_of_lost_events() {
    let running = run();
    running.flood(BURST + 1);
    running.queue.flush().await;
    running.flood(7);
    running.queue.flush().await;
    assert_eq!(
        running.written().await.2,
        [1, 7],
        "even if nothing else is written with the last"
    );
}
