//! Changes many clients. Each change works as if it were the only one: scripts can deny it, and it has an audit event of
//! its own.

use futures_util::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::is_default;
use crate::base::ClientId;
use crate::http::Problem;
use crate::management::{self, Held, ManageError};
use crate::registration::{self, Caller, RegisterError};
use crate::service::{Context, refusal};
use crate::store::{Action, Change, ClientFilter, StoreError, Stored};

/// The number of clients read at a time.
const PAGE: usize = 100;
/// The number of clients changed concurrently. They share a flush.
const AT_ONCE: usize = 16;
/// The maximum number of attempts for a client that is changed concurrently.
const TRIES: usize = 8;
/// The number of matching clients that are named before a change.
const FIRST: usize = 20;

/// What happens to each client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BulkChange {
    /// It is deleted.
    Delete,
    /// It is disabled.
    Disable,
    /// It is enabled.
    Enable,
}

impl BulkChange {
    /// Returns what has happened to a client, which is also the name of the member that counts these clients.
    pub(super) const fn past(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Disable => "disabled",
            Self::Enable => "enabled",
        }
    }

    /// Whether the client is already as it is to become.
    fn is_done(self, stored: &Stored) -> bool {
        let is_disabled = stored.client().metadata.metadata().flag("disabled");
        match self {
            Self::Delete => false,
            Self::Disable => is_disabled,
            Self::Enable => !is_disabled,
        }
    }

    const fn refusal(self) -> Action {
        match self {
            Self::Delete => Action::DeletionRefused,
            Self::Disable | Self::Enable => Action::UpdateRefused,
        }
    }

    async fn apply(
        self,
        cx: &Context<'_>,
        caller: &Caller<'_>,
        stored: Stored,
    ) -> Result<(), ManageError> {
        match self {
            Self::Delete => {
                let held = Held {
                    stored,
                    token: None,
                };
                management::delete(cx, caller, held).await
            }
            Self::Disable => set_disabled(cx, caller, &stored, true).await,
            Self::Enable => set_disabled(cx, caller, &stored, false).await,
        }
    }
}

async fn set_disabled(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    stored: &Stored,
    is_disabled: bool,
) -> Result<(), ManageError> {
    let mut members = stored.client().metadata.metadata().as_object().clone();
    if is_disabled {
        members.insert("disabled".to_owned(), true.into());
    } else {
        members.shift_remove("disabled");
    }
    let nothing_else = Change::default();
    let updated =
        registration::replace_as_operator(cx, caller, members, stored, nothing_else).await;
    match updated {
        Ok(_) => Ok(()),
        Err(RegisterError::Hook(error)) => Err(ManageError::Hook(error)),
        Err(RegisterError::Conflict) => Err(ManageError::Conflict),
        Err(RegisterError::Store(error)) => Err(ManageError::Store(error)),
        Err(other) => Err(ManageError::Update(other)),
    }
}

/// The clients that a filter matches, as far as they can be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct MatchingClients {
    /// Their number.
    pub(super) count: usize,
    /// The identifiers of the first of them.
    first: Vec<String>,
}

/// The result of a change of many clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct ChangedClients {
    /// The number of deleted clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<usize>,
    /// The number of clients that are now disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<usize>,
    /// The number of clients that are now enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<usize>,
    /// The number of clients that were already disabled or enabled.
    #[serde(skip_serializing_if = "is_default")]
    unchanged: usize,
    /// The number of clients whose change a script or a rule denied.
    #[serde(skip_serializing_if = "is_default")]
    refused: usize,
}

/// How many clients were changed until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ChangeTally {
    pub(super) changed: usize,
    pub(super) unchanged: usize,
    pub(super) refused: usize,
}

impl ChangeTally {
    /// Returns what the answer shows after `change`.
    pub(super) fn shown(self, change: BulkChange) -> ChangedClients {
        let mut shown = ChangedClients {
            unchanged: self.unchanged,
            refused: self.refused,
            ..ChangedClients::default()
        };
        let changed = Some(self.changed);
        match change {
            BulkChange::Delete => shown.deleted = changed,
            BulkChange::Disable => shown.disabled = changed,
            BulkChange::Enable => shown.enabled = changed,
        }
        shown
    }
}

/// What stopped a change of many clients.
pub(super) struct BulkError {
    pub(super) error: ManageError,
    /// What was changed before.
    pub(super) tally: ChangeTally,
}

/// The result for one client.
enum ChangeOutcome {
    Done,
    Unchanged,
    Refused,
    /// The client was deleted concurrently, or changed so that the filter no longer matches it.
    Left,
}

/// Counts the clients that `filter` matches, except clients that the operator of this server created.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn matching(
    cx: &Context<'_>,
    filter: &ClientFilter,
) -> Result<MatchingClients, StoreError> {
    let (mut matching, mut after) = (MatchingClients::default(), None);
    loop {
        let clients = &cx.service.store.clients;
        let page = clients.list(filter, after.as_ref(), PAGE).await?;
        for stored in page.clients.iter().filter(|stored| is_changeable(stored)) {
            matching.count += 1;
            if matching.first.len() < FIRST {
                matching.first.push(stored.client().id.to_string());
            }
        }
        match page.next {
            Some(id) => after = Some(id),
            None => return Ok(matching),
        }
    }
}

fn is_changeable(stored: &Stored) -> bool {
    !stored.client().is_operators()
}

/// Changes the clients that `filter` matches, except clients that the operator of this server created: at most `most`,
/// so that clients that are registered in the meantime are not added to those that were counted. Only one page is in
/// memory at a time.
///
/// # Errors
/// Returns the error that stopped the change, with the result until then.
pub(super) async fn change(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    change: BulkChange,
    (filter, most): (&ClientFilter, usize),
) -> Result<ChangeTally, BulkError> {
    let mut bulk = Bulk {
        cx,
        caller,
        change,
        filter,
        tally: ChangeTally::default(),
    };
    let changed = bulk.change_pages(most).await;
    let tally = bulk.tally;
    changed
        .map(|()| tally)
        .map_err(|error| BulkError { error, tally })
}

/// A change of many clients.
struct Bulk<'a> {
    cx: &'a Context<'a>,
    caller: &'a Caller<'a>,
    change: BulkChange,
    filter: &'a ClientFilter,
    tally: ChangeTally,
}

impl Bulk<'_> {
    async fn change_pages(&mut self, most: usize) -> Result<(), ManageError> {
        let (mut left, mut after) = (most, None);
        while left > 0 {
            let clients = &self.cx.service.store.clients;
            let page = clients.list(self.filter, after.as_ref(), PAGE).await?;
            let mut meant = page.clients;
            meant.retain(is_changeable);
            meant.truncate(left);
            left = left.saturating_sub(meant.len());
            self.change_page(meant).await?;
            match page.next {
                Some(id) => after = Some(id),
                None => break,
            }
        }
        Ok(())
    }

    /// Changes the clients of one page. After an error, changes that have started are completed.
    async fn change_page(&mut self, clients: Vec<Stored>) -> Result<(), ManageError> {
        let mut tally = self.tally;
        let changes = clients.into_iter().map(|stored| self.change_one(stored));
        let mut changes = stream::iter(changes).buffer_unordered(AT_ONCE);
        let mut outcome = Ok(());
        while let Some(changed) = changes.next().await {
            match changed {
                Ok(ChangeOutcome::Done) => tally.changed += 1,
                Ok(ChangeOutcome::Unchanged) => tally.unchanged += 1,
                Ok(ChangeOutcome::Refused) => tally.refused += 1,
                Ok(ChangeOutcome::Left) => {}
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        drop(changes);
        self.tally = tally;
        outcome
    }

    async fn change_one(&self, stored: Stored) -> Result<ChangeOutcome, ManageError> {
        let mut seen = stored;
        for _ in 0..TRIES {
            if self.change.is_done(&seen) {
                return Ok(ChangeOutcome::Unchanged);
            }
            let id = seen.client().id.clone();
            match self.change.apply(self.cx, self.caller, seen).await {
                Ok(()) => return Ok(ChangeOutcome::Done),
                Err(ManageError::Conflict) => {}
                Err(error) if is_refusal(&error) => {
                    self.record_refusal(&id, error);
                    return Ok(ChangeOutcome::Refused);
                }
                Err(error) => return Err(error),
            }
            match self.cx.service.store.clients.find(&id).await? {
                Some(found) if self.filter.matches(found.client()) => seen = found,
                Some(_) | None => return Ok(ChangeOutcome::Left),
            }
        }
        Err(ManageError::Conflict)
    }

    /// Records in the audit log that a script or a rule denied the change of the client `id`.
    fn record_refusal(&self, id: &ClientId, error: ManageError) {
        let author = self.caller.author(None);
        let (action, problem) = (self.change.refusal(), Problem::from(error));
        refusal::audit(self.cx, &author, action, id.as_str(), &problem);
    }
}

/// Whether a script or a rule denied the change of one client. The others can be changed nevertheless.
fn is_refusal(error: &ManageError) -> bool {
    error.is_refusal() || matches!(error, ManageError::Update(RegisterError::Metadata(_)))
}
