//! Orders of administrators about the scripts in force, and the bounded queue of the task that carries them out.

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;

use crate::store::{Author, Pin, ScriptFiles, StoreError, VersionError};

/// The maximum number of queued orders.
const MOST_WAITING: usize = 16;

/// What an administrator wants.
#[derive(Debug)]
pub(crate) enum ScriptOrder {
    /// Put a version that is kept in force on all servers, until it is unpinned.
    Pin(String),
    /// Put the script folder of each server in force again.
    Unpin,
    /// Keep these files as a version, and pin it.
    Push {
        files: ScriptFiles,
        /// Whether a set without scripts is meant.
        is_empty_meant: bool,
    },
    /// Keep the candidate as a version, and pin it.
    Promote,
    /// Set `registration.scriptsCanary` to 0.
    EndCanary,
}

/// The scripts that are in force after an order.
#[derive(Debug, Clone)]
pub(crate) struct ScriptsInForce {
    pub(crate) version: String,
    pub(crate) pin: Option<Pin>,
}

/// Why an order was not carried out. The scripts in force are the same as before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptOrderError {
    /// The version does not exist, or the files are too large, or the store failed.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The scripts cannot be loaded.
    #[error("the scripts cannot be loaded:\n{0}")]
    Invalid(String),
    /// There is no script, and nobody has said that this is meant: a folder may have been missing or wrong.
    #[error(
        "there is no script, which would turn off every policy; if you mean that, push the set with --empty, or with \
         \"empty\": true in the body"
    )]
    Empty,
    /// There is no candidate.
    #[error("there is no candidate that could be promoted; set scripts.candidate to its folder")]
    NoCandidate,
    /// The queue is full.
    #[error("too many orders are queued; retry later")]
    Busy,
    /// The server stops.
    #[error("the server is stopping")]
    Ended,
}

impl From<StoreError> for ScriptOrderError {
    fn from(error: StoreError) -> Self {
        VersionError::from(error).into()
    }
}

/// An order with its author.
#[derive(Debug)]
pub(crate) struct QueuedOrder {
    pub(crate) order: ScriptOrder,
    pub(crate) author: Author,
    answer: oneshot::Sender<Result<ScriptsInForce, ScriptOrderError>>,
}

impl QueuedOrder {
    /// Splits the order from the sender of its outcome.
    pub(crate) fn split(self) -> (ScriptOrder, Author, OrderAnswer) {
        (self.order, self.author, OrderAnswer(self.answer))
    }
}

type OrderOutcome = oneshot::Receiver<Result<ScriptsInForce, ScriptOrderError>>;

/// Sends the outcome of an order.
pub(crate) struct OrderAnswer(oneshot::Sender<Result<ScriptsInForce, ScriptOrderError>>);

impl OrderAnswer {
    pub(crate) fn send(self, outcome: Result<ScriptsInForce, ScriptOrderError>) {
        // The administrator may no longer be waiting. The order is carried out anyway.
        let _ = self.0.send(outcome);
    }
}

/// The sending side of the queue.
#[derive(Debug, Clone)]
pub(crate) struct ScriptOrders(mpsc::Sender<QueuedOrder>);

/// Creates a queue of orders, and its receiving side.
pub(crate) fn queue() -> (ScriptOrders, mpsc::Receiver<QueuedOrder>) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    (ScriptOrders(sender), receiver)
}

impl ScriptOrders {
    /// Carries out `order` of `author`, and returns the scripts that are then in force.
    ///
    /// # Errors
    /// The reason why nothing changed.
    pub(crate) async fn carry_out(
        &self,
        order: ScriptOrder,
        author: Author,
    ) -> Result<ScriptsInForce, ScriptOrderError> {
        let outcome = self.queue(order, author)?;
        outcome.await.unwrap_or(Err(ScriptOrderError::Ended))
    }

    /// Queues the order to end the canary, which this server gives itself.
    ///
    /// # Errors
    /// When the queue is full, or the server stops.
    pub(super) fn end_canary(&self) -> Result<(), ScriptOrderError> {
        self.queue(ScriptOrder::EndCanary, Author::default())
            .map(drop)
    }

    fn queue(&self, order: ScriptOrder, author: Author) -> Result<OrderOutcome, ScriptOrderError> {
        let (answer, outcome) = oneshot::channel();
        let queued = QueuedOrder {
            order,
            author,
            answer,
        };
        match self.0.try_send(queued) {
            Ok(()) => Ok(outcome),
            Err(TrySendError::Full(_)) => Err(ScriptOrderError::Busy),
            Err(TrySendError::Closed(_)) => Err(ScriptOrderError::Ended),
        }
    }
}
