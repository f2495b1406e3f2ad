//! Resolves URLs of client documents (Client ID Metadata Documents) to clients, for authorization servers.
//!
//! A document is a registration that nobody sends: it is fetched when its URL is first asked for, runs the steps of a
//! registration, and is stored as a client whose identifier is the URL. It is fetched again from time to time, behind
//! the answers as far as possible, so that its host learns little about the users.

mod admission;
pub(crate) mod bound;
mod budget;
pub(crate) mod check;
mod error;
mod flight;
mod freshness;
mod in_force;
mod memory;
mod own;
mod refusals;
mod request;
mod review;
mod waiting;

pub(crate) use error::{ResolveError, UnusableAnswer};
pub(crate) use request::PATH;
pub(crate) use review::{CandidateView, ReviewError, ReviewOrder};

use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::base::{ClientId, ClientUrl, Timestamp};
use crate::client::Client;
use crate::client::rules::client_document::admission::{UrlAdmission, admission as admission_of};
use crate::config::ClientDocumentHold;
use crate::service::{Context, Service};
use crate::store::{FetchState, Stored};
use crate::telemetry::{ResolutionOutcome, meter};
use freshness::Freshness;
use memory::{DocumentFlight, Landed, ResolutionMemory};
use refusals::Refusals;

/// Resolves URLs of client documents. A clone is another handle on the same resolver.
#[derive(Clone)]
pub(crate) struct Resolver(Arc<ResolutionParts>);

struct ResolutionParts {
    service: Arc<Service>,
    memory: ResolutionMemory,
    /// The refusals that are in the audit log.
    refusals: Refusals,
    tasks: TaskTracker,
}

/// What an authorization server asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The URL.
    pub(crate) client_id: &'a str,
    /// The address of the user, for scripts. It is not stored.
    pub(crate) address: Option<IpAddr>,
    /// The identifier of the authorization server.
    pub(crate) asked_by: &'a str,
    /// The revision of the client that is asked for; none: the version in force.
    pub(crate) revision: Option<u64>,
}

/// A client, and how current its document is.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The client.
    pub(crate) client: Client,
    /// How the fetches of its document went; none for a client that is not fetched.
    pub(crate) state: Option<FetchState>,
    /// Whether it is used although its document could not be fetched again.
    pub(crate) is_stale: bool,
}

/// Who waits for a fetch.
#[derive(Debug, Clone, Copy)]
struct FetchCaller {
    address: Option<IpAddr>,
    /// Whether the validators of the last answer are ignored.
    is_forced: bool,
}

impl Resolver {
    /// Creates the resolver of a server.
    pub(crate) fn new(service: &Arc<Service>) -> Self {
        Self(Arc::new(ResolutionParts {
            service: Arc::clone(service),
            memory: ResolutionMemory::default(),
            refusals: Refusals::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Returns the client that `question` asks for, whose document is fetched if necessary.
    ///
    /// # Errors
    /// Why the URL is not a client.
    pub(crate) async fn resolve(&self, question: Question<'_>) -> Result<Resolved, ResolveError> {
        let (outcome, resolved) = match self.find(question).await {
            Ok((outcome, resolved)) => (outcome, Ok(resolved)),
            Err(error) => {
                let refusals = &self.0.refusals;
                refusals.note(&self.0.service, question.client_id, &error);
                (word(&error), Err(error))
            }
        };
        if let Some(outcome) = outcome {
            meter::document_resolution(outcome);
        }
        resolved
    }

    async fn find(
        &self,
        question: Question<'_>,
    ) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
        let service = &*self.0.service;
        let cx = Context::new(service);
        let url = url(&cx, question.client_id)?;
        let id = identifier(&url)?;
        if let Some(client) = own::client(&cx, &url, &id).await? {
            return only_version(client, question.revision);
        }
        let stored = service.store.clients.find(&id).await?;
        if let Some(stored) = &stored {
            check_enabled(stored.client())?;
        }
        match stored {
            Some(stored) if !is_fetched(stored.client()) => {
                self.unfetched(stored, &id, question.revision).await
            }
            stored => self.fetched(&cx, (&url, &id), stored, question).await,
        }
    }

    /// Returns the client of a document that is not fetched, or the version of it with this revision.
    async fn unfetched(
        &self,
        stored: Stored,
        id: &ClientId,
        revision: Option<u64>,
    ) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
        let client = match revision {
            Some(revision) => self.version(Some(stored), id, revision).await?,
            None => stored.into_client(),
        };
        Ok((Some(ResolutionOutcome::Kept), not_fetched(client)))
    }

    /// Finds the client of a document that is fetched, or the version of it that the question names.
    async fn fetched(
        &self,
        cx: &Context<'_>,
        (url, id): (&ClientUrl, &ClientId),
        stored: Option<Stored>,
        question: Question<'_>,
    ) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
        check_lists(cx, url)?;
        if let Some(revision) = question.revision {
            let client = self.version(stored, id, revision).await?;
            let resolved = self.kept_client(client).await?;
            return Ok((Some(ResolutionOutcome::Kept), resolved));
        }
        self.current(cx, (url, id), stored, question).await
    }

    /// Returns the client of a URL that the lists accept. `stored` is the client of the version in force.
    async fn current(
        &self,
        cx: &Context<'_>,
        (url, id): (&ClientUrl, &ClientId),
        stored: Option<Stored>,
        question: Question<'_>,
    ) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
        let (memory, now) = (&self.0.memory, cx.service.clock.now());
        memory.ask(url.as_str(), question.asked_by, now);
        let waiting = FetchCaller {
            address: question.address,
            is_forced: false,
        };
        match stored {
            Some(stored) => self.kept(cx, url, stored, waiting).await,
            None => self.first(cx, url, id, waiting).await,
        }
    }

    /// Returns the version of a client with this revision: the one in force, or the previous one. An authorization
    /// server asks for it while it redeems a code, so nothing is fetched.
    async fn version(
        &self,
        stored: Option<Stored>,
        id: &ClientId,
        revision: u64,
    ) -> Result<Client, ResolveError> {
        let Some(stored) = stored else {
            return Err(ResolveError::Unknown);
        };
        if stored.client().revision == revision {
            return Ok(stored.into_client());
        }
        let store = &self.0.service.store;
        let previous = store.client_documents.previous(id).await?;
        let previous = previous.filter(|client| client.revision == revision);
        previous.ok_or(ResolveError::Unknown)
    }

    /// Returns how the fetches of the document of `id` went.
    async fn state(&self, url: &ClientUrl, id: &ClientId) -> Result<FetchState, ResolveError> {
        if let Some(state) = self.0.memory.state(url.as_str()) {
            return Ok(state);
        }
        let service = &self.0.service;
        let found = service.store.client_documents.state(id).await?;
        let state = found.unwrap_or_default();
        let now = service.clock.now();
        let memory = &self.0.memory;
        memory.set_state(url.as_str(), state.clone(), now);
        Ok(state)
    }

    /// Answers with a version that is in force, or fetches it again first.
    async fn kept(
        &self,
        cx: &Context<'_>,
        url: &ClientUrl,
        stored: Stored,
        waiting: FetchCaller,
    ) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
        let id = stored.client().id.clone();
        let state = self.state(url, &id).await?;
        let (settings, now) = (cx.settings(), cx.service.clock.now());
        match freshness::freshness(settings, &state, now) {
            Freshness::Fresh => return answered(cx, stored, state, ResolutionOutcome::Kept),
            Freshness::Due => {
                // Behind the answer. It runs whether or not anybody waits for it.
                if self.0.memory.failure(url.as_str(), now).is_none() {
                    drop(self.flight(url, waiting, now));
                }
                return answered(cx, stored, state, ResolutionOutcome::Kept);
            }
            Freshness::Stale | Freshness::Over => {}
        }
        self.fetched_again(cx, url, &id, waiting).await
    }

    /// Fetches the document of a client again, and answers with the version that is then in force.
    async fn fetched_again(
        &self,
        cx: &Context<'_>,
        url: &ClientUrl,
        id: &ClientId,
        waiting: FetchCaller,
    ) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
        let now = cx.service.clock.now();
        let landed = match self.0.memory.failure(url.as_str(), now) {
            Some(error) => Err(error),
            None => self.flight(url, waiting, now).await,
        };
        let stored = cx.service.store.clients.find(id).await?;
        let stored = stored.ok_or(ResolveError::Unknown);
        let state = self.state(url, id).await?;
        match landed {
            Ok(landed) => answered(cx, stored?, state, outcome(landed)),
            Err(error) => {
                let freshness = freshness::freshness(cx.settings(), &state, now);
                if freshness == Freshness::Over || !error.keeps_version() {
                    return Err(error);
                }
                answered(cx, stored?, state, ResolutionOutcome::Stale)
            }
        }
    }

    /// Fetches a document whose URL is new.
    async fn first(
        &self,
        cx: &Context<'_>,
        url: &ClientUrl,
        id: &ClientId,
        waiting: FetchCaller,
    ) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
        let (service, now) = (cx.service, cx.service.clock.now());
        check_denial(service, url, now).await?;
        if let Some(error) = self.0.memory.failure(url.as_str(), now) {
            return Err(error);
        }
        if self.0.memory.running(url.as_str()).is_none() {
            self.0.memory.count(url, now, &service.settings.limits)?;
        }
        let landed = self.flight(url, waiting, now).await?;
        let stored = service.store.clients.find(id).await?;
        let state = self.state(url, id).await?;
        answered(
            cx,
            stored.ok_or(ResolveError::Unknown)?,
            state,
            outcome(landed),
        )
    }

    /// Returns the running fetch of `url`, or begins one.
    fn flight(&self, url: &ClientUrl, waiting: FetchCaller, now: Timestamp) -> DocumentFlight {
        self.0.memory.flight(url.as_str(), now, || {
            flight::begin(self.clone(), url.clone(), waiting)
        })
    }

    /// Returns how the document of `client` was last fetched, if it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn kept_client(&self, client: Client) -> Result<Resolved, ResolveError> {
        if !is_fetched(&client) {
            return Ok(not_fetched(client));
        }
        let store = &self.0.service.store;
        let state = store.client_documents.state(&client.id).await?;
        Ok(Resolved {
            client,
            state,
            is_stale: false,
        })
    }
}

/// Parses the URL of a document. While `clientDocuments` is off, it is an unknown client.
fn url(cx: &Context<'_>, text: &str) -> Result<ClientUrl, ResolveError> {
    use crate::config::ClientDocuments;
    if cx.settings().client_documents == ClientDocuments::Off {
        return Err(ResolveError::Unknown);
    }
    cx.rules().client_url(text).map_err(ResolveError::BadUrl)
}

fn identifier(url: &ClientUrl) -> Result<ClientId, ResolveError> {
    let id = ClientId::parse(url.as_str());
    id.map_err(|error| ResolveError::BadUrl(error.to_string()))
}

fn check_enabled(client: &Client) -> Result<(), ResolveError> {
    if client.metadata.metadata().flag("disabled") {
        let description = "an administrator has disabled this client";
        return Err(ResolveError::Denied(description.to_owned()));
    }
    Ok(())
}

fn check_lists(cx: &Context<'_>, url: &ClientUrl) -> Result<(), ResolveError> {
    match admission_of(cx.settings(), url) {
        UrlAdmission::Off => Err(ResolveError::Unknown),
        UrlAdmission::Denied => {
            let description = "this server does not accept client documents from this URL";
            Err(ResolveError::Denied(description.to_owned()))
        }
        UrlAdmission::Listed | UrlAdmission::Unlisted => Ok(()),
    }
}

fn denied_by_administrator() -> ResolveError {
    ResolveError::Denied("an administrator has denied this client document".to_owned())
}

/// Rejects a URL that an administrator has denied.
async fn check_denial(
    service: &Service,
    url: &ClientUrl,
    now: Timestamp,
) -> Result<(), ResolveError> {
    let documents = &service.store.client_documents;
    match documents.denial(url.as_str(), now).await? {
        Some(_) => Err(denied_by_administrator()),
        None => Ok(()),
    }
}

/// Whether the document of the client is fetched.
fn is_fetched(client: &Client) -> bool {
    let document = client.document.as_ref();
    document.is_some_and(|document| !document.pinned)
}

const fn not_fetched(client: Client) -> Resolved {
    Resolved {
        client,
        state: None,
        is_stale: false,
    }
}

/// Answers with a client of which no other version is kept.
fn only_version(
    client: Client,
    revision: Option<u64>,
) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
    if revision.is_some_and(|revision| revision != client.revision) {
        return Err(ResolveError::Unknown);
    }
    Ok((Some(ResolutionOutcome::Kept), not_fetched(client)))
}

/// Answers with the version in force, unless a change that waits for an administrator forbids it.
fn answered(
    cx: &Context<'_>,
    stored: Stored,
    state: FetchState,
    outcome: ResolutionOutcome,
) -> Result<(Option<ResolutionOutcome>, Resolved), ResolveError> {
    check_enabled(stored.client())?;
    let (mut outcome, is_stale) = (outcome, outcome == ResolutionOutcome::Stale);
    let document = stored.client().document.as_ref();
    if let Some(held) = document.and_then(|document| document.held.as_ref()) {
        let settings = cx.settings();
        let end = held.since.plus(settings.client_document_hold_seconds);
        let is_stopped = held.stops || settings.client_document_hold == ClientDocumentHold::Stop;
        if is_stopped || end <= cx.service.clock.now() {
            return Err(ResolveError::Pending { since: held.since });
        }
        outcome = ResolutionOutcome::Held;
    }
    let resolved = Resolved {
        is_stale,
        client: stored.into_client(),
        state: Some(state),
    };
    Ok((Some(outcome), resolved))
}

const fn outcome(landed: Landed) -> ResolutionOutcome {
    match landed {
        Landed::Fetched => ResolutionOutcome::Fetched,
        Landed::Unchanged => ResolutionOutcome::Unchanged,
    }
}

/// Returns the outcome for the metrics; none for what is no URL of a document.
const fn word(error: &ResolveError) -> Option<ResolutionOutcome> {
    Some(match error {
        ResolveError::Unknown | ResolveError::BadUrl(_) | ResolveError::Stopped(_) => return None,
        ResolveError::Denied(_) => ResolutionOutcome::Denied,
        ResolveError::Pending { .. } => ResolutionOutcome::Pending,
        ResolveError::Invalid { .. } => ResolutionOutcome::Invalid,
        ResolveError::Unusable { .. } => ResolutionOutcome::Unusable,
        ResolveError::Unavailable { .. } => ResolutionOutcome::Unavailable,
        ResolveError::Busy { .. } => ResolutionOutcome::Busy,
    })
}
