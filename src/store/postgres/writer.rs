//! The one task that writes: it takes what waits, makes it in one transaction, and answers all.

use std::time::Duration;

use deadpool_postgres::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::failure::{self, Failure};
use super::pool::{self, Pool};
use super::transaction::{self, Outcomes, Transaction};
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
/// An attempt may take at least this part of the patience of whoever asks.
const SHORTEST: u32 = 4;

/// A change, and who waits for it.
pub(super) struct Request {
    pub(super) change: Change,
    /// When whoever waits is told that nothing was made.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Vec<i64>, StoreError>>,
}

impl Request {
    /// Whether nobody waits for it any more at `now`.
    fn is_over(&self, now: Instant) -> bool {
        self.answer.is_closed() || self.deadline <= now
    }
}

/// Writes what comes, until nobody can send any more.
pub(super) async fn run(pool: Pool, mut requests: mpsc::Receiver<Request>, has_notify: bool) {
    let mut waiting = Vec::new();
    while requests.recv_many(&mut waiting, BATCH).await > 0 {
        make(&pool, std::mem::take(&mut waiting), has_notify).await;
    }
}

/// Makes all of `requests` that can be made, and answers them. When the time of some is over before
/// that, the others go on without them.
async fn make(pool: &Pool, requests: Vec<Request>, has_notify: bool) {
    let mut left = requests;
    loop {
        left = those_who_wait(pool, left);
        if left.is_empty() {
            return;
        }
        match commit(pool, &left, has_notify).await {
            Ok(outcomes) => return answer(left, outcomes),
            Err(Failure::Late(error)) => {
                // Who waits for one of them says so.
                tracing::debug!(%error, changes = left.len(), "some of these changes came too late");
            }
            Err(Failure::Refused(_)) if left.len() > 1 => return make_each(pool, left, has_notify).await,
            Err(failure) => {
                let error = failure.into_error();
                tracing::debug!(%error, changes = left.len(), "the database did not take changes");
                let outcomes = left.iter().map(|_| Err(error.clone())).collect();
                return answer(left, outcomes);
            }
        }
    }
}

/// Those of `requests` for which somebody waits. The others were told that nothing was made, or are
/// told so now.
fn those_who_wait(pool: &Pool, requests: Vec<Request>) -> Vec<Request> {
    let now = Instant::now();
    let (over, left): (Vec<_>, Vec<_>) = requests.into_iter().partition(|request| request.is_over(now));
    let outcomes = over.iter().map(|_| Err(failure::late(pool.patience))).collect();
    answer(over, outcomes);
    left
}

/// Makes each of `requests` by itself: the database does not take what is in one of them, and the
/// others are not to suffer.
async fn make_each(pool: &Pool, requests: Vec<Request>, has_notify: bool) {
    for request in requests {
        let alone = [request];
        let outcomes = commit(pool, &alone, has_notify).await;
        answer(alone, outcomes.unwrap_or_else(|failure| vec![Err(failure.into_error())]));
    }
}

fn answer(requests: impl IntoIterator<Item = Request>, outcomes: Outcomes) {
    for (request, outcome) in requests.into_iter().zip(outcomes) {
        // Whoever asked may have gone; the change is made all the same.
        let _ = request.answer.send(outcome);
    }
}

/// Makes `requests` in one transaction, which begins again when somebody else came between. A
/// database that aborts whoever comes second may do so many times, so that goes on while whoever
/// asked has patience, and ends early enough to say that nothing was made.
async fn commit(pool: &Pool, requests: &[Request], has_notify: bool) -> Result<Outcomes, Failure> {
    let begun = Instant::now();
    let first = requests.iter().map(|request| request.deadline).min().unwrap_or(begun);
    let changes = requests.iter().map(|request| &request.change).collect();
    let mut transaction = Transaction::of(changes, has_notify);
    let mut turn = 0;
    loop {
        turn += 1;
        let outcome = attempt(pool, &mut transaction, first).await;
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

/// Tries `transaction` once. At `deadline` the first of those who wait for it is told that nothing was
/// made, and may ask again; so from then on it is not committed. It may be tried a little beyond
/// that, since many deadlines that follow each other closely would leave no time for any of the others.
async fn attempt(
    pool: &Pool,
    transaction: &mut Transaction<'_>,
    deadline: Instant,
) -> Result<Outcomes, Failure> {
    let late = || Failure::Late(failure::late(pool.patience));
    let now = Instant::now();
    if deadline <= now {
        return Err(late());
    }
    let end = deadline.max(now + pool.patience / SHORTEST);
    let client = timeout_at(end, pool.client()).await.map_err(|_| late())?.map_err(Failure::Unavailable)?;
    let Ok(prepared) = timeout_at(end, transaction.prepare(&client)).await else {
        // It waits for a lock, perhaps. What ends without a commit is not made.
        pool::discard(client);
        return Err(late());
    };
    let outcome = match prepared {
        Ok(_) if deadline <= Instant::now() => Err(late()),
        Ok(outcomes) => finish(pool, &client).await.map(|()| outcomes),
        Err(failure) => Err(failure),
    };
    match &outcome {
        Ok(_) => {}
        Err(Failure::Lost | Failure::Refused(_) | Failure::Late(_)) => roll_back(client, pool.patience).await,
        Err(Failure::Gone(_) | Failure::Unavailable(_)) => pool::discard(client),
    }
    outcome
}

/// Commits. Without an answer nobody knows whether it was made.
async fn finish(pool: &Pool, client: &Client) -> Result<(), Failure> {
    let committed = tokio::time::timeout(pool.patience, transaction::commit(client)).await;
    committed.unwrap_or_else(|_| Err(Failure::Unavailable(failure::late(pool.patience))))
}

/// Leaves the transaction, or the connection when that can not be done.
async fn roll_back(client: Client, patience: Duration) {
    let done = tokio::time::timeout(patience, client.batch_execute("ROLLBACK")).await;
    if !matches!(done, Ok(Ok(()))) {
        pool::discard(client);
    }
}
