//! One stream of an HTTP/2 connection. Its caller must read the answer in time, and the stream gives way when
//! too many bytes are unread. The stream is then reset, and the other streams of its connection continue.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::TaskTracker;

use crate::http::{Connection, Way};
use crate::telemetry::meter;

tokio::task_local! {
    /// The stream that a task serves.
    static OWN: Arc<Stream>;
}

/// Runs the streams of one connection, each in its own task.
#[derive(Clone)]
pub(super) struct Streams {
    /// The connection.
    pub(super) connection: Arc<Connection>,
    /// The time in which the caller must read the outstanding bytes.
    pub(super) limit: Duration,
    /// The tasks.
    pub(super) tasks: TaskTracker,
}

/// A stream, as the limits see it.
pub(super) struct Stream {
    connection: Arc<Connection>,
    /// Since when the caller has bytes to read.
    out_since: Mutex<Option<Instant>>,
    must_go: AtomicBool,
    waker: AtomicWaker,
    /// The stream can no longer be reset, because the rest of the answer fits into the window of the caller.
    is_sent: AtomicBool,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        let stream = Arc::new(Stream::new(Arc::clone(&self.connection)));
        let limit = self.limit;
        self.tasks.spawn(async move {
            let served = OWN.scope(Arc::clone(&stream), future);
            let mut served = std::pin::pin!(served);
            let mut until = None;
            let is_done = std::future::poll_fn(|cx| match served.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => stream.poll_end(cx, limit, &mut until).map(|()| false),
            });
            if is_done.await {
                stream.is_sent();
            }
        });
    }
}

impl Stream {
    fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            out_since: Mutex::default(),
            must_go: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            is_sent: AtomicBool::new(false),
        }
    }

    /// Returns the stream that the current task serves; none with HTTP/1.1.
    pub(super) fn of_task() -> Option<Arc<Self>> {
        OWN.try_with(Arc::clone).ok()
    }

    /// A piece of the answer is ready for the caller.
    pub(super) fn is_out(&self) {
        *self.out_since() = Some(Instant::now());
    }

    /// The caller has read everything, and more is being produced.
    pub(super) fn is_at_work(&self) {
        *self.out_since() = None;
    }

    fn is_sent(&self) {
        self.is_sent.store(true, Ordering::SeqCst);
        if self.must_go.load(Ordering::SeqCst) {
            self.connection.dismiss();
        }
    }

    /// Ready when the stream has to give way, or its caller was too slow.
    fn poll_end(
        &self,
        cx: &mut Context<'_>,
        limit: Duration,
        until: &mut Option<Pin<Box<Sleep>>>,
    ) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.must_go.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let Some(since) = *self.out_since() else {
            *until = None;
            return Poll::Pending;
        };
        let end = since + limit;
        let sleep = until.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if sleep.deadline() != end {
            sleep.as_mut().reset(end);
        }
        sleep.as_mut().poll(cx).map(|()| meter::answer_cut_off())
    }

    fn out_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.out_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way for Stream {
    fn give_way(&self) {
        self.must_go.store(true, Ordering::SeqCst);
        self.waker.wake();
        // Bytes within the window, or on a stuck connection, are freed only with the connection.
        if self.is_sent.load(Ordering::SeqCst) || self.connection.is_stuck() {
            self.connection.dismiss();
        }
    }
}
