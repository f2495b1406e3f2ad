//! The bounded queue of the task that changes the live configuration.

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;

use crate::live::{Document, Operations, PatchError};
use crate::store::Author;

/// Maximum number of queued changes.
const MOST_WAITING: usize = 16;

/// One request for a change.
#[derive(Debug)]
pub(crate) struct ChangeRequest {
    /// The operations to apply.
    pub(crate) operations: Operations,
    /// Revisions, one of which must be the current revision. `None`: any revision.
    pub(crate) expected: Option<Vec<String>>,
    /// Whether the change is only checked.
    pub(crate) is_dry_run: bool,
    /// The requester.
    pub(crate) author: Author,
    answer: oneshot::Sender<Result<Document, PatchError>>,
}

impl ChangeRequest {
    /// A change of this server itself, whose outcome only the log tells.
    pub(crate) fn unanswered(operations: Operations, author: Author) -> Self {
        Self {
            operations,
            expected: None,
            is_dry_run: false,
            author,
            answer: oneshot::channel().0,
        }
    }

    /// Sends the outcome to the requester.
    pub(crate) fn answer(self, outcome: Result<Document, PatchError>) {
        // The requester may no longer be waiting. The change is applied anyway.
        let _ = self.answer.send(outcome);
    }
}

/// The sending side of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Changes(mpsc::Sender<ChangeRequest>);

/// Creates a queue of changes, and its receiving side.
pub(crate) fn queue() -> (Changes, mpsc::Receiver<ChangeRequest>) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    (Changes(sender), receiver)
}

impl Changes {
    /// Returns a queue without a receiver. Every change is rejected.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        queue().0
    }

    /// Applies all `operations` of `author` or none, stores them, and returns the configuration that is then
    /// in force. The request is rejected if `expected` is set and does not contain the current revision.
    ///
    /// # Errors
    /// Returns the reason why nothing was changed.
    pub(crate) async fn patch(
        &self,
        operations: Operations,
        expected: Option<Vec<String>>,
        author: Author,
    ) -> Result<Document, PatchError> {
        self.ask(operations, expected, false, author).await
    }

    /// Returns the configuration that [`Self::patch`] would put in force, and changes nothing.
    ///
    /// # Errors
    /// As [`Self::patch`].
    pub(crate) async fn check(
        &self,
        operations: Operations,
        expected: Option<Vec<String>>,
        author: Author,
    ) -> Result<Document, PatchError> {
        self.ask(operations, expected, true, author).await
    }

    async fn ask(
        &self,
        operations: Operations,
        expected: Option<Vec<String>>,
        is_dry_run: bool,
        author: Author,
    ) -> Result<Document, PatchError> {
        let (answer, outcome) = oneshot::channel();
        let change = ChangeRequest {
            operations,
            expected,
            is_dry_run,
            author,
            answer,
        };
        self.send(change)?;
        outcome.await.unwrap_or(Err(PatchError::Ended))
    }

    fn send(&self, change: ChangeRequest) -> Result<(), PatchError> {
        match self.0.try_send(change) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(PatchError::Busy),
            Err(TrySendError::Closed(_)) => Err(PatchError::Ended),
        }
    }
}
