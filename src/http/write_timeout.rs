//! A stream whose peer must read what it is sent, in time.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::http::{Connection, UnreadAnswer, Untaken};

/// A stream that fails when its peer has not read the written data for too long.
///
/// A peer that reads a little now and then gains nothing: the timer runs until everything that was offered at
/// once has been read. The remaining bytes count among the unread answers.
pub(super) struct Patient<S> {
    stream: S,
    limit: Duration,
    connection: Arc<Connection>,
    untaken: Arc<Untaken>,
    stalled: Option<Stalled>,
}

/// The unread rest of a write.
struct Stalled {
    until: Pin<Box<Sleep>>,
    bytes: usize,
    _place: UnreadAnswer,
}

impl<S> Patient<S> {
    /// A stream of `connection` that waits for its peer for at most `limit`.
    pub(super) const fn new(
        stream: S,
        limit: Duration,
        connection: Arc<Connection>,
        untaken: Arc<Untaken>,
    ) -> Self {
        Self {
            stream,
            limit,
            connection,
            untaken,
            stalled: None,
        }
    }

    /// Handles the outcome of an attempt to write `offered` bytes.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        outcome: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        match outcome {
            Poll::Ready(Ok(taken)) if taken >= offered => {
                if self.stalled.take().is_some() {
                    self.connection.set_stuck(false);
                }
            }
            Poll::Pending if self.stall(offered).as_mut().poll(cx).is_ready() => {
                let error = Error::new(
                    ErrorKind::TimedOut,
                    "the peer does not read what it is sent",
                );
                return Poll::Ready(Err(error));
            }
            Poll::Pending | Poll::Ready(_) => {}
        }
        outcome
    }

    /// Returns the timer of the `bytes` bytes that are offered now.
    fn stall(&mut self, bytes: usize) -> &mut Pin<Box<Sleep>> {
        let before = self.stalled.take();
        let stalled = match before {
            Some(stalled) if stalled.bytes >= bytes => stalled,
            before => {
                self.connection.set_stuck(true);
                let way = Arc::clone(&self.connection);
                let place = self.untaken.enter(self.connection.party(), bytes, way);
                let until = match before {
                    Some(stalled) => stalled.until,
                    None => Box::pin(sleep(self.limit)),
                };
                Stalled {
                    until,
                    bytes,
                    _place: place,
                }
            }
        };
        &mut self.stalled.insert(stalled).until
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
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
        let outcome = Pin::new(&mut this.stream)
            .poll_flush(cx)
            .map_ok(|()| usize::MAX);
        this.judge(cx, 1, outcome).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream)
            .poll_shutdown(cx)
            .map_ok(|()| usize::MAX);
        this.judge(cx, 1, outcome).map_ok(drop)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn patient<S>(stream: S) -> Patient<S> {
        let connection = Connection::new(&Arc::default(), [192, 0, 2, 1].into());
        Patient::new(
            stream,
            LIMIT,
            connection,
            Arc::new(Untaken::new(1_000_000, 10)),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_disconnected() {
        let (stream, _peer) = tokio::io::duplex(64);
        let mut stream = patient(stream);
        stream.write_all(&[0; 64]).await.unwrap();
        let error = stream.write_all(&[0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_counts_until_it_is_read() {
        let (stream, mut peer) = tokio::io::duplex(64);
        let mut stream = patient(stream);
        let (untaken, connection) = (Arc::clone(&stream.untaken), Arc::clone(&stream.connection));
        stream.write_all(&[0; 64]).await.unwrap();
        assert_eq!((untaken.held(), connection.is_stuck()), (0, false));
        let take = async {
            tokio::time::sleep(LIMIT / 2).await;
            assert!(untaken.held() > 5_000 && connection.is_stuck());
            peer.read_exact(&mut [0; 5_064]).await.unwrap();
        };
        let (written, ()) = tokio::join!(stream.write_all(&[0; 5_000]), take);
        written.unwrap();
        assert_eq!((untaken.held(), connection.is_stuck()), (0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_a_byte_now_and_then_is_disconnected() {
        let (stream, mut peer) = tokio::io::duplex(64);
        let mut stream = patient(stream);
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
    async fn a_peer_that_reads_in_time_is_never_disconnected() {
        let (stream, mut peer) = tokio::io::duplex(64);
        let mut stream = patient(stream);
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
