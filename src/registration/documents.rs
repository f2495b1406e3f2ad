//! What a registration, an update or a deletion changes about the document of its client that this server publishes:
//! its events in the audit log, and its count in the metrics.

use crate::client::Client;
use crate::registration::Caller;
use crate::service::Context;
use crate::store::{Action, Change, StoreError};
use crate::telemetry::DocumentOutcome;

/// How the document of a client changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PublicationChange {
    Published,
    Withdrawn,
}

impl PublicationChange {
    /// Returns how the document changes with its client; none if it does not.
    pub(super) fn of(before: Option<&Client>, after: Option<&Client>) -> Option<Self> {
        let had = before.is_some_and(Client::has_hosted_document);
        let has = after.is_some_and(Client::has_hosted_document);
        match (had, has) {
            (false, true) => Some(Self::Published),
            (true, false) => Some(Self::Withdrawn),
            (false, false) | (true, true) => None,
        }
    }

    const fn action(self) -> Action {
        match self {
            Self::Published => Action::DocumentPublished,
            Self::Withdrawn => Action::DocumentWithdrawn,
        }
    }

    const fn outcome(self) -> DocumentOutcome {
        match self {
            Self::Published => DocumentOutcome::Published,
            Self::Withdrawn => DocumentOutcome::Withdrawn,
        }
    }
}

/// Returns what is stored with the change of `client`: the event that its document changes.
pub(super) fn event(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    client: &Client,
    change: Option<PublicationChange>,
) -> Result<Change, StoreError> {
    let Some(change) = change else {
        return Ok(Change::default());
    };
    let author = caller.author(Some(client));
    let event = author.did(change.action(), client.id.as_str(), cx.service.clock.now());
    let url = cx.service.document_url(&client.id);
    event.with("url", url).change()
}

/// Counts the change in the metrics.
pub(super) fn count(cx: &Context<'_>, change: Option<PublicationChange>) {
    if let Some(change) = change {
        cx.count_document(change.outcome());
    }
}
