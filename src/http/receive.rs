//! The layers around the client endpoints: body reception and load shedding.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Body as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::http::{BodyError, Connection, Problem, ReceivedBody, Room, body};

/// The limits for the reception of bodies.
#[derive(Debug, Clone)]
pub(crate) struct Reception {
    /// The maximum length of one body, in bytes.
    pub(crate) body_bytes: usize,
    /// The milliseconds in which a body must arrive.
    pub(crate) body_timeout_ms: u64,
    /// The maximum number of requests that wait for their body. For one more, the oldest gives way.
    pub(crate) waiting: usize,
    /// The waiting requests.
    pub(crate) room: Arc<Room>,
    /// One permit for each request that may be processed at the same time, once its body has arrived.
    pub(crate) permits: Arc<Semaphore>,
}

/// Receives the body of the request before the request occupies anything else, so that slow senders only
/// hinder each other. An endpoint [takes](body::take) the body, or the reason why it is missing. Then the
/// request is [admitted](shed_load) or rejected.
pub(crate) async fn receive(
    State(reception): State<Reception>,
    mut request: Request,
    next: Next,
) -> Response {
    if !request.body().is_end_stream() {
        let body = std::mem::take(request.body_mut());
        let connection = request.extensions().get::<Arc<Connection>>();
        let received = reception.whole(body, connection).await;
        request.extensions_mut().insert(ReceivedBody(received));
    }
    shed_load(State(reception.permits), request, next).await
}

impl Reception {
    /// Reads `body`. While it waits for the sender, it gives way to other requests.
    async fn whole(
        &self,
        body: Body,
        connection: Option<&Arc<Connection>>,
    ) -> Result<Bytes, BodyError> {
        let whole = body::read(body, self.body_bytes, self.body_timeout_ms);
        let mut whole = std::pin::pin!(whole);
        // Most bodies arrive together with their head.
        if let Poll::Ready(done) =
            std::future::poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await
        {
            return done;
        }
        if self.room.len() >= self.waiting {
            self.room.dismiss_oldest();
        }
        let party = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |connection| {
            connection.party()
        });
        let dismissed = CancellationToken::new();
        let _place = self.room.enter(party, dismissed.clone(), None);
        let _waiting = connection.map(Connection::wait);
        tokio::select! {
            done = whole => done,
            () = dismissed.cancelled() => Err(BodyError::GaveWay),
        }
    }
}

/// Answers 503 when too many requests are being processed: a queue would only delay all of them.
pub(crate) async fn shed_load(
    State(permits): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::unavailable("too many requests are being processed; retry later", 1)
            .into_response(),
    }
}
