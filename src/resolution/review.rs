//! What administrators decide about client documents: approvals, denials, pins, and fetches that they order.

use serde_json::{Map, Value};

use super::admission::{self, Arrival, Consent};
use super::{
    FetchCaller, ResolveError, Resolved, Resolver, check_enabled, freshness, identifier,
    is_fetched, not_fetched, own, url,
};
use crate::base::{ClientId, ClientUrl, Timestamp};
use crate::client::rules::client_document::change::digest;
use crate::client::{Client, DocumentApproval};
use crate::service::Context;
use crate::store::{
    Action, Along, Author, ClientFilter, Denial, DocumentRecords, EventType, FetchState,
    PendingType, Reason, StoreError, Stored, WaitingDocument,
};
use crate::telemetry::PendingChange;

/// How often a denial is tried while something else changes the client.
const ATTEMPTS: usize = 8;

/// The clients that are read at a time in search of pinned documents.
const PINS: usize = 500;

/// An order of an administrator about a URL.
#[derive(Clone, Copy)]
pub(crate) struct ReviewOrder<'a> {
    /// The administrator.
    pub(crate) author: &'a Author,
    /// The URL.
    pub(crate) client_id: &'a str,
    /// A note about the reason.
    pub(crate) note: Option<&'a str>,
}

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewError {
    /// There is no such document.
    #[error("no client document of this URL waits, is held or is in force")]
    Unknown,
    /// Nobody has denied the URL.
    #[error("this URL is not denied by an administrator")]
    NotDenied,
    /// This server publishes the document.
    #[error(
        "this server publishes the client document at this URL; change, disable or delete the client that registered here"
    )]
    Own,
    /// The octets are not those that the administrator has seen.
    #[error("the client document has changed: its digest is {0}; look at it again")]
    OtherDigest(String),
    /// A denial would end before it begins, and deny nothing.
    #[error("until is in the past; leave it out for a denial without an end")]
    Past,
    /// The document is not a client.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

impl From<StoreError> for ReviewError {
    fn from(error: StoreError) -> Self {
        Self::Resolve(error.into())
    }
}

/// A candidate, with the version in force.
pub(crate) struct CandidateView {
    /// The candidate.
    pub(crate) candidate: WaitingDocument,
    /// The client of the version in force.
    pub(crate) in_force: Option<Client>,
}

impl Resolver {
    /// Returns all documents that wait for an administrator.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn candidates(&self) -> Result<Vec<WaitingDocument>, StoreError> {
        let service = &self.0.service;
        let documents = &service.store.client_documents;
        documents.candidates(service.clock.now()).await
    }

    /// Returns all denials.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn denials(&self) -> Result<Vec<Denial>, StoreError> {
        let service = &self.0.service;
        let documents = &service.store.client_documents;
        documents.denials(service.clock.now()).await
    }

    /// Returns the document at the URL `client_id` that waits.
    ///
    /// # Errors
    /// When none does, or the store cannot be read.
    pub(crate) async fn candidate(&self, client_id: &str) -> Result<CandidateView, ReviewError> {
        let service = &self.0.service;
        let documents = &service.store.client_documents;
        let found = documents.candidate(client_id, service.clock.now()).await?;
        let candidate = found.ok_or(ReviewError::Unknown)?;
        let id = ClientId::parse(client_id).map_err(|_| ReviewError::Unknown)?;
        let stored = service.store.clients.find(&id).await?;
        Ok(CandidateView {
            candidate,
            in_force: stored.map(Stored::into_client),
        })
    }

    /// Approves the octets with this digest, which then are the version in force.
    ///
    /// # Errors
    /// When no document of the URL has these octets, or the rules or scripts reject them by now.
    pub(crate) async fn approve(
        &self,
        order: ReviewOrder<'_>,
        digest: &str,
    ) -> Result<Resolved, ReviewError> {
        let service = &*self.0.service;
        let (cx, now) = (Context::new(service), service.clock.now());
        let (url, id) = parsed(&cx, order.client_id)?;
        let stored = service.store.clients.find(&id).await?;
        let documents = &service.store.client_documents;
        match documents.candidate(url.as_str(), now).await? {
            Some(candidate) if candidate.digest == digest => {
                let reviewed = (&url, &id, given(order, false));
                self.take(&cx, stored.as_ref(), &candidate, reviewed)
                    .await?;
            }
            Some(candidate) => return Err(ReviewError::OtherDigest(candidate.digest)),
            None => approve_in_force(&cx, stored, order, digest).await?,
        }
        self.0.memory.forget(url.as_str());
        self.reviewed(&id).await
    }

    /// Puts the document of `candidate` in force.
    async fn take(
        &self,
        cx: &Context<'_>,
        stored: Option<&Stored>,
        candidate: &WaitingDocument,
        reviewed: (&ClientUrl, &ClientId, Consent<'_>),
    ) -> Result<(), ReviewError> {
        let documents = &cx.service.store.client_documents;
        let state = match stored {
            Some(_) => documents.state(reviewed.1).await?.unwrap_or_default(),
            None => arrived(cx, candidate),
        };
        let document = (candidate.document.as_bytes(), candidate.digest.as_str());
        let arrival = reviewed_arrival(reviewed, document, Some(&state));
        Ok(admission::admit(self, cx, stored, &arrival).await?)
    }

    /// Denies a URL, until a moment if one is given. Its client is removed.
    ///
    /// # Errors
    /// When the text is not a URL of a document, the end is not in the future, or the store fails.
    pub(crate) async fn deny(
        &self,
        order: ReviewOrder<'_>,
        until: Option<Timestamp>,
    ) -> Result<(), ReviewError> {
        let service = &*self.0.service;
        let (cx, now) = (Context::new(service), service.clock.now());
        let (url, id) = parsed(&cx, order.client_id)?;
        if until.is_some_and(|until| until <= now) {
            return Err(ReviewError::Past);
        }
        for _ in 0..ATTEMPTS {
            let denial = denial(order, now, until);
            match remove_denied(&cx, &id, order.author, denial).await {
                // A fetch has stored the client in the meantime, or something else has changed.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    self.0.memory.forget(url.as_str());
                    return Ok(());
                }
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Puts the document that an administrator brings in force. It is never fetched.
    ///
    /// # Errors
    /// When the rules or scripts reject it.
    pub(crate) async fn pin(
        &self,
        order: ReviewOrder<'_>,
        document: Map<String, Value>,
    ) -> Result<Resolved, ReviewError> {
        let service = &*self.0.service;
        let cx = Context::new(service);
        let (url, id) = parsed(&cx, order.client_id)?;
        let stored = service.store.clients.find(&id).await?;
        let octets = Value::from(document).to_string();
        let digest = digest(octets.as_bytes());
        let reviewed = (&url, &id, given(order, true));
        let arrival = reviewed_arrival(reviewed, (octets.as_bytes(), &digest), None);
        admission::admit(self, &cx, stored.as_ref(), &arrival).await?;
        self.0.memory.forget(url.as_str());
        self.reviewed(&id).await
    }

    /// Ends the pin of a document, which is fetched when it is next asked for.
    ///
    /// # Errors
    /// When no document of the URL is pinned, or the store fails.
    pub(crate) async fn unpin(&self, order: ReviewOrder<'_>) -> Result<(), ReviewError> {
        let service = &*self.0.service;
        let (cx, now) = (Context::new(service), service.clock.now());
        let (url, id) = parsed(&cx, order.client_id)?;
        let stored = service.store.clients.find(&id).await?;
        let stored = stored.ok_or(ReviewError::Unknown)?;
        let client = unpinned(stored.client()).ok_or(ReviewError::Unknown)?;
        let event = order.author.did(Action::DocumentUnpinned, id.as_str(), now);
        let along = Along::audited(&event, Reason::Administrator);
        let state = DocumentRecords::state_change(&id, &FetchState::default())?;
        let clients = &service.store.clients;
        clients.replace(&stored, &client, along.and(state)).await?;
        self.0.memory.forget(url.as_str());
        Ok(())
    }

    /// Ends the denial of a URL, whose document is fetched when it is next asked for.
    ///
    /// # Errors
    /// When the URL is not denied, or the store fails.
    pub(crate) async fn allow(&self, order: ReviewOrder<'_>) -> Result<(), ReviewError> {
        let service = &*self.0.service;
        let (cx, now) = (Context::new(service), service.clock.now());
        let (url, id) = parsed(&cx, order.client_id)?;
        let documents = &service.store.client_documents;
        if documents.denial(url.as_str(), now).await?.is_none() {
            return Err(ReviewError::NotDenied);
        }
        let event = order.author.did(Action::DocumentAllowed, id.as_str(), now);
        let event = event.change()?;
        let removal = documents.denial_removal(url.as_str()).await?;
        documents.apply(removal.and(event)).await?;
        self.0.memory.forget(url.as_str());
        Ok(())
    }

    /// Returns all clients whose documents an administrator has pinned.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn pinned(&self) -> Result<Vec<Client>, StoreError> {
        let filter = ClientFilter {
            client_id_prefix: Some("https://".to_owned()),
            ..ClientFilter::default()
        };
        let clients = &self.0.service.store.clients;
        let (mut pinned, mut after) = (Vec::new(), None);
        loop {
            let page = clients.list(&filter, after.as_ref(), PINS).await?;
            let all = page.clients.into_iter().map(Stored::into_client);
            pinned.extend(all.filter(is_pinned));
            after = page.next;
            if after.is_none() {
                return Ok(pinned);
            }
        }
    }

    /// Fetches a document now, whatever is known of it.
    ///
    /// # Errors
    /// When it was refreshed a moment ago, or is not a client.
    pub(crate) async fn refresh(&self, order: ReviewOrder<'_>) -> Result<Resolved, ReviewError> {
        let service = &*self.0.service;
        let (cx, now) = (Context::new(service), service.clock.now());
        let (url, id) = parsed(&cx, order.client_id)?;
        check_refreshable(&cx, &url, &id).await?;
        self.0.memory.refresh(url.as_str(), now)?;
        let event = order
            .author
            .did(Action::DocumentRefreshed, id.as_str(), now);
        service
            .store
            .client_documents
            .apply(event.change()?)
            .await?;
        if let Some(running) = self.0.memory.running(url.as_str()) {
            // It may have sent the validators of a copy that the administrator distrusts.
            let _landed = running.await;
        }
        let waiting = FetchCaller {
            address: None,
            is_forced: true,
        };
        self.flight(&url, waiting, now).await?;
        self.reviewed(&id).await
    }

    async fn reviewed(&self, id: &ClientId) -> Result<Resolved, ReviewError> {
        let found = self.0.service.store.clients.find(id).await?;
        let client = found.ok_or(ReviewError::Unknown)?.into_client();
        if !is_fetched(&client) {
            return Ok(not_fetched(client));
        }
        Ok(self.kept_client(client).await?)
    }
}

fn denial(order: ReviewOrder<'_>, now: Timestamp, until: Option<Timestamp>) -> Denial {
    Denial {
        client_id: order.client_id.to_owned(),
        by: order.author.actor.clone().unwrap_or_default(),
        at: now,
        note: order.note.map(str::to_owned),
        until,
    }
}

const fn given(order: ReviewOrder<'_>, is_pinned: bool) -> Consent<'_> {
    Consent::Given {
        author: order.author,
        note: order.note,
        is_pinned,
    }
}

/// Checks that the document is fetched at all.
async fn check_refreshable(
    cx: &Context<'_>,
    url: &ClientUrl,
    id: &ClientId,
) -> Result<(), ReviewError> {
    let (service, now) = (cx.service, cx.service.clock.now());
    super::check_lists(cx, url)?;
    let documents = &service.store.client_documents;
    if documents.denial(url.as_str(), now).await?.is_some() {
        return Err(super::denied_by_administrator().into());
    }
    match service.store.clients.find(id).await? {
        Some(stored) if !is_fetched(stored.client()) => Err(ReviewError::Unknown),
        Some(stored) => Ok(check_enabled(stored.client())?),
        None => Ok(()),
    }
}

/// Returns the document that an administrator has seen.
const fn reviewed_arrival<'a>(
    (url, id, consent): (&'a ClientUrl, &'a ClientId, Consent<'a>),
    (octets, digest): (&'a [u8], &'a str),
    state: Option<&'a FetchState>,
) -> Arrival<'a> {
    Arrival {
        url,
        id,
        octets,
        digest,
        state,
        address: None,
        consent,
    }
}

fn parsed(cx: &Context<'_>, client_id: &str) -> Result<(ClientUrl, ClientId), ReviewError> {
    let url = url(cx, client_id)?;
    // It is never fetched, and no approval, denial or pin is looked at.
    if own::is_own(cx.service, &url) {
        return Err(ReviewError::Own);
    }
    let id = identifier(&url)?;
    Ok((url, id))
}

/// Returns the state of a document that was fetched when it became a candidate.
fn arrived(cx: &Context<'_>, candidate: &WaitingDocument) -> FetchState {
    let now = cx.service.clock.now();
    FetchState {
        fetched_at: candidate.last_asked_at,
        fresh_until: freshness::fresh_until(cx.settings(), None, now),
        ..FetchState::default()
    }
}

fn decision(now: Timestamp, order: ReviewOrder<'_>, digest: &str) -> DocumentApproval {
    DocumentApproval {
        digest: digest.to_owned(),
        by: order.author.actor.clone().unwrap_or_default(),
        at: now,
        note: order.note.map(str::to_owned),
    }
}

/// Stores `denial` by `author`, and removes the client `id`, if it exists.
async fn remove_denied(
    cx: &Context<'_>,
    id: &ClientId,
    author: &Author,
    denial: Denial,
) -> Result<(), StoreError> {
    let (store, documents) = (&cx.service.store, &cx.service.store.client_documents);
    let is_waiting = documents.candidate(id.as_str(), denial.at).await?.is_some();
    let stored = store.clients.find(id).await?;
    let mut along = denying(cx, id, author, denial).await?;
    if is_waiting {
        along = announcing_denial(along, id, stored.as_ref())?;
    }
    match stored {
        Some(stored) => store.clients.remove(&stored, along).await?,
        None => documents.apply_without_client(id, along.alone()?).await?,
    }
    if is_waiting {
        cx.count_pending(PendingType::Document, PendingChange::Denied);
    }
    Ok(())
}

/// Returns what is stored with the denial, and the end of what waits.
async fn denying(
    cx: &Context<'_>,
    id: &ClientId,
    author: &Author,
    denial: Denial,
) -> Result<Along, StoreError> {
    let documents = &cx.service.store.client_documents;
    let event = author.did(Action::DocumentDenied, id.as_str(), denial.at);
    let removal = documents.candidate_removal(id.as_str()).await?;
    let denied = documents.denial_change(denial).await?;
    Ok(Along::audited(&event, Reason::Administrator)
        .and(removal)
        .and(denied))
}

/// Adds to what is stored that the consumers of events learn of the denial of a document that waited.
fn announcing_denial(
    along: Along,
    id: &ClientId,
    stored: Option<&Stored>,
) -> Result<Along, StoreError> {
    let in_force = stored.map(|stored| stored.client().revision);
    let pending = WaitingDocument::id_of(id.as_str());
    let subject = WaitingDocument::subject(&pending, id, in_force);
    let announced = along.cause.pending(EventType::Denied, &subject, None)?;
    Ok(along.and(announced))
}

fn is_pinned(client: &Client) -> bool {
    let document = client.document.as_ref();
    document.is_some_and(|document| document.pinned)
}

/// Returns `client` without its pin; none if it is not pinned.
fn unpinned(client: &Client) -> Option<Client> {
    let mut client = client.clone();
    let document = client
        .document
        .as_mut()
        .filter(|document| document.pinned)?;
    document.pinned = false;
    Some(client)
}

/// Returns `client` with this approval, which must be about its octets.
fn approved(client: &Client, approval: DocumentApproval) -> Result<Client, ReviewError> {
    let mut client = client.clone();
    match &mut client.document {
        Some(document) if document.digest == approval.digest => document.approved = Some(approval),
        Some(document) => return Err(ReviewError::OtherDigest(document.digest.clone())),
        None => return Err(ReviewError::Unknown),
    }
    client.revision = client.revision.saturating_add(1);
    Ok(client)
}

/// Approves the version in force.
async fn approve_in_force(
    cx: &Context<'_>,
    stored: Option<Stored>,
    order: ReviewOrder<'_>,
    digest: &str,
) -> Result<(), ReviewError> {
    let (service, now) = (cx.service, cx.service.clock.now());
    let stored = stored.ok_or(ReviewError::Unknown)?;
    let client = approved(stored.client(), decision(now, order, digest))?;
    let event = order
        .author
        .did(Action::DocumentApproved, client.id.as_str(), now);
    let along = Along::audited(&event.with("digest", digest), Reason::Administrator)
        .and(DocumentRecords::previous_change(stored.client())?);
    service
        .store
        .clients
        .replace(&stored, &client, along)
        .await?;
    Ok(())
}
