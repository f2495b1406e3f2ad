//! The threads for scripts that are not known to be quick.
//!
//! They are none of those that serve requests. One whose script has worked for long gives way to all
//! others from then on, so that a script which works as long as it may holds up who asked for it, and
//! hardly anybody else. The system takes that back from nobody, so such a thread ends with its script.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use super::pace::Work;

/// What a script may work before its thread gives way.
pub(super) const LONG: Duration = Duration::from_micros(500);
/// How long a thread waits for another script before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// The least that a thread can get of a processor that others want too.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;
type Idle = Mutex<Vec<(u64, Sender<Job>)>>;

/// The threads. They are made when they are needed, and end when they are not. How many there are,
/// [`Turns`](super::turn::Turns) bounds.
#[derive(Default)]
pub(super) struct Threads {
    /// Those that wait for a script; the last one that came is the first to go.
    idle: Arc<Idle>,
    made: AtomicU64,
}

#[derive(Clone, Copy)]
enum At {
    Work(Work),
    /// It has given way.
    LongWork,
}

thread_local! {
    /// The script at which this thread is at work; none on threads of others.
    static AT_WORK: Cell<Option<At>> = const { Cell::new(None) };
}

impl Threads {
    /// Does `work`, which may take its time.
    ///
    /// # Errors
    /// When it panicked, or the system gives no thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let (done, outcome) = oneshot::channel();
        self.hand_over(Box::new(move || {
            // Who asked may have gone.
            let _ = done.send(work());
        }))?;
        outcome.await.map_err(|_| "a host function panicked".to_owned())
    }

    fn hand_over(&self, mut job: Job) -> Result<(), String> {
        loop {
            let waiting = lock(&self.idle).pop();
            let Some((_, thread)) = waiting else { break };
            match thread.send(job) {
                Ok(()) => return Ok(()),
                Err(back) => job = back.0,
            }
        }
        let name = self.made.fetch_add(1, Ordering::Relaxed);
        let idle = Arc::downgrade(&self.idle);
        let thread = std::thread::Builder::new().name("script".to_owned());
        thread.spawn(move || serve(name, &idle, job)).map(drop).map_err(|error| error.to_string())
    }
}

fn lock(idle: &Idle) -> MutexGuard<'_, Vec<(u64, Sender<Job>)>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread: `job`, and those after it.
fn serve(name: u64, idle: &Weak<Idle>, job: Job) {
    let (sender, jobs) = channel();
    let mut next = Some(job);
    while let Some(job) = next.take() {
        AT_WORK.set(Some(At::Work(Work::begin())));
        // One that panics ends this thread, and whoever asked is told.
        job();
        if let Some(At::LongWork) = AT_WORK.take() {
            return;
        }
        // The server has ended when nobody has the others.
        let Some(others) = idle.upgrade() else { return };
        lock(&others).push((name, sender.clone()));
        drop(others);
        next = wait(name, idle, &jobs);
    }
}

/// The next job; none when none comes.
fn wait(name: u64, idle: &Weak<Idle>, jobs: &Receiver<Job>) -> Option<Job> {
    match jobs.recv_timeout(IDLE) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            let others = idle.upgrade()?;
            let mut waiting = lock(&others);
            let place = waiting.iter().position(|(one, _)| *one == name);
            if let Some(place) = place {
                waiting.swap_remove(place);
                return None;
            }
            // Somebody took it just now, and sends a job.
            drop(waiting);
            jobs.recv_timeout(IDLE).ok()
        }
    }
}

/// Whether this thread is for scripts, and its own has worked for [`LONG`]: from then on the system
/// prefers all other threads to it.
pub(super) fn works_long() -> bool {
    match AT_WORK.get() {
        None => false,
        Some(At::LongWork) => true,
        Some(At::Work(work)) if work.done() < LONG => false,
        Some(At::Work(_)) => {
            AT_WORK.set(Some(At::LongWork));
            give_way();
            true
        }
    }
}

fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread for scripts does not give way");
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Field 19 of `/proc/thread-self/stat`; the name in field 2 may hold spaces.
    fn niceness() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields = stat.rsplit(") ").next().unwrap();
        fields.split(' ').nth(16).unwrap().parse().unwrap()
    }

    /// Works for so long, as a script does, and says how the system treats it then.
    fn work(time: Duration) -> (i32, std::thread::ThreadId) {
        let work = Work::begin();
        while work.done() < time {
            works_long();
        }
        works_long();
        (niceness(), std::thread::current().id())
    }

    #[tokio::test]
    async fn only_who_works_for_long_gives_way_and_its_thread_ends() {
        let (threads, usual) = (Threads::default(), niceness());
        let (first, thread) = threads.run(|| work(Duration::ZERO)).await.unwrap();
        assert_eq!(first, usual);
        // It says that it is done before it waits again.
        while lock(&threads.idle).is_empty() {
            tokio::task::yield_now().await;
        }
        let (second, same) = threads.run(|| work(2 * LONG)).await.unwrap();
        assert_eq!((second, same), ((usual + NICENESS).min(19), thread), "threads are used again");
        let (third, other) = threads.run(|| work(Duration::ZERO)).await.unwrap();
        assert!(third == usual && other != thread);
        assert_eq!(niceness(), usual);
        assert_eq!(work(2 * LONG).0, usual, "a thread of somebody else never gives way");
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_others_go_on() {
        let threads = Threads::default();
        let many: Vec<_> = (0..20)
            .map(|number| {
                threads.run(move || if number % 2 == 0 { number } else { std::panic::panic_any("no") })
            })
            .collect();
        for (number, outcome) in futures_util::future::join_all(many).await.into_iter().enumerate() {
            assert_eq!(outcome.ok(), (number % 2 == 0).then_some(number));
        }
        drop(threads);
    }
}
