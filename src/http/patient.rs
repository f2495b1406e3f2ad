//! A stream whose peer must take what it is sent, in time.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream that fails when what was to be written has not been taken for too long.
///
/// A peer that takes a little now and then gains nothing: the time runs until all that was
/// offered at once is gone.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    limit: Duration,
    /// Runs while something is left.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// A stream that waits for its peer for `limit` at most.
    pub(super) const fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, stalled: None }
    }

    /// What becomes of an attempt to write `offered` bytes.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        outcome: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        match outcome {
            Poll::Ready(Ok(taken)) if taken >= offered => self.stalled = None,
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.limit)));
                if stalled.as_mut().poll(cx).is_ready() {
                    let error = Error::new(ErrorKind::TimedOut, "the peer does not take what it is sent");
                    return Poll::Ready(Err(error));
                }
            }
            Poll::Ready(_) => {}
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.judge(cx, bytes.len(), outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.judge(cx, slices.iter().map(|slice| slice.len()).sum(), outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx).map_ok(|()| usize::MAX);
        this.judge(cx, 1, outcome).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_shutdown(cx).map_ok(|()| usize::MAX);
        this.judge(cx, 1, outcome).map_ok(drop)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (stream, _peer) = tokio::io::duplex(64);
        let mut stream = Patient::new(stream, LIMIT);
        stream.write_all(&[0; 64]).await.unwrap();
        let error = stream.write_all(&[0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn so_is_one_that_takes_a_byte_now_and_then() {
        let (stream, mut peer) = tokio::io::duplex(64);
        let mut stream = Patient::new(stream, LIMIT);
        let trickle = async {
            let mut byte = [0; 1];
            loop {
                tokio::time::sleep(LIMIT / 2).await;
                let _ = peer.read_exact(&mut byte).await;
            }
        };
        tokio::select! {
            written = stream.write_all(&[0; 128]) => assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut),
            () = trickle => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_all_in_time_is_served_for_ever() {
        let (stream, mut peer) = tokio::io::duplex(64);
        let mut stream = Patient::new(stream, LIMIT);
        let take = async {
            let mut all = [0; 64];
            for _ in 0..10 {
                tokio::time::sleep(LIMIT / 2).await;
                peer.read_exact(&mut all).await.unwrap();
            }
        };
        let write = async {
            for _ in 0..10 {
                stream.write_all(&[0; 64]).await.unwrap();
            }
        };
        tokio::join!(take, write);
    }
}
