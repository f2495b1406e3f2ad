//! Deletes many clients. Each deletion works as if the client had requested it: scripts can deny it, and it
//! has an audit event of its own.

use futures_util::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::is_default;
use crate::base::ClientId;
use crate::http::Problem;
use crate::management::{self, Held, ManageError};
use crate::registration::Caller;
use crate::service::{Context, refusal};
use crate::store::{Action, ClientFilter, Stored};

/// The number of clients read at a time.
const PAGE: usize = 100;
/// The number of clients deleted concurrently. They share a flush.
const AT_ONCE: usize = 16;
/// The maximum number of attempts for a client that is changed concurrently.
const TRIES: usize = 8;

/// The result of a bulk deletion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Deleted {
    /// The number of deleted clients.
    pub(super) deleted: usize,
    /// The number of clients whose deletion a script denied.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) refused: usize,
}

/// The result for one client.
enum DeletionOutcome {
    Done,
    Refused,
    /// The client was deleted concurrently, or changed so that the filter no longer matches it.
    Left,
}

/// Deletes all clients that `filter` matches, except clients that the operator of this server created. Only
/// one page is in memory at a time.
///
/// # Errors
/// Returns the error that stopped the deletion, with the result until then.
pub(super) async fn delete(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    filter: &ClientFilter,
) -> Result<Deleted, (ManageError, Deleted)> {
    let mut done = Deleted::default();
    let mut after = None;
    loop {
        let clients = &cx.service.store.clients;
        let page = clients.list(filter, after.as_ref(), PAGE).await;
        let page = page.map_err(|error| (ManageError::Store(error), done))?;
        let deleted = delete_page(cx, caller, filter, page.clients, &mut done).await;
        deleted.map_err(|error| (error, done))?;
        match page.next {
            Some(id) => after = Some(id),
            None => return Ok(done),
        }
    }
}

/// Deletes the clients of one page and adds the result to `done`. After an error, deletions that have started
/// are completed.
async fn delete_page(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    filter: &ClientFilter,
    clients: Vec<Stored>,
    done: &mut Deleted,
) -> Result<(), ManageError> {
    let meant = clients
        .into_iter()
        .filter(|stored| !stored.client().is_operators());
    let deletions = meant.map(|stored| delete_one(cx, caller, filter, stored));
    let mut deletions = stream::iter(deletions).buffer_unordered(AT_ONCE);
    let mut outcome = Ok(());
    while let Some(deletion) = deletions.next().await {
        match deletion {
            Ok(DeletionOutcome::Done) => done.deleted += 1,
            Ok(DeletionOutcome::Refused) => done.refused += 1,
            Ok(DeletionOutcome::Left) => {}
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

async fn delete_one(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    filter: &ClientFilter,
    stored: Stored,
) -> Result<DeletionOutcome, ManageError> {
    let mut seen = stored;
    for _ in 0..TRIES {
        let id = seen.client().id.clone();
        let held = Held {
            stored: seen,
            token: None,
        };
        match management::delete(cx, caller, held).await {
            Ok(()) => return Ok(DeletionOutcome::Done),
            Err(ManageError::Conflict) => {}
            Err(error) if error.is_refusal() => {
                record_refusal(cx, caller, &id, error);
                return Ok(DeletionOutcome::Refused);
            }
            Err(error) => return Err(error),
        }
        match cx.service.store.clients.find(&id).await? {
            Some(found) if filter.matches(found.client()) => seen = found,
            Some(_) | None => return Ok(DeletionOutcome::Left),
        }
    }
    Err(ManageError::Conflict)
}

/// Records in the audit log that a script denied the deletion of the client `id`.
fn record_refusal(cx: &Context<'_>, caller: &Caller<'_>, id: &ClientId, error: ManageError) {
    let author = caller.author(None);
    let problem = Problem::from(error);
    refusal::audit(cx, &author, Action::DeletionRefused, id.as_str(), &problem);
}
