//! Documents that wait for an administrator: those with a new URL, and changes of those in force.

use crate::base::Timestamp;
use crate::client::rules::client_document::change::{DocumentChange, without_withdrawn_uris};
use crate::client::{Approved, Client, HeldDocument, Metadata, Rules};
use crate::registration::client_document::JudgedDocument;
use crate::resolution::admission::Arrival;
use crate::resolution::{ResolveError, Resolver, in_force};
use crate::service::Context;
use crate::store::{
    Action, Along, AuditEvent, Author, Cause, Change, DocumentRecords, EventType, FetchState,
    PendingType, Reason, StoreError, Stored, WaitingDocument,
};
use crate::telemetry::PendingChange;

/// Seconds after which an authorization server may ask again when too many documents wait.
const RETRY: u64 = 3_600;

/// Lets a document with a new URL wait.
pub(super) async fn wait(
    resolver: &Resolver,
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    judged: &JudgedDocument<'_>,
) -> Result<(), ResolveError> {
    let earlier = earlier(cx, arrival).await?;
    let is_new = is_new(earlier.as_ref(), arrival);
    let candidate = candidate(resolver, arrival, judged, earlier);
    let candidate = dated(cx, candidate);
    let since = candidate.first_asked_at;
    let Some(mut change) = kept(cx, candidate).await? else {
        return Err(ResolveError::Busy {
            description: "too many client documents wait for an administrator; retry later",
            retry_after: RETRY,
        });
    };
    if is_new {
        change = change.and(begun(cx, arrival, judged)?);
    }
    match cx.service.store.client_documents.apply(change).await {
        Ok(()) => {
            count(cx, is_new);
            Err(ResolveError::Pending { since })
        }
        // Another server lets the same document wait.
        Err(StoreError::Conflict) => Err(ResolveError::Pending { since }),
        Err(error) => Err(error.into()),
    }
}

/// Lets a change of a document wait. The version before stays in force, without the redirect URIs that the document no
/// longer has.
pub(super) async fn hold(
    resolver: &Resolver,
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    judged: &JudgedDocument<'_>,
    (stored, change): (&Stored, &DocumentChange),
) -> Result<(), ResolveError> {
    let (before, after) = (stored.client(), (judged.metadata(), change));
    let client = holding(cx, before, arrival, after);
    let along = hold_along(cx, arrival, (stored, &client), change)?;
    let announcing = (&along.cause, stored);
    let kept = keep_change(resolver, cx, arrival, (judged, change), announcing).await?;
    match (&kept, arrival.state) {
        (None, Some(state)) if is_held(before, arrival.digest) => {
            // Still too many wait, and nothing else has changed since it was first held.
            return put_state(cx, arrival, state).await;
        }
        (None, _) => warn_of_limit(arrival),
        (Some(_), _) => {}
    }
    replace(cx, arrival, stored, (&client, along, kept)).await
}

/// Returns the change that lets the change of a document wait, and whether these octets did not wait yet; none if too
/// many wait.
async fn keep_change(
    resolver: &Resolver,
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    (judged, change): (&JudgedDocument<'_>, &DocumentChange),
    (cause, stored): (&Cause, &Stored),
) -> Result<Option<(Change, bool)>, StoreError> {
    let earlier = earlier(cx, arrival).await?;
    let is_new = is_new(earlier.as_ref(), arrival);
    let candidate = changing(candidate(resolver, arrival, judged, earlier), change);
    let Some(kept) = kept(cx, dated(cx, candidate)).await? else {
        return Ok(None);
    };
    if !is_new {
        return Ok(Some((kept, false)));
    }
    let announced = announced(cause, arrival, judged, Some(stored))?;
    Ok(Some((kept.and(announced), true)))
}

/// Returns the candidate with how it differs from the version in force.
fn changing(candidate: WaitingDocument, change: &DocumentChange) -> WaitingDocument {
    WaitingDocument {
        changed: Some(change.members.clone()),
        downgrades: change.downgrades.clone(),
        ..candidate
    }
}

/// Writes the client in force while a change waits, with what is kept of the change.
async fn replace(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    stored: &Stored,
    (client, along, kept): (&Client, Along, Option<(Change, bool)>),
) -> Result<(), ResolveError> {
    let (kept, is_new) = kept.unwrap_or_default();
    let clients = &cx.service.store.clients;
    let written = clients.replace(stored, client, along.and(kept)).await;
    in_force::settle(cx, arrival, written).await?;
    count(cx, is_new);
    Ok(())
}

async fn put_state(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    state: &FetchState,
) -> Result<(), ResolveError> {
    let documents = &cx.service.store.client_documents;
    Ok(documents.put_state(arrival.id, state).await?)
}

fn warn_of_limit(arrival: &Arrival<'_>) {
    tracing::warn!(
        client_id = %arrival.id,
        "a change of a client document is held, but too many wait for an administrator (limits.documentCandidates)"
    );
}

/// Whether the version of the document with this digest is held.
fn is_held(client: &Client, digest: &str) -> bool {
    held(client).is_some_and(|held| held.digest == digest)
}

/// Returns what is recorded about the version of the document that is held.
fn held(client: &Client) -> Option<&HeldDocument> {
    client.document.as_ref()?.held.as_ref()
}

/// Returns what is stored with the client whose change is held. `after` is the client while it is.
fn hold_along(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    (stored, after): (&Stored, &Client),
    change: &DocumentChange,
) -> Result<Along, StoreError> {
    let mut event = held_event(cx, arrival).with("changed", change.members.clone());
    if let Some(document) = &stored.client().document {
        event = event.with("previous_digest", document.digest.as_str());
    }
    let mut along = Along::audited(&event, Reason::Document);
    if after.revision != stored.client().revision {
        along = along.and(DocumentRecords::previous_change(stored.client())?);
    }
    match arrival.state {
        Some(state) => Ok(along.and(DocumentRecords::state_change(arrival.id, state)?)),
        None => Ok(along),
    }
}

/// Returns the client in force while the change to `after` waits.
fn holding(
    cx: &Context<'_>,
    before: &Client,
    arrival: &Arrival<'_>,
    (after, change): (&Metadata, &DocumentChange),
) -> Client {
    // A version that waited before may have withdrawn other redirect URIs.
    let whole = unnarrowed(before);
    let narrowed = narrowed(cx, before, &whole, after);
    let mut held = HeldDocument {
        digest: arrival.digest.to_owned(),
        members: change.members.clone(),
        // A host that keeps changing its document does not begin the time anew.
        since: held(before).map_or_else(|| cx.service.clock.now(), |held| held.since),
        stops: narrowed.is_none(),
        redirect_uris: Vec::new(),
    };
    let mut client = before.clone();
    if let Some(metadata) = narrowed
        && metadata != before.metadata
    {
        client.metadata = metadata;
        client.revision = before.revision.saturating_add(1);
    }
    if *client.metadata.metadata() != whole {
        held.redirect_uris = texts(&whole, "redirect_uris");
    }
    if let Some(document) = &mut client.document {
        document.held = Some(held);
    }
    client
}

/// Returns the metadata of the version in force, which is `whole` with all its redirect URIs, without those that the
/// document no longer has; none if that leaves a client that breaks the rules.
fn narrowed(
    cx: &Context<'_>,
    before: &Client,
    whole: &Metadata,
    after: &Metadata,
) -> Option<Approved> {
    let metadata = without_withdrawn_uris(whole, after);
    if metadata == *before.metadata.metadata() {
        return Some(before.metadata.clone());
    }
    metadata.texts("redirect_uris").next()?;
    approved(cx, whole, metadata)
}

/// Returns the metadata of a version in force after a change of its redirect URIs; none if it breaks the rules.
fn approved(cx: &Context<'_>, in_force: &Metadata, metadata: Metadata) -> Option<Approved> {
    let rules = Rules {
        registered: Some(in_force),
        ..cx.rules()
    };
    let valid = rules.validate_changed(metadata).ok()?;
    Some(valid.approve())
}

/// Returns the metadata of the version in force with the redirect URIs that it lost while a change waits.
pub(super) fn unnarrowed(client: &Client) -> Metadata {
    let mut metadata = client.metadata.metadata().clone();
    if let Some(held) = held(client)
        && !held.redirect_uris.is_empty()
    {
        metadata.set("redirect_uris", held.redirect_uris.clone());
    }
    metadata
}

fn texts(metadata: &Metadata, name: &str) -> Vec<String> {
    metadata.texts(name).map(str::to_owned).collect()
}

/// Ends the hold of a change: the document is again the version in force, with all its redirect URIs.
pub(super) async fn release(cx: &Context<'_>, stored: &Stored) -> Result<(), ResolveError> {
    let service = cx.service;
    let mut client = stored.client().clone();
    let documents = &service.store.client_documents;
    let mut along = documents.candidate_removal(client.id.as_str()).await?;
    let whole = unnarrowed(&client);
    if whole != *client.metadata.metadata()
        && let Some(metadata) = approved(cx, &whole, whole.clone())
    {
        client.metadata = metadata;
        client.revision = client.revision.saturating_add(1);
        along = along.and(DocumentRecords::previous_change(stored.client())?);
    }
    if let Some(document) = &mut client.document {
        document.held = None;
    }
    match service.store.clients.replace(stored, &client, along).await {
        Ok(()) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the document of the URL that waits already.
async fn earlier(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
) -> Result<Option<WaitingDocument>, StoreError> {
    let documents = &cx.service.store.client_documents;
    let now = cx.service.clock.now();
    documents.candidate(arrival.url.as_str(), now).await
}

/// Returns the candidate that the document is, with what is known of an `earlier` one of its URL.
fn candidate(
    resolver: &Resolver,
    arrival: &Arrival<'_>,
    judged: &JudgedDocument<'_>,
    earlier: Option<WaitingDocument>,
) -> WaitingDocument {
    let url = arrival.url.as_str();
    let (asked, asked_by) = resolver.0.memory.take_asked(url);
    let mut candidate = WaitingDocument {
        client_id: url.to_owned(),
        document: String::from_utf8_lossy(arrival.octets).into_owned(),
        digest: arrival.digest.to_owned(),
        metadata: judged.metadata().clone(),
        changed: None,
        downgrades: Vec::new(),
        reason: judged.held(),
        first_asked_at: Timestamp::default(),
        last_asked_at: Timestamp::default(),
        asked,
        last_asked_by: asked_by,
        trust_level: judged.trust_level().as_str().to_owned(),
    };
    if let Some(earlier) = earlier {
        candidate.first_asked_at = earlier.first_asked_at;
        candidate.asked = asked.saturating_add(earlier.asked);
        candidate.last_asked_by = candidate.last_asked_by.or(earlier.last_asked_by);
    }
    candidate
}

/// Returns the candidate with the time at which it was asked for.
fn dated(cx: &Context<'_>, candidate: WaitingDocument) -> WaitingDocument {
    let now = cx.service.clock.now();
    let is_new = candidate.first_asked_at.unix() == 0;
    WaitingDocument {
        first_asked_at: if is_new {
            now
        } else {
            candidate.first_asked_at
        },
        last_asked_at: now,
        ..candidate
    }
}

/// Returns the change that lets `candidate` wait; none if too many do.
async fn kept(cx: &Context<'_>, candidate: WaitingDocument) -> Result<Option<Change>, StoreError> {
    let most = cx.service.settings.limits.document_candidates as u64;
    let documents = &cx.service.store.client_documents;
    documents.candidate_change(candidate, most).await
}

/// Returns the change that records that a new URL waits.
fn begun(
    cx: &Context<'_>,
    arrival: &Arrival<'_>,
    judged: &JudgedDocument<'_>,
) -> Result<Change, StoreError> {
    let along = Along::audited(&held_event(cx, arrival), Reason::Document);
    let announced = announced(&along.cause, arrival, judged, None)?;
    Ok(along.alone()?.and(announced))
}

fn count(cx: &Context<'_>, is_new: bool) {
    if is_new {
        cx.count_pending(PendingType::Document, PendingChange::Pending);
    }
}

/// Whether these octets do not wait yet.
fn is_new(earlier: Option<&WaitingDocument>, arrival: &Arrival<'_>) -> bool {
    earlier.is_none_or(|earlier| earlier.digest != arrival.digest)
}

/// Returns the change that tells the consumers of events that the document waits.
fn announced(
    cause: &Cause,
    arrival: &Arrival<'_>,
    judged: &JudgedDocument<'_>,
    stored: Option<&Stored>,
) -> Result<Change, StoreError> {
    let id = WaitingDocument::id_of(arrival.url.as_str());
    let in_force = stored.map(|stored| stored.client().revision);
    let subject = WaitingDocument::subject(&id, arrival.id, in_force);
    cause.pending(EventType::Pending, &subject, judged.remembered())
}

fn held_event(cx: &Context<'_>, arrival: &Arrival<'_>) -> AuditEvent {
    let (server, now) = (Author::default(), cx.service.clock.now());
    let event = server.did(Action::DocumentHeld, arrival.id.as_str(), now);
    event
        .with("digest", arrival.digest)
        .with("pending", WaitingDocument::id_of(arrival.url.as_str()))
}
