//! The connection loop: accepts, bounds, and drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::telemetry::meter::Open;

/// After an accept that failed, for example because no file descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What bounds the connections of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at the same time; more wait to be accepted.
    pub connections: usize,
    /// Time in which the head of a request must arrive; also how long a connection may idle.
    pub header_timeout: Duration,
    /// Time that open requests are given once `stop` is called.
    pub shutdown: Duration,
}

/// Serves `router` on `listener` until `stop`, then lets open requests finish.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, stop: CancellationToken) {
    let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
    let permits = Arc::new(Semaphore::new(bounds.connections));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let connection = connection(stream, peer, router.clone(), bounds.header_timeout, stop.clone());
        let cut = cut.clone();
        tasks.spawn(async move {
            let _open = Open::connection();
            tokio::select! {
                () = connection => {}
                () = cut.cancelled() => {}
            }
            drop(permit);
        });
    }
    // Who comes now is refused, and does not wait for an answer that nobody will give.
    drop(listener);
    tasks.close();
    if tokio::time::timeout(bounds.shutdown, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "requests were cut off: they did not finish in time");
        cut.cancel();
        tasks.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    // Small answers must not wait for more to send; a socket that refuses the option still works.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128).max_header_list_size(64 * 1024);
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
