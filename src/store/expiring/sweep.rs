//! Removes expired records, which it finds through the expiry index of each type.

use futures_util::future::join_all;

use crate::base::Timestamp;
use crate::store::{
    Backend, Change, Expectation, ExpiringKind, StoreError, expiring, record, unless_lost,
};

/// Adds up the clients that one page of a sweep removed. A client that cannot be read stays and does not
/// keep the sweep from removing the others. The log names it as `who`.
pub(in crate::store) fn add_up(
    outcomes: Vec<Result<bool, StoreError>>,
    who: &str,
    removed: &mut usize,
) -> Result<(), StoreError> {
    let mut failed = None;
    for outcome in outcomes {
        match outcome {
            Ok(is_removed) => *removed += usize::from(is_removed),
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "{who} was not removed");
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Removes at most `limit` records of `kind` that have expired at `at`. Returns how many index entries it
/// visited: 0 when there is nothing more to do. Records that have not expired are not touched.
pub(in crate::store) async fn sweep(
    backend: &dyn Backend,
    kind: ExpiringKind,
    at: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let entries = backend.scan(kind.ended(at), limit).await?;
    // All at once, so that they share a flush.
    let each = entries.iter();
    let each = each.map(|(entry, _)| sweep_one(backend, kind, entry, at));
    for outcome in join_all(each).await {
        outcome?;
    }
    Ok(entries.len())
}

async fn sweep_one(
    backend: &dyn Backend,
    kind: ExpiringKind,
    entry: &[u8],
    at: Timestamp,
) -> Result<(), StoreError> {
    let key = kind.of_expiry(entry).unwrap_or_default();
    let stored = kind.record(key);
    // A record that cannot be read has expired too, since its index entry is due.
    let is_over = |bytes: &[u8]| record::expiry(&stored, bytes).map_or(true, |end| end <= at);
    let dangling = |expectation| Change {
        expect: vec![expectation],
        delete: vec![entry.to_vec()],
        ..Change::default()
    };
    let change = match backend.get(&stored).await? {
        Some(bytes) if is_over(&bytes) => expiring::removal(kind, key, bytes, entry.to_vec()),
        // A dangling entry is removed, so that the next sweep does not visit it.
        Some(bytes) => dangling(Expectation::Value(stored, bytes)),
        None => dangling(Expectation::Absent(stored)),
    };
    // The record was changed in the meantime, perhaps to expire later; the next sweep handles it.
    unless_lost(backend.apply(change).await).map(drop)
}
