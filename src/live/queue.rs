//! The way to the one task that changes the live configuration: bounded, and with an answer.

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;

use super::{Document, Operations, PatchError};
use crate::store::audit::Author;

/// Changes that may wait.
const MOST_WAITING: usize = 16;

/// One request for a change.
#[derive(Debug)]
pub struct Change {
    /// What to change.
    pub operations: Operations,
    /// Revisions, of which one must be the present one; none: any may be.
    pub expected: Option<Vec<String>>,
    /// Who asks.
    pub author: Author,
    answer: oneshot::Sender<Result<Document, PatchError>>,
}

impl Change {
    /// Tells who asked what became of it.
    pub fn answer(self, outcome: Result<Document, PatchError>) {
        // Whoever asked may have gone; the change is made all the same.
        let _ = self.answer.send(outcome);
    }
}

/// Where changes are asked for.
#[derive(Debug, Clone)]
pub struct Changes(mpsc::Sender<Change>);

/// A queue of changes, and where they arrive.
pub fn queue() -> (Changes, mpsc::Receiver<Change>) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    (Changes(sender), receiver)
}

impl Changes {
    /// A queue that nobody reads: every change is refused.
    pub fn none() -> Self {
        queue().0
    }

    /// Makes `operations` of `author` as a whole, durably, and gives the configuration that is in force then.
    /// It is refused when `expected` is there and has not the present revision.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn patch(
        &self,
        operations: Operations,
        expected: Option<Vec<String>>,
        author: Author,
    ) -> Result<Document, PatchError> {
        let (answer, outcome) = oneshot::channel();
        self.0.try_send(Change { operations, expected, author, answer }).map_err(|error| match error {
            TrySendError::Full(_) => PatchError::Busy,
            TrySendError::Closed(_) => PatchError::Ended,
        })?;
        outcome.await.map_err(|_| PatchError::Ended)?
    }
}
