//! Many clients are deleted, each as its holder would delete it: with the scripts that have a say,
//! and an event of its own.

use futures_util::stream::{self, StreamExt};

use crate::management::{self, Held, ManageError};
use crate::registration::Caller;
use crate::registration::endpoint::refused;
use crate::service::Context;
use crate::store::audit::Action;
use crate::store::{ClientFilter, Stored};

/// Clients that are read at a time.
const PAGE: usize = 100;
/// Clients that are deleted at the same time: they share a flush.
const AT_ONCE: usize = 16;
/// How often a client is looked at again that others change at the same time.
const TRIES: usize = 8;

/// What became of the clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    /// Clients that are gone.
    pub(super) deleted: usize,
    /// Clients that a script did not let go.
    pub(super) refused: usize,
}

/// What became of one client.
enum Outcome {
    Deleted,
    Refused,
    /// Others deleted it, or made it one that is not meant.
    Left,
}

/// Deletes all clients that `filter` chooses, but none that the operator of this server made. A
/// page is in memory at a time.
///
/// # Errors
/// What stopped it, with what was done before.
pub(super) async fn delete(
    cx: &Context<'_>,
    caller: &Caller,
    filter: &ClientFilter,
) -> Result<Deleted, (ManageError, Deleted)> {
    let (mut done, mut after) = (Deleted::default(), None);
    loop {
        let page = cx.service.store.clients.list(filter, after.as_ref(), PAGE).await;
        let page = page.map_err(|error| (ManageError::Store(error), done))?;
        let meant = page.clients.into_iter().filter(|stored| !stored.client().is_operators());
        let mut outcomes = stream::iter(meant.map(|stored| delete_one(cx, caller, filter, stored)))
            .buffer_unordered(AT_ONCE);
        let mut stopped = None;
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(Outcome::Deleted) => done.deleted += 1,
                Ok(Outcome::Refused) => done.refused += 1,
                Ok(Outcome::Left) => {}
                // Those that are under way are not left halfway.
                Err(error) => stopped = stopped.or(Some(error)),
            }
        }
        if let Some(error) = stopped {
            return Err((error, done));
        }
        match page.next {
            Some(id) => after = Some(id),
            None => return Ok(done),
        }
    }
}

async fn delete_one(
    cx: &Context<'_>,
    caller: &Caller,
    filter: &ClientFilter,
    stored: Stored,
) -> Result<Outcome, ManageError> {
    let mut seen = stored;
    for _ in 0..TRIES {
        let id = seen.client().id.clone();
        match management::delete(cx, caller, Held { stored: seen, token: None }).await {
            Ok(()) => return Ok(Outcome::Deleted),
            Err(ManageError::Conflict) => {}
            Err(error) if error.is_refusal() => {
                let (author, problem) = (caller.author(None), management::endpoint::problem(error));
                refused(cx, (&author, Action::DeletionRefused, id.as_str()), problem);
                return Ok(Outcome::Refused);
            }
            Err(error) => return Err(error),
        }
        match cx.service.store.clients.find(&id).await? {
            Some(found) if filter.matches(found.client()) => seen = found,
            Some(_) | None => return Ok(Outcome::Left),
        }
    }
    Err(ManageError::Conflict)
}
