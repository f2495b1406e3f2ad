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

use super::activity::Connection;
use super::answer::Problem;
use super::body::{self, BodyError};
use super::waiting::Room;

/// The limits for the reception of bodies.
#[derive(Debug, Clone)]
pub struct Reception {
    /// The maximum length of one body, in bytes.
    pub body_bytes: usize,
    /// The milliseconds in which a body must arrive.
    pub body_timeout_ms: u64,
    /// The maximum number of requests that wait for their body. For one more, the oldest gives way.
    pub waiting: usize,
    /// The waiting requests.
    pub room: Arc<Room>,
    /// One permit for each request that may be processed at the same time, once its body has arrived.
    pub permits: Arc<Semaphore>,
}

/// Receives the body of the request before the request occupies anything else, so that slow senders only
/// hinder each other. Whoever reads the body later gets all of it at once, or the reason why it is missing.
/// Then the request is [admitted](shed_load) or rejected.
pub async fn receive(State(reception): State<Reception>, request: Request, next: Next) -> Response {
    let request = if request.body().is_end_stream() {
        request
    } else {
        reception.whole(request).await
    };
    shed_load(State(reception.permits), request, next).await
}

impl Reception {
    /// Returns the request with its body, or with the reason why the body is missing.
    async fn whole(&self, request: Request) -> Request {
        let connection = request.extensions().get::<Arc<Connection>>().cloned();
        let (parts, body) = request.into_parts();
        let whole = body::read(body, self.body_bytes, self.body_timeout_ms);
        let received = match self.patiently(whole, connection.as_ref()).await {
            Ok(bytes) => Body::from(bytes),
            Err(error) => body::refused(error),
        };
        Request::from_parts(parts, received)
    }

    async fn patiently(
        &self,
        whole: impl Future<Output = Result<Bytes, BodyError>>,
        connection: Option<&Arc<Connection>>,
    ) -> Result<Bytes, BodyError> {
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
pub async fn shed_load(
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
