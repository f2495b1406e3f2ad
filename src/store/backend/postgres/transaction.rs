//! One transaction: locks the rows, works out the changes, and writes the result.
//!
//! All existing rows are locked in key order before anything is written, so two servers never deadlock. A
//! missing row is inserted. If somebody else has inserted it in the meantime, the transaction starts again.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Client;
use futures_util::future::{try_join, try_join3};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::{failure::TransactionFailure, listen, pool};
use crate::store::{Applied, Change, Pending, StoreError, Values};

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const LOCK: &str = "SELECT key, value FROM registrar_entries \
                    WHERE key = ANY($1::bytea[]) ORDER BY key FOR UPDATE";
const INSERT: &str = "INSERT INTO registrar_entries (key, value) \
                      SELECT new.key, new.value \
                      FROM unnest($1::bytea[], $2::bytea[]) AS new (key, value) ORDER BY new.key \
                      ON CONFLICT (key) DO NOTHING";
const UPDATE: &str = "UPDATE registrar_entries SET value = new.value \
                      FROM unnest($1::bytea[], $2::bytea[]) AS new (key, value) \
                      WHERE registrar_entries.key = new.key";
const DELETE: &str = "DELETE FROM registrar_entries WHERE key = ANY($1::bytea[])";

/// The outcome of each change.
pub(super) type Outcomes = Vec<Result<Applied, StoreError>>;

/// Changes that are written together.
pub(super) struct Transaction<'a> {
    changes: Vec<&'a Change>,
    read: LockKeys,
    locked: LockKeys,
    has_notify: bool,
}

impl<'a> Transaction<'a> {
    /// Creates the transaction of `changes`. Listeners are notified if the database [supports
    /// it](listen::is_possible).
    pub(super) fn of(changes: Vec<&'a Change>, has_notify: bool) -> Self {
        let read = read_by(&changes);
        let mut locked = written_by(&changes);
        locked.extend(read.iter().cloned());
        Self {
            changes,
            read,
            locked,
            has_notify,
        }
    }

    /// Applies all changes that can be applied; none of them takes effect before the [commit].
    pub(super) async fn prepare(
        &mut self,
        client: &Client,
    ) -> Result<Outcomes, TransactionFailure> {
        let stored = self.lock(client).await?;
        let mut pending = Pending::on(|key: &[u8]| Ok(stored.get(key).cloned()));
        let mut outcomes = Vec::with_capacity(self.changes.len());
        for &change in &self.changes {
            outcomes.push(pending.add(change.clone()));
        }
        let values = pending.into_values();
        self.write(client, &values, &stored).await?;
        Ok(outcomes)
    }

    /// Begins and locks the existing rows.
    async fn lock(
        &self,
        client: &Client,
    ) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, TransactionFailure> {
        let lock = client.prepare_cached(LOCK).await?;
        let keys: Vec<&[u8]> = self.locked.iter().map(Vec::as_slice).collect();
        let values: [&(dyn ToSql + Sync); 1] = [&keys];
        let ((), rows) =
            try_join(client.batch_execute(BEGIN), client.query(&lock, &values)).await?;
        Ok(rows.iter().map(pool::pair).collect::<Result<_, _>>()?)
    }

    /// Writes `values` over what was `stored`.
    async fn write(
        &mut self,
        client: &Client,
        values: &Values,
        stored: &BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<(), TransactionFailure> {
        if values.is_empty() {
            return Ok(());
        }
        let plan = Plan::new(values, stored, &self.read);
        let rows = u64::try_from(plan.insert.len()).unwrap_or(u64::MAX);
        if send(client, plan).await? < rows {
            // Keys that were not known before are locked too when the transaction starts again.
            self.locked.extend(values.keys().cloned());
            return Err(TransactionFailure::Lost);
        }
        if self.has_notify && values.keys().any(|key| listen::is_watched(key)) {
            client.batch_execute(listen::NOTIFY).await?;
        }
        Ok(())
    }
}

/// Commits what was [prepared](Transaction::prepare).
pub(super) async fn commit(client: &Client) -> Result<(), TransactionFailure> {
    client
        .batch_execute("COMMIT")
        .await
        .map_err(|error| TransactionFailure::from(error).at_commit())
}

/// Sends `plan` and returns the number of inserted rows. Once prepared, the statements are sent in this order
/// without a pause.
async fn send(client: &Client, plan: Plan<'_>) -> Result<u64, TransactionFailure> {
    let inserts: Columns<'_> = plan.insert.into_iter().unzip();
    let updates: Columns<'_> = plan.update.into_iter().unzip();
    let deletes: Vec<&[u8]> = plan.delete.into_iter().collect();
    let (insert, update, delete) = try_join3(
        client.prepare_cached(INSERT),
        client.prepare_cached(UPDATE),
        client.prepare_cached(DELETE),
    )
    .await?;
    let (no_insert, no_update) = (inserts.0.is_empty(), updates.0.is_empty());
    let (inserted, ..) = try_join3(
        execute(client, &insert, &[&inserts.0, &inserts.1], no_insert),
        execute(client, &update, &[&updates.0, &updates.1], no_update),
        execute(client, &delete, &[&deletes], deletes.is_empty()),
    )
    .await?;
    Ok(inserted)
}

/// Keys and their values.
type Columns<'a> = (Vec<&'a [u8]>, Vec<&'a [u8]>);

async fn execute(
    client: &Client,
    statement: &Statement,
    values: &[&(dyn ToSql + Sync)],
    is_nothing: bool,
) -> Result<u64, tokio_postgres::Error> {
    if is_nothing {
        Ok(0)
    } else {
        client.execute(statement, values).await
    }
}

/// Keys, in the order in which they are locked.
type LockKeys = BTreeSet<Vec<u8>>;

/// Returns every key whose value `changes` depend on.
fn read_by(changes: &[&Change]) -> LockKeys {
    let mut keys = LockKeys::new();
    for change in changes {
        for expectation in &change.expect {
            keys.insert(expectation.key().to_owned());
        }
        for (counter, _) in &change.count {
            keys.insert(counter.clone());
        }
        for (sequence, _) in &change.append {
            keys.insert(sequence.clone());
        }
        for chained in &change.chain {
            keys.extend([chained.sequence.to_vec(), chained.head.to_vec()]);
        }
    }
    keys
}

/// Returns every key that `changes` write, except those of appended values, which are not known yet.
fn written_by(changes: &[&Change]) -> LockKeys {
    let mut keys = LockKeys::new();
    for change in changes {
        keys.extend(change.delete.iter().cloned());
        for (key, _) in &change.put {
            keys.insert(key.clone());
        }
    }
    keys
}

/// The rows to write.
#[derive(Default)]
struct Plan<'a> {
    /// Rows that must not exist yet.
    insert: BTreeMap<&'a [u8], &'a [u8]>,
    /// Rows that exist.
    update: BTreeMap<&'a [u8], &'a [u8]>,
    /// Rows that must not exist afterwards.
    delete: BTreeSet<&'a [u8]>,
}

impl<'a> Plan<'a> {
    /// Plans how `values` are written on top of what is `stored`.
    ///
    /// A key without a row cannot be locked. A row is therefore inserted for each such key in `read` and
    /// deleted again, so that nobody else can give the key a value before the commit.
    fn new(values: &'a Values, stored: &BTreeMap<Vec<u8>, Vec<u8>>, read: &'a LockKeys) -> Self {
        let mut plan = Self::default();
        for (key, value) in values {
            match value {
                Some(value) if stored.contains_key(key) => drop(plan.update.insert(key, value)),
                Some(value) => drop(plan.insert.insert(key, value)),
                None => drop(plan.delete.insert(key)),
            }
        }
        for key in read {
            let has_row = stored.contains_key(key);
            let gets_value = matches!(values.get(key), Some(Some(_)));
            if !has_row && !gets_value {
                plan.insert.insert(key, b"");
                plan.delete.insert(key);
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_row_is_locked() {
        let stored = BTreeMap::from([(b"there".to_vec(), b"1".to_vec())]);
        let read = ["there", "missing", "new"]
            .map(|key| key.as_bytes().to_vec())
            .into();
        let values = Values::from([
            (b"there".to_vec(), Some(b"2".to_vec())),
            (b"new".to_vec(), Some(b"3".to_vec())),
            (b"old".to_vec(), None),
        ]);
        let plan = Plan::new(&values, &stored, &read);
        assert_eq!(
            plan.insert,
            BTreeMap::from([(&b"missing"[..], &b""[..]), (b"new", b"3")])
        );
        assert_eq!(plan.update, BTreeMap::from([(&b"there"[..], &b"2"[..])]));
        assert_eq!(plan.delete, BTreeSet::from([&b"missing"[..], b"old"]));
    }
}
