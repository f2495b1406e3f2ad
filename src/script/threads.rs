//! The threads for scripts that are not known to be quick.
//!
//! They are none of those that serve requests, and the system prefers those to them: a script that works
//! for as long as it may holds up who asked for it, and hardly anybody else.

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::config::ScriptLimits;

/// How little these threads get of a processor that others want too: each step is a fifth less. With
/// more steps, ordinary scripts would miss their deadline on a busy machine.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The threads. They are made when they are needed, and end when they are not.
pub(super) struct Threads {
    /// It only has the threads: nothing else of it is used. None when the system does not give one.
    own: Option<Runtime>,
}

impl Threads {
    /// As many threads as scripts may run or wait at the same time.
    pub(super) fn new(limits: &ScriptLimits) -> Self {
        let own = Builder::new_current_thread()
            .max_blocking_threads(limits.concurrent.saturating_add(limits.waiting).max(1))
            .thread_name("scripts")
            .on_thread_start(give_way)
            .build();
        let own = own.inspect_err(|error| tracing::warn!(%error, "scripts run on the server's own threads"));
        Self { own: own.ok() }
    }

    /// Does `work`, which may take its time.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match &self.own {
            Some(own) => own.spawn_blocking(work),
            None => tokio::task::spawn_blocking(work),
        }
    }
}

impl Drop for Threads {
    /// The last set of scripts may go in a task, which must not wait for threads.
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            own.shutdown_background();
        }
    }
}

/// Has the system prefer other threads to this one.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread for scripts is not told to give way");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Field 19 of `/proc/thread-self/stat`; the name in field 2 may hold spaces.
    fn niceness() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields = stat.rsplit(") ").next().unwrap();
        fields.split(' ').nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn they_give_way_and_no_other_thread_does() {
        let before = niceness();
        let threads = Threads::new(&ScriptLimits::default());
        assert_eq!(threads.run(niceness).await.unwrap(), (before + NICENESS).min(19));
        assert_eq!(tokio::task::spawn_blocking(niceness).await.unwrap(), before);
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn they_may_go_while_one_is_at_work() {
        let threads = Threads::new(&ScriptLimits::default());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let work = threads.run(move || wait.recv().is_ok());
        drop(threads);
        go.send(()).unwrap();
        assert!(work.await.unwrap());
    }
}
