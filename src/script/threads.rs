//! The threads for scripts that are not known to be quick.
//!
//! They are none of those that serve requests. One whose script has worked for long gives way to all
//! others from then on, so that a script which works as long as it may holds up who asked for it, and
//! hardly anybody else. The system takes that back from nobody, so such a thread ends with its script.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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

/// The threads. They are made when they are needed, and end when they are not. How many there are,
/// [`Turns`](super::turn::Turns) bounds.
#[derive(Default)]
pub(super) struct Threads(Arc<Shared>);

/// What the threads and those who need one have in common.
#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    /// There is a job, or there will be none any more.
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    /// Jobs for threads that wait; never more than those.
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    waiting: usize,
    is_over: bool,
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

    fn hand_over(&self, job: Job) -> Result<(), String> {
        let mut line = self.0.line();
        if line.waiting > line.jobs.len() {
            line.jobs.push_back(job);
            self.0.changed.notify_one();
            return Ok(());
        }
        drop(line);
        let shared = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("script".to_owned());
        thread.spawn(move || shared.serve(job)).map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.line().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread: `job`, and those after it.
    fn serve(&self, job: Job) {
        let mut next = Some(job);
        while let Some(job) = next {
            AT_WORK.set(Some(At::Work(Work::begin())));
            // One that panics ends this thread, and whoever asked is told.
            job();
            if let Some(At::LongWork) = AT_WORK.take() {
                return;
            }
            next = self.next();
        }
    }

    /// The next job; none when none comes.
    fn next(&self) -> Option<Job> {
        let mut line = self.line();
        line.waiting += 1;
        let is_idle = |line: &mut Line| line.jobs.is_empty() && !line.is_over;
        let waited = self.changed.wait_timeout_while(line, IDLE, is_idle);
        let (mut line, _) = waited.unwrap_or_else(PoisonError::into_inner);
        line.waiting -= 1;
        line.jobs.pop_front()
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
        while threads.0.line().waiting == 0 {
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
