//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::{
    ClientCertificate, Connection, OpenRequest, Site, Untaken, certificate, outgoing::Keep,
    outgoing::Outgoing, outgoing::StreamTerms, serve::Entrance, stream::Stream, stream::Streams,
    write_timeout::Patient,
};

/// The maximum number of concurrent streams of one HTTP/2 connection: each may hold an answer.
const STREAMS: u32 = 32;

/// The maximum number of buffered bytes of a streamed answer, for each stream.
const SEND_BYTES: usize = 64 * 1024;

/// The maximum length of the head of a request, in bytes.
const HEAD_BYTES: u32 = 64 * 1024;

/// The peer of a connection, and what answers it.
pub(super) struct Visit {
    pub(super) peer: SocketAddr,
    pub(super) connection: Arc<Connection>,
    pub(super) site: Arc<Site>,
    pub(super) stop: CancellationToken,
}

/// Serves one connection until it ends, waits too long, or has to give way.
pub(super) async fn hold(stream: TcpStream, visit: Visit, entrance: &Entrance) {
    let (peer, connection) = (visit.peer, Arc::clone(&visit.connection));
    tokio::select! {
        () = begin(stream, visit, entrance) => {}
        () = connection.lapsed(entrance.bounds.patience()) => {
            tracing::debug!(%peer, "connection closed: no request arrived, or no answer was read, in time");
        }
        () = connection.dismissed() => {
            tracing::debug!(%peer, "connection closed: it had been idle longest when a new connection \
                                    needed its place");
        }
    }
}

async fn begin(stream: TcpStream, visit: Visit, entrance: &Entrance) {
    // Small answers must not wait for more data; a socket that rejects the option still works.
    let _ = stream.set_nodelay(true);
    if !entrance.tls.is_on() {
        return converse(stream, None, visit, entrance).await;
    }
    match entrance.tls.accept(stream).await {
        Ok((stream, shown)) => {
            visit.connection.touch();
            converse(stream, shown, visit, entrance).await;
        }
        Err(error) => tracing::debug!(peer = %visit.peer, %error, "TLS handshake failed"),
    }
}

async fn converse<S>(stream: S, shown: Option<ClientCertificate>, visit: Visit, entrance: &Entrance)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tasks = TaskTracker::new();
    let builder = builder(&visit, entrance, tasks.clone());
    let stream = Patient::new(
        stream,
        entrance.bounds.write_timeout,
        Arc::clone(&visit.connection),
        Arc::clone(&entrance.untaken),
    );
    let service = service_fn(|request| answer(request, shown.as_ref(), &visit, entrance));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = visit.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(peer = %visit.peer, %error, "connection ended early");
    }
    tasks.close();
    tasks.wait().await;
}

/// Passes one request to the site, and prepares the answer for sending.
fn answer(
    request: Request<Incoming>,
    shown: Option<&ClientCertificate>,
    visit: &Visit,
    entrance: &Entrance,
) -> impl Future<Output = Result<hyper::Response<Outgoing>, Infallible>> + use<> {
    let open = visit.connection.open();
    let mut request = request.map(Body::new);
    describe(&mut request, visit.peer, shown, entrance);
    let connection = Arc::clone(&visit.connection);
    request.extensions_mut().insert(Arc::clone(&connection));
    let answer = Arc::clone(&visit.site).answer(request);
    let untaken = Arc::clone(&entrance.untaken);
    async move {
        let response = answer.await;
        Ok(finish(response, open, &connection, &untaken))
    }
}

/// Adds to the request what is known of its sender: the address of the peer, and the certificate of the client.
fn describe(
    request: &mut Request<Body>,
    peer: SocketAddr,
    shown: Option<&ClientCertificate>,
    entrance: &Entrance,
) {
    let address = peer.ip().to_canonical();
    let certificate = certificate::take(
        request.headers_mut(),
        address,
        shown,
        &entrance.proxies,
        &entrance.tls,
    );
    let extensions = request.extensions_mut();
    extensions.insert(ConnectInfo(peer));
    if let Some(certificate) = certificate {
        extensions.insert(certificate);
    }
}

/// Returns the protocols of a connection with their limits. Streams of HTTP/2 are among `tasks`.
fn builder(visit: &Visit, entrance: &Entrance, tasks: TaskTracker) -> auto::Builder<Streams> {
    let streams = Streams {
        connection: Arc::clone(&visit.connection),
        limit: entrance.bounds.write_timeout,
        tasks,
    };
    let mut builder = auto::Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(entrance.bounds.header_timeout)
        .max_buf_size(HEAD_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(SEND_BYTES)
        .max_header_list_size(HEAD_BYTES);
    builder
}

/// Prepares the answer for sending. A request with a streamed body is being processed until the stream ends.
/// An answer that is complete only has to be read. For HTTP/1.1, which sends one answer after the other,
/// [`Patient`] counts what is left.
fn finish(
    response: Response,
    open: OpenRequest,
    connection: &Arc<Connection>,
    untaken: &Arc<Untaken>,
) -> hyper::Response<Outgoing> {
    let terms = Stream::of_task().map(|stream| StreamTerms {
        connection: Arc::clone(connection),
        untaken: Arc::clone(untaken),
        stream,
    });
    let is_whole = response.body().size_hint().exact().is_some();
    let keep = if !is_whole {
        Some(Keep::Open(open))
    } else if terms.is_some() && !response.body().is_end_stream() {
        Some(Keep::Out(open.out()))
    } else {
        open.answered();
        None
    };
    response.map(|body| Outgoing::new(body, terms, keep))
}
