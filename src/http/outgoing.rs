//! A body on its way out, which counts until its caller has taken it.
//!
//! HTTP/2 keeps what a caller's window has no room for, and a caller decides how large its window is.
//! So each piece of a body carries its place among what is [untaken](super::untaken) until it was
//! written or thrown away. Its last byte goes alone: it leaves only when the window had room for all
//! before it, so the [stream](super::stream) can be reset as long as anything waits for the window.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Buf, Frame, SizeHint};

use super::connection::{Connection, Open, Out};
use super::stream::Stream;
use super::untaken::{Place, Untaken};

/// A body on its way out.
pub(super) struct Outgoing {
    body: Body,
    /// None: HTTP/1.1, which takes one answer at a time from what is written.
    terms: Option<Terms>,
    /// None: nothing has to be kept open.
    keep: Option<Arc<Keep>>,
    /// The last byte of what is out.
    rest: Option<Piece>,
}

/// What an answer on a stream of HTTP/2 is counted with.
pub(super) struct Terms {
    pub(super) connection: Arc<Connection>,
    pub(super) untaken: Arc<Untaken>,
    pub(super) stream: Arc<Stream>,
}

/// Keeps a request open until its answer was taken.
pub(super) enum Keep {
    /// The answer is made.
    Out(#[expect(dead_code, reason = "it is there to be dropped")] Out),
    /// The answer is being made while it is sent.
    Open(#[expect(dead_code, reason = "it is there to be dropped")] Open),
}

/// A piece of a body.
pub(super) struct Piece {
    bytes: Bytes,
    hold: Option<Arc<Hold>>,
    is_last: bool,
}

struct Hold {
    _place: Place,
    _keep: Option<Arc<Keep>>,
    connection: Arc<Connection>,
}

impl Outgoing {
    pub(super) fn new(body: Body, terms: Option<Terms>, keep: Option<Keep>) -> Self {
        Self { body, terms, keep: keep.map(Arc::new), rest: None }
    }

    /// The piece that goes now; what is behind it waits.
    fn piece(&mut self, mut bytes: Bytes) -> Piece {
        let Some(terms) = self.terms.as_ref().filter(|_| !bytes.is_empty()) else {
            return Piece { bytes, hold: None, is_last: true };
        };
        terms.stream.is_out();
        let way = Arc::clone(&terms.stream);
        let place = terms.untaken.enter(terms.connection.party(), bytes.len(), way);
        let connection = Arc::clone(&terms.connection);
        let hold = Some(Arc::new(Hold { _place: place, _keep: self.keep.clone(), connection }));
        let last = bytes.split_off(bytes.len().saturating_sub(1));
        let last = Piece { bytes: last, hold: hold.clone(), is_last: true };
        if bytes.is_empty() {
            return last;
        }
        self.rest = Some(last);
        Piece { bytes, hold, is_last: false }
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let this = self.get_mut();
        if let Some(rest) = this.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let (true, Some(terms)) = (polled.is_pending(), &this.terms) {
            // Now it waits for us, and not for its caller.
            terms.stream.is_at_work();
        }
        polled.map(|next| next.map(|frame| frame.map(|frame| frame.map_data(|bytes| this.piece(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.bytes.copy_to_bytes(count)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // What is thrown away has something left.
        if let (true, true, Some(hold)) = (self.is_last, self.bytes.is_empty(), &self.hold) {
            hold.connection.touch();
        }
    }
}
