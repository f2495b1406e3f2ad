//! Long-running work that cleans up after itself: SIGINT and SIGTERM ask it to end rather than kill it.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::progress::Progress;
use crate::store::backend::sled::Work;

/// The interval between two updates of the progress.
const LOOK: Duration = Duration::from_millis(200);

/// Does `work` in a thread of its own, and shows its progress. A signal asks the work to end; `work` decides
/// what it returns then.
pub(super) fn run<T: Send + 'static>(
    work: impl FnOnce(&Work) -> T + Send + 'static,
) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let state = Arc::new(Work::default());
    let (sender, mut outcome) = oneshot::channel();
    // The handlers are installed before there is anything to clean up.
    let signals = {
        let _guard = runtime.enter();
        Signals::new()?
    };
    let shared = Arc::clone(&state);
    thread::Builder::new().spawn(move || drop(sender.send(work(&shared))))?;
    runtime.block_on(async {
        let (mut signals, mut progress, mut shown) =
            (signals, Progress::new("bytes and records"), 0);
        loop {
            tokio::select! {
                outcome = &mut outcome => return outcome.map_err(io::Error::other),
                () = signals.next() => state.end(),
                () = tokio::time::sleep(LOOK) => {}
            }
            let done = state.done();
            progress.add(done.saturating_sub(shown));
            shown = done;
        }
    })
}

/// The signals that end a command.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 2]);

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    }
}

/// The signal that ends a command.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    const fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
