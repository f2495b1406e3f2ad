//! Puts a document in force: its client, with everything that is stored beside it, in one change.

use crate::client::{Client, DocumentApproval, DocumentOrigin};
use crate::registration::client_document::JudgedDocument;
use crate::resolution::admission::{Arrival, Consent};
use crate::resolution::{ResolveError, check_denial, denied_by_administrator, flight::RETRY};
use crate::service::Context;
use crate::store::{
    Action, Along, AuditEvent, Author, Change, DocumentRecords, EventType, PendingType, StoreError,
    Stored, WaitingDocument,
};
use crate::telemetry::{ClientChange, PendingChange};

/// Puts a document in force.
pub(super) async fn enforce(
    cx: &Context<'_>,
    stored: Option<&Stored>,
    arrival: &Arrival<'_>,
    judged: &JudgedDocument<'_>,
    approval: Option<DocumentApproval>,
) -> Result<(), ResolveError> {
    let before = stored.map(Stored::client);
    let document = origin(cx, arrival, before, approval);
    let client = judged.client(arrival.id.clone(), document)?;
    let event = enforced_event(cx, arrival, before, judged);
    let along = judged.along(&client, &event).await?;
    let approved = approved(&along, arrival, before)?;
    let along = along.and(approved).and(beside(cx, arrival).await?);
    let written = match stored {
        Some(stored) => replace(cx, stored, client, along).await,
        None => insert(cx, arrival, &client, along).await?,
    };
    settle(cx, arrival, written).await?;
    count(cx, arrival, stored, judged);
    Ok(())
}

/// Counts the change of the client in the metrics.
fn count(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    stored: Option<&Stored>,
    judged: &JudgedDocument<'_>,
) {
    let counted = match stored {
        Some(_) => ClientChange::Updated,
        None => ClientChange::Registered,
    };
    cx.count(counted, judged.trust_level().as_str());
    if is_approval(arrival) {
        cx.count_pending(PendingType::Document, PendingChange::Approved);
    }
}

/// Whether an administrator approves a document that waited.
const fn is_approval(arrival: &Arrival<'_>) -> bool {
    matches!(arrival.consent, Consent::Given { .. }) && !arrival.consent.is_pin()
}

/// Returns the change that tells the consumers of events that a document that waited was approved; an empty one if it
/// did not wait.
fn approved(
    along: &Along,
    arrival: &Arrival<'_>,
    before: Option<&Client>,
) -> Result<Change, StoreError> {
    if !is_approval(arrival) {
        return Ok(Change::default());
    }
    let id = WaitingDocument::id_of(arrival.url.as_str());
    let subject = WaitingDocument::subject(&id, arrival.id, before.map(|before| before.revision));
    along.cause.pending(EventType::Approved, &subject, None)
}

/// Returns what is recorded about the document in the client.
fn origin(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    before: Option<&Client>,
    approval: Option<DocumentApproval>,
) -> DocumentOrigin {
    let known = before.and_then(|before| before.document.as_ref());
    DocumentOrigin {
        digest: arrival.digest.to_owned(),
        first_seen_at: match known {
            Some(known) => known.first_seen_at,
            None => cx.service.clock.now(),
        },
        pinned: arrival.consent.is_pin(),
        approved: approval,
        held: None,
    }
}

/// Returns the change of what is stored beside the client: the octets, the state of the fetches, and the end of the
/// candidate.
async fn beside(cx: &Context<'_>, arrival: &Arrival<'_>) -> Result<Change, StoreError> {
    let documents = &cx.service.store.client_documents;
    let mut change = documents.candidate_removal(arrival.url.as_str()).await?;
    if let Ok(text) = std::str::from_utf8(arrival.octets) {
        change = change.and(DocumentRecords::octets_change(arrival.id, text)?);
    }
    let state = arrival.state.cloned().unwrap_or_default();
    Ok(change.and(DocumentRecords::state_change(arrival.id, &state)?))
}

/// Replaces the version in force, which is kept as the previous one.
async fn replace(
    cx: &Context<'_>,
    stored: &Stored,
    mut client: Client,
    mut along: Along,
) -> Result<(), StoreError> {
    if is_same(stored.client(), &client) {
        client.revision = stored.client().revision;
    } else {
        along = along.and(DocumentRecords::previous_change(stored.client())?);
    }
    let clients = &cx.service.store.clients;
    clients.replace(stored, &client, along).await
}

async fn insert(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    client: &Client,
    along: Along,
) -> Result<Result<(), StoreError>, ResolveError> {
    let Some(undenied) = undenied(cx, arrival).await? else {
        return Err(denied_by_administrator());
    };
    let clients = &cx.service.store.clients;
    Ok(clients.insert(client, along.and(undenied)).await)
}

/// Returns the expectation that nobody has denied the URL in the meantime. An administrator who agrees to it ends an
/// earlier denial.
async fn undenied(cx: &Context<'_>, arrival: &Arrival<'_>) -> Result<Option<Change>, StoreError> {
    let (documents, now) = (&cx.service.store.client_documents, cx.service.clock.now());
    let url = arrival.url.as_str();
    match arrival.consent {
        Consent::None => documents.expect_no_denial(url, now).await,
        Consent::Given { .. } => documents.denial_removal(url).await.map(Some),
    }
}

/// Whether nobody would notice that `after` replaces `before`.
fn is_same(before: &Client, after: &Client) -> bool {
    let decisions = |client: &Client| {
        let document = client.document.as_ref()?;
        let (is_approved, is_held) = (document.approved.is_some(), document.held.is_some());
        Some((is_approved, is_held, document.pinned))
    };
    before.metadata == after.metadata && decisions(before) == decisions(after)
}

/// After a conflict, another server or request was first. What it stored counts.
pub(super) async fn settle(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    written: Result<(), StoreError>,
) -> Result<(), ResolveError> {
    let Err(StoreError::Conflict) = written else {
        return Ok(written?);
    };
    if matches!(arrival.consent, Consent::Given { .. }) {
        return Err(StoreError::Conflict.into());
    }
    let service = cx.service;
    if service.store.clients.find(arrival.id).await?.is_some() {
        return Ok(());
    }
    check_denial(service, arrival.url, service.clock.now()).await?;
    // Something else that is stored with the client has changed, or the client was removed for another reason.
    Err(ResolveError::Unavailable {
        retry_after: RETRY,
        answer: None,
    })
}

/// Returns the audit event of a document that is put in force. It names the members that change, without their values.
fn enforced_event(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    before: Option<&Client>,
    judged: &JudgedDocument<'_>,
) -> AuditEvent {
    let server = Author::default();
    let author = match arrival.consent {
        Consent::Given { author, .. } => author,
        Consent::None => &server,
    };
    let action = action(arrival.consent, before);
    let event = author.did(action, arrival.id.as_str(), cx.service.clock.now());
    let mut event = event
        .with("digest", arrival.digest)
        .with("trust_level", judged.trust_level().as_str());
    let Some(before) = before else {
        return event;
    };
    let changed = before.metadata.metadata().differences(judged.metadata());
    event = event.with("changed", changed);
    match &before.document {
        Some(document) => event.with("previous_digest", document.digest.as_str()),
        None => event,
    }
}

const fn action(consent: Consent<'_>, before: Option<&Client>) -> Action {
    match (consent, before) {
        (
            Consent::Given {
                is_pinned: true, ..
            },
            _,
        ) => Action::DocumentPinned,
        (Consent::Given { .. }, _) => Action::DocumentApproved,
        (Consent::None, None) => Action::DocumentAdmitted,
        (Consent::None, Some(_)) => Action::DocumentChanged,
    }
}
