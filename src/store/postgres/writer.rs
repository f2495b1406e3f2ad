//! The one task that writes: it takes what waits, makes it in one transaction, and answers all.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::failure::{self, Failure};
use super::pool::{self, Pool};
use super::transaction::{Outcomes, Transaction};
use crate::store::StoreError;
use crate::store::backend::Change;

/// Changes that share one transaction.
const BATCH: usize = 256;
/// How often a transaction is begun for which there was no connection.
const TRIES: u32 = 16;
/// The pause before it begins again grows by this much each time.
const PAUSE: Duration = Duration::from_millis(2);
/// Up to this: after longer pauses, a server that loses would lose all the more.
const LONGEST_PAUSE: Duration = Duration::from_millis(30);

/// A change, and who waits for it.
pub(super) struct Request {
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Vec<i64>, StoreError>>,
}

/// Writes what comes, until nobody can send any more.
pub(super) async fn run(pool: Pool, mut requests: mpsc::Receiver<Request>, has_notify: bool) {
    let mut waiting = Vec::new();
    while requests.recv_many(&mut waiting, BATCH).await > 0 {
        // Whoever does not wait any more was told that nothing was made.
        let taken = waiting.drain(..).filter(|request: &Request| !request.answer.is_closed());
        let (changes, answers): (Vec<_>, Vec<_>) =
            taken.map(|request| (request.change, request.answer)).unzip();
        let outcomes = make(&pool, &changes, has_notify).await;
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Whoever asked may have gone; the change is made all the same.
            let _ = answer.send(outcome);
        }
    }
}

/// Makes all of `changes` that can be made. When the database does not take what is in one of
/// them, each is made by itself, so that the others do not suffer.
async fn make(pool: &Pool, changes: &[Change], has_notify: bool) -> Outcomes {
    match commit(pool, changes, has_notify).await {
        Ok(outcomes) => outcomes,
        Err(Failure::Refused(_)) if changes.len() > 1 => {
            let mut outcomes = Vec::with_capacity(changes.len());
            for change in changes {
                let alone = commit(pool, std::slice::from_ref(change), has_notify).await;
                outcomes.extend(alone.unwrap_or_else(|failure| vec![Err(failure.into_error())]));
            }
            outcomes
        }
        Err(failure) => {
            let error = failure.into_error();
            tracing::error!(%error, changes = changes.len(), "the database did not take changes");
            changes.iter().map(|_| Err(error.clone())).collect()
        }
    }
}

/// Makes `changes` in one transaction, which begins again when somebody else came between. A
/// database that aborts whoever comes second may do so many times, so that goes on while whoever
/// asked has patience, and ends early enough to say that nothing was made.
async fn commit(pool: &Pool, changes: &[Change], has_notify: bool) -> Result<Outcomes, Failure> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = Transaction::of(changes, has_notify);
    let begun = Instant::now();
    let mut turn = 0;
    loop {
        turn += 1;
        let outcome = attempt(pool, &mut transaction).await;
        let goes_on = match outcome {
            Err(Failure::Lost) => begun.elapsed() < pool.patience / 2,
            Err(Failure::Gone(_)) => turn < TRIES,
            _ => false,
        };
        if !goes_on {
            return outcome;
        }
        tokio::time::sleep((PAUSE * turn).min(LONGEST_PAUSE)).await;
    }
}

async fn attempt(pool: &Pool, transaction: &mut Transaction<'_>) -> Result<Outcomes, Failure> {
    let client = pool.client().await.map_err(Failure::Unavailable)?;
    let outcome = tokio::time::timeout(pool.patience, transaction.attempt(&client)).await;
    let outcome = outcome.unwrap_or_else(|_| Err(Failure::Unavailable(failure::late(pool.patience))));
    match &outcome {
        Ok(_) => {}
        Err(Failure::Lost | Failure::Refused(_)) => roll_back(client, pool.patience).await,
        Err(Failure::Gone(_) | Failure::Unavailable(_)) => pool::discard(client),
    }
    outcome
}

/// Leaves the transaction, or the connection when that can not be done.
async fn roll_back(client: Client, patience: Duration) {
    let done = tokio::time::timeout(patience, client.batch_execute("ROLLBACK")).await;
    if !matches!(done, Ok(Ok(()))) {
        pool::discard(client);
    }
}
