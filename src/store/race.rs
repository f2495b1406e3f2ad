//! Changes that read first, and begin again when somebody else came between.

use super::StoreError;

/// How often one change begins again before it gives up. Each time that somebody loses, somebody
/// else has won, so this is also how many may want the same record at the same time.
const TRIES: usize = 256;

/// Tries until an attempt gives something; an attempt that lost a race gives nothing.
///
/// # Errors
/// What an attempt fails with, and [`StoreError::Busy`] when every one of them lost.
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

/// Nothing when a change lost a race.
pub(super) fn unless_lost<T>(outcome: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match outcome {
        Ok(made) => Ok(Some(made)),
        Err(StoreError::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}
