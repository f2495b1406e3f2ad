//! One connection from its handshake to its end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::certificate::{self, ClientCertificate};
use super::connection::{Connection, Open};
use super::patient::Patient;
use super::serve::Entrance;

/// Streams of one HTTP/2 connection.
const STREAMS: u32 = 128;

/// Bytes of the head of a request.
const HEAD_BYTES: u32 = 64 * 1024;

/// Who is there, and who answers.
pub(super) struct Visit {
    pub(super) peer: SocketAddr,
    pub(super) connection: Arc<Connection>,
    pub(super) router: Router,
    pub(super) stop: CancellationToken,
}

/// Serves one connection until it ends, waits too long, or has to give way.
pub(super) async fn hold(stream: TcpStream, visit: Visit, entrance: &Entrance) {
    let (peer, connection) = (visit.peer, Arc::clone(&visit.connection));
    tokio::select! {
        () = begin(stream, visit, entrance) => {}
        () = connection.lapsed(entrance.bounds.header_timeout) => {
            tracing::debug!(%peer, "a connection was closed: no request came in time");
        }
        () = connection.dismissed() => {
            tracing::debug!(%peer, "a connection was closed: it waited longest when another one came");
        }
    }
}

async fn begin(stream: TcpStream, visit: Visit, entrance: &Entrance) {
    // Small answers must not wait for more to send; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    if !entrance.tls.is_on() {
        return converse(stream, None, visit, entrance).await;
    }
    match entrance.tls.accept(stream).await {
        Ok((stream, shown)) => {
            visit.connection.touch();
            converse(stream, shown, visit, entrance).await;
        }
        Err(error) => tracing::debug!(peer = %visit.peer, %error, "no TLS"),
    }
}

async fn converse<S>(stream: S, shown: Option<ClientCertificate>, visit: Visit, entrance: &Entrance)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Visit { peer, connection, router, stop } = visit;
    let service = service_fn(|request: Request<Incoming>| {
        let open = connection.open();
        let mut request = request.map(Body::new);
        let terms = (&entrance.proxies, &*entrance.tls);
        let address = peer.ip().to_canonical();
        let certificate = certificate::take(request.headers_mut(), address, shown.as_ref(), terms);
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(peer));
        extensions.insert(Arc::clone(&connection));
        if let Some(certificate) = certificate {
            extensions.insert(certificate);
        }
        let answer = router.clone().oneshot(request);
        async move { answer.await.map(|response| finish(response, open)) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(entrance.bounds.header_timeout)
        .max_buf_size(HEAD_BYTES as usize);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(HEAD_BYTES);
    let stream = Patient::new(stream, entrance.bounds.write_timeout);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// The answer on its way out. A request with a body that is made while it is sent is open until
/// the end of that; one that is there already only has to be taken, for which there is a limit.
fn finish(response: Response, open: Open) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(Streamed { body, _open: open }))
}

/// A body that keeps its request open.
struct Streamed {
    body: Body,
    _open: Open,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
