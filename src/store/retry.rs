//! Changes that read first, and start again when another change interfered.

use crate::store::StoreError;

/// How often one change is attempted before it gives up. Each time one change loses a race, another has
/// won, so this is also how many changes can compete for the same record.
const TRIES: usize = 256;

/// Calls `attempt` until it returns a value; an attempt that lost a race returns `None`.
///
/// # Errors
/// The error of an attempt, or [`StoreError::Busy`] when every attempt lost.
pub(super) async fn until_won<T, E, A>(mut attempt: impl FnMut() -> A) -> Result<T, E>
where
    E: From<StoreError>,
    A: Future<Output = Result<Option<T>, E>>,
{
    for _ in 0..TRIES {
        if let Some(won) = attempt().await? {
            return Ok(won);
        }
    }
    Err(StoreError::Busy.into())
}

/// Returns `None` when a change lost a race.
pub(super) fn unless_lost<T>(outcome: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match outcome {
        Ok(made) => Ok(Some(made)),
        Err(StoreError::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}
