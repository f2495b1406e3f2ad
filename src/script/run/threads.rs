//! The threads for scripts that are not known to be quick.
//!
//! They are separate from the threads that serve requests. When a script has worked for long, its thread
//! lowers its priority. A script that works up to its limit therefore holds up its own request, and hardly
//! any other. The system does not allow a thread to raise its priority again, so such a thread ends with
//! its script.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::script::WorkTime;

/// How long a script may work before its thread lowers its priority.
pub(in crate::script) const LONG: Duration = Duration::from_micros(500);
/// How long a thread waits for another script before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// The lowest priority of a thread.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They are created on demand and end when they are idle.
/// [`Permits`](crate::script::run::permits::Permits) limits their number.
#[derive(Default)]
pub(in crate::script) struct Threads(Arc<ThreadPool>);

/// The state shared between the threads and their callers.
#[derive(Default)]
struct ThreadPool {
    line: Mutex<JobQueue>,
    /// Signals that there is a job, or that no more jobs will come.
    changed: Condvar,
}

#[derive(Default)]
struct JobQueue {
    /// Jobs for waiting threads; never more jobs than waiting threads.
    jobs: VecDeque<Job>,
    /// The number of threads that wait for a job.
    waiting: usize,
    is_over: bool,
}

#[derive(Clone, Copy)]
enum At {
    Work(WorkTime),
    /// The thread has lowered its priority.
    LongWork,
}

thread_local! {
    /// The work of the script on this thread; `None` on threads that are not for scripts.
    static AT_WORK: Cell<Option<At>> = const { Cell::new(None) };
}

impl Threads {
    /// Does `work` on a script thread.
    ///
    /// # Errors
    /// When `work` panicked, or the system cannot create a thread.
    pub(in crate::script) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let (done, outcome) = oneshot::channel();
        self.hand_over(Box::new(move || {
            // The caller may no longer be waiting.
            let _ = done.send(work());
        }))?;
        outcome
            .await
            .map_err(|_| "a host function panicked".to_owned())
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
        thread
            .spawn(move || shared.serve(job))
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.line().is_over = true;
        self.0.changed.notify_all();
    }
}

impl ThreadPool {
    fn line(&self) -> MutexGuard<'_, JobQueue> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a thread: does `job` and then further jobs.
    fn serve(&self, job: Job) {
        let mut next = Some(job);
        while let Some(job) = next {
            AT_WORK.set(Some(At::Work(WorkTime::begin())));
            // A job that panics ends this thread, and its caller gets an error.
            job();
            if let Some(At::LongWork) = AT_WORK.take() {
                return;
            }
            next = self.next();
        }
    }

    /// Waits for the next job; returns `None` when none arrives in time.
    fn next(&self) -> Option<Job> {
        let mut line = self.line();
        line.waiting += 1;
        let is_idle = |line: &mut JobQueue| line.jobs.is_empty() && !line.is_over;
        let waited = self.changed.wait_timeout_while(line, IDLE, is_idle);
        let (mut line, _) = waited.unwrap_or_else(PoisonError::into_inner);
        line.waiting -= 1;
        line.jobs.pop_front()
    }
}

/// Returns whether this is a script thread whose script has worked for [`LONG`]. From then on the system
/// prefers all other threads.
pub(in crate::script) fn works_long() -> bool {
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
        tracing::debug!(%error, "cannot lower the priority of a script thread");
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

    /// Works for `time`, as a script does, and returns the niceness and the thread after that.
    fn work(time: Duration) -> (i32, std::thread::ThreadId) {
        let work = WorkTime::begin();
        while work.done() < time {
            works_long();
        }
        works_long();
        (niceness(), std::thread::current().id())
    }

    #[tokio::test]
    async fn only_a_long_running_call_yields_and_its_thread_ends() {
        let (threads, usual) = (Threads::default(), niceness());
        let (first, thread) = threads.run(|| work(Duration::ZERO)).await.unwrap();
        assert_eq!(first, usual);
        // The thread reports that it is done before it waits again.
        while threads.0.line().waiting == 0 {
            tokio::task::yield_now().await;
        }
        let (second, same) = threads.run(|| work(2 * LONG)).await.unwrap();
        assert_eq!(
            (second, same),
            ((usual + NICENESS).min(19), thread),
            "threads are reused"
        );
        let (third, other) = threads.run(|| work(Duration::ZERO)).await.unwrap();
        assert!(third == usual && other != thread);
        assert_eq!(niceness(), usual);
        assert_eq!(
            work(2 * LONG).0,
            usual,
            "a thread that is not for scripts never lowers its priority"
        );
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_other_calls_continue() {
        let threads = Threads::default();
        let many: Vec<_> = (0..20)
            .map(|number| {
                threads.run(move || {
                    if number % 2 == 0 {
                        number
                    } else {
                        std::panic::panic_any("no")
                    }
                })
            })
            .collect();
        for (number, outcome) in futures_util::future::join_all(many)
            .await
            .into_iter()
            .enumerate()
        {
            assert_eq!(outcome.ok(), (number % 2 == 0).then_some(number));
        }
        drop(threads);
    }
}
