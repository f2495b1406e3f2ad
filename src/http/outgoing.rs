//! A body on its way out, which counts until its caller has read it.
//!
//! HTTP/2 buffers what does not fit into a caller's window, and the caller decides how large its window is.
//! Therefore each piece of a body counts among the [unread answers](super::untaken) until it was written or
//! dropped. Its last byte is sent separately: it leaves only when the window had space for everything before
//! it, so the [stream](super::stream) can be reset as long as anything waits for the window.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Buf, Frame, SizeHint};

use crate::http::{Connection, OpenRequest, Out, UnreadAnswer, Untaken, stream::Stream};

/// A body on its way out.
pub(super) struct Outgoing {
    body: Body,
    /// None for HTTP/1.1, which sends one answer at a time.
    terms: Option<StreamTerms>,
    /// None if nothing has to be kept open.
    keep: Option<Arc<Keep>>,
    /// The last byte of the current piece.
    rest: Option<Piece>,
}

/// The limits that apply to an answer on an HTTP/2 stream.
pub(super) struct StreamTerms {
    pub(super) connection: Arc<Connection>,
    pub(super) untaken: Arc<Untaken>,
    pub(super) stream: Arc<Stream>,
}

/// Keeps a request open until its answer was read.
pub(super) enum Keep {
    /// The answer is complete.
    Out(#[expect(dead_code, reason = "dropped to end the request")] Out),
    /// The answer is produced while it is sent.
    Open(#[expect(dead_code, reason = "dropped to end the request")] OpenRequest),
}

/// A piece of a body.
pub(super) struct Piece {
    bytes: Bytes,
    hold: Option<Arc<Hold>>,
    is_last: bool,
}

struct Hold {
    _place: UnreadAnswer,
    _keep: Option<Arc<Keep>>,
    connection: Arc<Connection>,
}

impl Outgoing {
    pub(super) fn new(body: Body, terms: Option<StreamTerms>, keep: Option<Keep>) -> Self {
        Self {
            body,
            terms,
            keep: keep.map(Arc::new),
            rest: None,
        }
    }

    /// Returns the piece to send now. The rest waits.
    fn piece(&mut self, mut bytes: Bytes) -> Piece {
        let Some(terms) = self.terms.as_ref().filter(|_| !bytes.is_empty()) else {
            return Piece {
                bytes,
                hold: None,
                is_last: true,
            };
        };
        terms.stream.is_out();
        let way = Arc::clone(&terms.stream);
        let place = terms
            .untaken
            .enter(terms.connection.party(), bytes.len(), way);
        let connection = Arc::clone(&terms.connection);
        let hold = Some(Arc::new(Hold {
            _place: place,
            _keep: self.keep.clone(),
            connection,
        }));
        let last = bytes.split_off(bytes.len().saturating_sub(1));
        let last = Piece {
            bytes: last,
            hold: hold.clone(),
            is_last: true,
        };
        if bytes.is_empty() {
            return last;
        }
        self.rest = Some(last);
        Piece {
            bytes,
            hold,
            is_last: false,
        }
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
            // Now the caller waits for us, instead of the other way round.
            terms.stream.is_at_work();
        }
        polled.map(|next| {
            next.map(|frame| frame.map(|frame| frame.map_data(|bytes| this.piece(bytes))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_some() {
            SizeHint::default()
        } else {
            self.body.size_hint()
        }
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
        // A dropped piece has bytes left.
        if let (true, true, Some(hold)) = (self.is_last, self.bytes.is_empty(), &self.hold) {
            hold.connection.touch();
        }
    }
}
