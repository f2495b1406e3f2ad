//! The lines of a body of any length. The size of each line is limited, and so is the time in which each
//! piece of the body must arrive.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

use crate::http::BodyError;

/// The lines of a body.
pub(crate) struct BodyLines {
    body: Body,
    /// The maximum length of a line, in bytes.
    limit: usize,
    milliseconds: u64,
    /// The bytes that have arrived and are not processed yet.
    piece: Bytes,
    /// The beginning of the next line.
    line: Vec<u8>,
}

impl BodyLines {
    /// The lines of `body`, each of at most `limit` bytes. Reading fails if a piece takes longer than
    /// `milliseconds`.
    pub(crate) const fn new(body: Body, limit: usize, milliseconds: u64) -> Self {
        Self {
            body,
            limit,
            milliseconds,
            piece: Bytes::new(),
            line: Vec::new(),
        }
    }

    /// Returns the next line without its line feed; none after the last line. After an error, nothing more is
    /// read.
    ///
    /// # Errors
    /// When the line is too long, a piece is too slow, or the body is incomplete.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        loop {
            if let Some(at) = self.piece.iter().position(|byte| *byte == b'\n') {
                let end = self.piece.split_to(at + 1);
                self.grow(end.get(..at).unwrap_or_default())?;
                return Ok(Some(std::mem::take(&mut self.line)));
            }
            let piece = std::mem::take(&mut self.piece);
            self.grow(&piece)?;
            match self.more().await? {
                Some(piece) => self.piece = piece,
                None if self.line.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.line))),
            }
        }
    }

    /// Reads and discards the rest of the body, for a limited time: a client that is still sending does not
    /// read an answer.
    pub(crate) async fn drain(&mut self) {
        let patience = Duration::from_millis(self.milliseconds);
        let rest = async { while let Ok(Some(_)) = self.more().await {} };
        // A client that never stops sending gets the answer in between.
        let _ = tokio::time::timeout(patience, rest).await;
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        if self.line.len().saturating_add(bytes.len()) > self.limit {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    async fn more(&mut self) -> Result<Option<Bytes>, BodyError> {
        let milliseconds = self.milliseconds;
        let frame =
            tokio::time::timeout(Duration::from_millis(milliseconds), self.body.frame()).await;
        match frame.map_err(|_| BodyError::TooSlow { milliseconds })? {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            Some(Err(_)) => Err(BodyError::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn body(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, std::io::Error>(Bytes::from(*piece)))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    async fn check(pieces: &[&'static str], expected: &[&str]) {
        let (mut lines, mut read) = (BodyLines::new(body(pieces), 5, 1_000), Vec::new());
        while let Some(line) = lines.next().await.unwrap() {
            read.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(read, expected, "{pieces:?}");
        assert!(
            lines.next().await.unwrap().is_none(),
            "the end stays the end"
        );
    }

    #[tokio::test]
    async fn lines_do_not_depend_on_the_division_into_chunks() {
        check(&["a\nbc\n"], &["a", "bc"]).await;
        check(&["a", "\nb", "c", "", "\n"], &["a", "bc"]).await;
        check(&["a\n\nb"], &["a", "", "b"]).await;
        check(&["12345\n12345"], &["12345", "12345"]).await;
        check(&[], &[]).await;
        check(&["\n"], &[""]).await;
    }

    #[tokio::test]
    async fn a_line_is_limited_while_it_arrives() {
        for pieces in [&["123456\n"][..], &["a\n123", "456"]] {
            let mut lines = BodyLines::new(body(pieces), 5, 1_000);
            let mut outcome = lines.next().await;
            if matches!(&outcome, Ok(Some(line)) if line == b"a") {
                outcome = lines.next().await;
            }
            assert!(
                matches!(outcome, Err(BodyError::TooLarge { limit: 5 })),
                "{pieces:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_that_does_not_arrive_times_out() {
        let silent = stream::pending::<Result<Bytes, std::io::Error>>();
        let mut lines = BodyLines::new(Body::from_stream(silent), 5, 7);
        assert!(matches!(
            lines.next().await,
            Err(BodyError::TooSlow { milliseconds: 7 })
        ));
        lines.drain().await;
    }
}
