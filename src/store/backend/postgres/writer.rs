//! The only task that writes. It writes the queued changes in one transaction and answers all of them.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{
    failure, failure::TransactionFailure, pool, pool::ConnectionPool, transaction,
    transaction::Outcomes, transaction::Transaction,
};
use crate::store::{Applied, Change, StoreError};
use crate::telemetry::meter;

/// Changes that share one transaction.
const BATCH: usize = 256;
/// How often a transaction is attempted when its connection is lost.
const TRIES: u32 = 16;
/// The pause before a retry grows by this much each time.
const PAUSE: Duration = Duration::from_millis(2);
/// The longest pause: with longer pauses, a server that keeps losing races would lose even more of them.
const LONGEST_PAUSE: Duration = Duration::from_millis(30);
/// An attempt may take at least this fraction of the callers' timeout.
const SHORTEST: u32 = 4;

/// A change and the caller that waits for it.
pub(super) struct QueuedChange {
    pub(super) change: Change,
    /// When the caller is answered that nothing was written.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Applied, StoreError>>,
}

impl QueuedChange {
    /// Returns whether no caller waits for the change any more at `now`.
    fn is_over(&self, now: Instant) -> bool {
        self.answer.is_closed() || self.deadline <= now
    }
}

/// Writes the changes it receives until all senders are dropped.
pub(super) async fn run(
    pool: ConnectionPool,
    mut requests: mpsc::Receiver<QueuedChange>,
    has_notify: bool,
) {
    let mut waiting = Vec::new();
    while requests.recv_many(&mut waiting, BATCH).await > 0 {
        let (count, begun) = (waiting.len(), Instant::now());
        make(&pool, std::mem::take(&mut waiting), has_notify).await;
        meter::store_batch(count, begun.elapsed(), requests.len());
    }
}

/// Applies all of `requests` that can be applied and answers them. If the deadline of some passes before
/// that, the others continue without them.
async fn make(pool: &ConnectionPool, requests: Vec<QueuedChange>, has_notify: bool) {
    let mut left = requests;
    loop {
        left = those_who_wait(pool, left);
        if left.is_empty() {
            return;
        }
        match commit(pool, &left, has_notify).await {
            Ok(outcomes) => return answer(left, outcomes),
            Err(TransactionFailure::Late(error)) => {
                // The waiting callers report the timeout themselves.
                tracing::debug!(%error, changes = left.len(), "some changes timed out");
            }
            Err(TransactionFailure::Refused(_)) if left.len() > 1 => {
                return make_each(pool, left, has_notify).await;
            }
            Err(failure) => {
                let error = failure.into_error();
                tracing::debug!(%error, changes = left.len(), "writing to the database failed");
                return answer_all(left, &error);
            }
        }
    }
}

/// Returns the `requests` whose callers still wait. The others are answered now that nothing was written,
/// unless they were answered before.
fn those_who_wait(pool: &ConnectionPool, requests: Vec<QueuedChange>) -> Vec<QueuedChange> {
    let now = Instant::now();
    let (over, left): (Vec<_>, Vec<_>) = requests
        .into_iter()
        .partition(|request| request.is_over(now));
    answer_all(over, &failure::late(pool.patience));
    left
}

/// Applies each of `requests` on its own: the database rejects a value in one of them, which must not
/// affect the others.
async fn make_each(pool: &ConnectionPool, requests: Vec<QueuedChange>, has_notify: bool) {
    for request in requests {
        let alone = [request];
        match commit(pool, &alone, has_notify).await {
            Ok(outcomes) => answer(alone, outcomes),
            Err(failure) => answer_all(alone, &failure.into_error()),
        }
    }
}

fn answer(requests: impl IntoIterator<Item = QueuedChange>, outcomes: Outcomes) {
    for (request, outcome) in requests.into_iter().zip(outcomes) {
        // The caller may have gone; the change is made all the same.
        let _ = request.answer.send(outcome);
    }
}

/// Answers all of `requests` that nothing was written.
fn answer_all(requests: impl IntoIterator<Item = QueuedChange>, error: &StoreError) {
    for request in requests {
        let _ = request.answer.send(Err(error.clone()));
    }
}

/// Commits `requests` in one transaction, which starts again when another transaction interferes. A
/// database that aborts the later of two transactions may do so many times. Attempts therefore continue
/// while the caller waits, and end early enough to answer that nothing was written.
async fn commit(
    pool: &ConnectionPool,
    requests: &[QueuedChange],
    has_notify: bool,
) -> Result<Outcomes, TransactionFailure> {
    let begun = Instant::now();
    let first = requests
        .iter()
        .map(|request| request.deadline)
        .min()
        .unwrap_or(begun);
    let changes = requests.iter().map(|request| &request.change).collect();
    let mut transaction = Transaction::of(changes, has_notify);
    let mut turn = 0;
    loop {
        turn += 1;
        let outcome = attempt(pool, &mut transaction, first).await;
        let goes_on = match outcome {
            Err(TransactionFailure::Lost) => begun.elapsed() < pool.patience / 2,
            Err(TransactionFailure::Gone(_)) => turn < TRIES,
            _ => false,
        };
        if !goes_on {
            return outcome;
        }
        tokio::time::sleep((PAUSE * turn).min(LONGEST_PAUSE)).await;
    }
}

/// Attempts `transaction` once. At `deadline`, the first of the waiting callers is answered that nothing
/// was written and may retry, so the transaction is not committed after that. The attempt may last slightly
/// longer: a series of close deadlines would otherwise leave no time for the remaining changes.
async fn attempt(
    pool: &ConnectionPool,
    transaction: &mut Transaction<'_>,
    deadline: Instant,
) -> Result<Outcomes, TransactionFailure> {
    let now = Instant::now();
    if deadline <= now {
        return Err(too_late(pool));
    }
    let end = deadline.max(now + pool.patience / SHORTEST);
    let client = connection(pool, end).await?;
    let Ok(prepared) = timeout_at(end, transaction.prepare(&client)).await else {
        // It may be waiting for a lock. A transaction that ends without a commit has no effect.
        pool::discard(client);
        return Err(too_late(pool));
    };
    let outcome = match prepared {
        Ok(_) if deadline <= Instant::now() => Err(too_late(pool)),
        Ok(outcomes) => finish(pool, &client).await.map(|()| outcomes),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = &outcome {
        clean_up(pool, client, failure).await;
    }
    outcome
}

fn too_late(pool: &ConnectionPool) -> TransactionFailure {
    TransactionFailure::Late(failure::late(pool.patience))
}

/// Returns a connection to the database, if there is one before `end`.
async fn connection(pool: &ConnectionPool, end: Instant) -> Result<Client, TransactionFailure> {
    match timeout_at(end, pool.client()).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(TransactionFailure::Unavailable(error)),
        Err(_) => Err(too_late(pool)),
    }
}

/// Ends the transaction of `client` after `failure`: the connection stays usable, or it is closed.
async fn clean_up(pool: &ConnectionPool, client: Client, failure: &TransactionFailure) {
    match failure {
        TransactionFailure::Lost | TransactionFailure::Refused(_) | TransactionFailure::Late(_) => {
            roll_back(client, pool.patience).await;
        }
        TransactionFailure::Gone(_) | TransactionFailure::Unavailable(_) => pool::discard(client),
    }
}

/// Commits. Without an answer, it is unknown whether the commit succeeded.
async fn finish(pool: &ConnectionPool, client: &Client) -> Result<(), TransactionFailure> {
    let committed = tokio::time::timeout(pool.patience, transaction::commit(client)).await;
    match committed {
        Ok(committed) => committed,
        Err(_) => Err(TransactionFailure::Unavailable(failure::late(
            pool.patience,
        ))),
    }
}

/// Rolls back the transaction, or closes the connection if that fails.
async fn roll_back(client: Client, patience: Duration) {
    let done = tokio::time::timeout(patience, client.batch_execute("ROLLBACK")).await;
    if !matches!(done, Ok(Ok(()))) {
        pool::discard(client);
    }
}
