//! A TLS stream that errors of other code on the same thread do not end.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use openssl::error::ErrorStack;
use openssl::ssl::{Error, Ssl, SslRef};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;

/// A TLS stream that begins each step with an empty error queue.
///
/// OpenSSL keeps one error queue for each thread. Errors of a failed signature or certificate check in the
/// queue would be mistaken for a failure of this connection.
#[derive(Debug)]
pub(in crate::http) struct TlsStream<S>(SslStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    pub(super) fn new(ssl: Ssl, stream: S) -> std::result::Result<Self, ErrorStack> {
        SslStream::new(ssl, stream).map(Self)
    }

    /// Performs the handshake of a server.
    pub(super) async fn accept(&mut self) -> std::result::Result<(), Error> {
        std::future::poll_fn(|cx| self.inner().poll_accept(cx)).await
    }

    pub(super) fn ssl(&self) -> &SslRef {
        self.0.ssl()
    }

    fn inner(&mut self) -> Pin<&mut SslStream<S>> {
        drop(ErrorStack::get());
        Pin::new(&mut self.0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.inner().poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        self.inner().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
