//! One fetch of a document: the question to the scripts, the request to its host, and what each answer means for the
//! version in force.

use std::net::IpAddr;

use futures_util::FutureExt as _;
use serde_json::json;
use tracing::Instrument as _;

use crate::base::{ClientId, ClientUrl, Timestamp};
use crate::client::rules::client_document::change::digest;
use crate::fetch::{DocumentAnswer, DocumentFault, FetchError, FetchedOctets, Refusal, Validators};
use crate::http::Problem;
use crate::registration::{Caller, client_document};
use crate::resolution::{
    DocumentFlight, FetchCaller, Landed, ResolveError, Resolver, UnusableAnswer, admission,
    admission::Arrival, admission::Consent, check_enabled, freshness, identifier, is_fetched,
    request, waiting,
};
use crate::script::DocumentFacts;
use crate::service::Context;
use crate::store::{FetchState, StoreError, Stored};

/// Seconds until a host is asked again that was out of reach.
pub(super) const RETRY: u64 = 10;
/// Two answers within this time that there is no document suspend its client. It is longer than the longest pause between
/// two fetches.
const MISSING: u64 = 1_200;

/// Begins to fetch the document at `url`. The fetch arrives whether or not anybody waits for it, so that nobody can start
/// fetches and abandon them.
pub(super) fn begin(resolver: Resolver, url: ClientUrl, waiting: FetchCaller) -> DocumentFlight {
    let tasks = resolver.0.tasks.clone();
    let fetch = async move { run(&resolver, &url, waiting).await }.in_current_span();
    let task = tasks.spawn(fetch);
    let landed = task.map(|outcome| {
        outcome.unwrap_or_else(|_| Err(ResolveError::Stopped(Problem::server_error())))
    });
    let flight = landed.boxed().shared();
    // A shared future ends only if somebody waits for it. Without this, a fetch behind an answer would count as running
    // for ever, and no other one would begin.
    tasks.spawn(flight.clone().map(drop));
    flight
}

/// Fetches the document, and remembers how that went.
async fn run(
    resolver: &Resolver,
    url: &ClientUrl,
    waiting: FetchCaller,
) -> Result<Landed, ResolveError> {
    let outcome = Box::pin(fetch(resolver, url, waiting)).await;
    let (memory, now) = (&resolver.0.memory, resolver.0.service.clock.now());
    if let Err(error) = &outcome {
        // Perhaps nobody waits for the answer.
        let refusals = &resolver.0.refusals;
        refusals.note(&resolver.0.service, url.as_str(), error);
    }
    match &outcome {
        Ok(_) => memory.succeeded(url, now),
        // This server or a script is at fault, and may do better at once. If the document had arrived, that is noted.
        Err(ResolveError::Stopped(_)) => {}
        Err(error @ ResolveError::Pending { .. }) => {
            let snapshot = resolver.0.service.snapshot();
            let pause = snapshot.live.registration.client_document_minimum_seconds;
            memory.failed(url, error, Some(pause), now);
        }
        Err(error) => memory.failed(url, error, None, now),
    }
    outcome
}

async fn fetch(
    resolver: &Resolver,
    url: &ClientUrl,
    waiting: FetchCaller,
) -> Result<Landed, ResolveError> {
    let service = &*resolver.0.service;
    let cx = Context::new(service);
    let id = identifier(url)?;
    ask_scripts(&cx, url, waiting.address).await?;
    let stored = service.store.clients.find(&id).await?;
    let stored = stored.filter(|stored| is_fetched(stored.client()));
    // What this server remembers may be older than what another one has stored.
    let found = service.store.client_documents.state(&id).await?;
    let state = found.filter(|_| stored.is_some()).unwrap_or_default();
    let validators = validators(&cx, stored.as_ref(), &state, waiting).await?;
    let limit = service.settings.limits.document_bytes;
    let fetcher = &service.fetcher;
    let answer = fetcher.get_document(url.as_str(), &validators, limit).await;
    let ended = EndedFetch {
        resolver,
        cx: &cx,
        url,
        id: &id,
        state,
        waiting,
    };
    ended.conclude(answer, stored).await
}

/// Returns what makes the fetch conditional: nothing, unless it belongs to octets that are in force or wait. An answer
/// without octets would otherwise confirm a version that it does not speak of.
async fn validators(
    cx: &Context<'_>,
    stored: Option<&Stored>,
    state: &FetchState,
    waiting: FetchCaller,
) -> Result<Validators, ResolveError> {
    let (Some(stored), Some(digest), false) = (stored, &state.digest, waiting.is_forced) else {
        return Ok(Validators::default());
    };
    if known(cx, stored, digest).await?.is_none() {
        return Ok(Validators::default());
    }
    Ok(Validators {
        etag: state.etag.clone(),
        last_modified: state.last_modified.clone(),
    })
}

/// Which version of a document has certain octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownVersion {
    /// The version in force.
    InForce,
    /// The version that waits for an administrator, who can look at it.
    Held,
}

/// Returns which version of the client has octets with this digest.
async fn known(
    cx: &Context<'_>,
    stored: &Stored,
    digest: &str,
) -> Result<Option<KnownVersion>, StoreError> {
    let client = stored.client();
    let Some(document) = &client.document else {
        return Ok(None);
    };
    if document.digest == digest {
        return Ok(Some(KnownVersion::InForce));
    }
    if document
        .held
        .as_ref()
        .is_none_or(|held| held.digest != digest)
    {
        return Ok(None);
    }
    // Too many documents may have waited, or this one for too long. Then it must be able to wait again.
    let (documents, now) = (&cx.service.store.client_documents, cx.service.clock.now());
    let candidate = documents.candidate(client.id.as_str(), now).await?;
    let is_kept = candidate.is_some_and(|candidate| candidate.digest == digest);
    Ok(is_kept.then_some(KnownVersion::Held))
}

/// Asks the scripts whether the document may be fetched, before anything leaves this server.
pub(super) async fn ask_scripts(
    cx: &Context<'_>,
    url: &ClientUrl,
    address: Option<IpAddr>,
) -> Result<(), ResolveError> {
    let head = request::head(address);
    let shown = json!({"url": url.as_str(), "host": url.host()});
    let caller = Caller::of(&head).with_document(DocumentFacts::new(shown));
    client_document::may_fetch(cx, &caller).await?;
    Ok(())
}

/// Why a fetch has not confirmed the version in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unconfirmed {
    /// The host has no such document.
    Missing,
    /// The rules or a script reject the document.
    Rejected,
    /// Anything else.
    Other,
}

/// A fetch that has ended.
struct EndedFetch<'a> {
    resolver: &'a Resolver,
    cx: &'a Context<'a>,
    url: &'a ClientUrl,
    id: &'a ClientId,
    /// How the fetches before this one went.
    state: FetchState,
    waiting: FetchCaller,
}

impl EndedFetch<'_> {
    /// Does what `answer` means. `stored` is the client of the version in force.
    async fn conclude(
        &self,
        answer: Result<DocumentAnswer, DocumentFault>,
        stored: Option<Stored>,
    ) -> Result<Landed, ResolveError> {
        match answer {
            Ok(DocumentAnswer::Unchanged {
                lifetime,
                validators,
            }) => {
                let digest = self.state.digest.clone();
                let next = self.next_state(lifetime, validators, digest);
                self.note_state(next).await?;
                Ok(Landed::Unchanged)
            }
            Ok(DocumentAnswer::Fetched(octets)) => self.arrive(octets, stored).await,
            Err(fault) => {
                let error = unfetched(&fault);
                let is_missing = matches!(fault.error, FetchError::Status(404 | 410));
                let failure = if is_missing {
                    Unconfirmed::Missing
                } else {
                    Unconfirmed::Other
                };
                self.note_failure(stored.as_ref(), failure).await?;
                Err(error)
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.cx.service.clock.now()
    }

    /// Returns the state after a successful fetch of the octets with this digest.
    fn next_state(
        &self,
        lifetime: Option<u64>,
        validators: Validators,
        digest: Option<String>,
    ) -> FetchState {
        let now = self.now();
        FetchState {
            fetched_at: now,
            fresh_until: freshness::fresh_until(self.cx.settings(), lifetime, now),
            etag: validators.etag,
            last_modified: validators.last_modified,
            digest,
            ..FetchState::default()
        }
    }

    /// Records how the fetch went, for a document that has a client.
    async fn note_state(&self, state: FetchState) -> Result<(), ResolveError> {
        let documents = &self.cx.service.store.client_documents;
        documents.put_state(self.id, &state).await?;
        let memory = &self.resolver.0.memory;
        memory.set_state(self.url.as_str(), state, self.now());
        Ok(())
    }

    /// Records that the fetch has failed, or that its document cannot be used.
    async fn note_failure(
        &self,
        stored: Option<&Stored>,
        failure: Unconfirmed,
    ) -> Result<(), ResolveError> {
        if stored.is_none() {
            return Ok(());
        }
        let (mut state, now) = (self.state.clone(), self.now());
        let was_gone = state.gone;
        if !freshness::is_failing(self.cx.settings(), &state, now) {
            // Nobody knows whether the document was there since the last failure.
            (state.failing_since, state.failures) = (None, 0);
        }
        state.failing_since.get_or_insert(now);
        state.last_failed_at = Some(now);
        state.failures = state.failures.saturating_add(1);
        state.rejected = state.rejected || failure == Unconfirmed::Rejected;
        if failure == Unconfirmed::Missing {
            let is_again = state.missing_at.is_some_and(|at| now < at.plus(MISSING));
            state.gone = state.gone || is_again;
            state.missing_at = Some(now);
        }
        if state.failures == 1 || state.gone != was_gone {
            admission::report_failure(self.cx, self.id, state.gone && !was_gone);
        }
        self.note_state(state).await
    }

    /// Takes a document that has arrived. `stored` is the client of the version in force.
    async fn arrive(
        &self,
        fetched: FetchedOctets,
        stored: Option<Stored>,
    ) -> Result<Landed, ResolveError> {
        let digest = digest(&fetched.octets);
        let lifetime = fetched.lifetime;
        let state = self.next_state(lifetime, fetched.validators, Some(digest.clone()));
        let stored = self.unless_forgotten(stored).await?;
        if self.is_known(stored.as_ref(), &digest).await? {
            self.note_state(state).await?;
            return Ok(Landed::Unchanged);
        }
        let arrival = Arrival {
            url: self.url,
            id: self.id,
            octets: &fetched.octets,
            digest: &digest,
            state: Some(&state),
            address: self.waiting.address,
            consent: Consent::None,
        };
        let admitted = admission::admit(self.resolver, self.cx, stored.as_ref(), &arrival).await;
        self.note_outcome(&admitted, stored.as_ref()).await?;
        admitted.map(|()| Landed::Fetched)
    }

    /// Records what became of a document that has arrived.
    async fn note_outcome(
        &self,
        admitted: &Result<(), ResolveError>,
        stored: Option<&Stored>,
    ) -> Result<(), ResolveError> {
        let memory = &self.resolver.0.memory;
        match admitted {
            Ok(()) => {
                // Another server may have been first, and then has stored the state of its own fetch.
                memory.forget(self.url.as_str());
                Ok(())
            }
            Err(ResolveError::Pending { .. }) => Ok(()),
            Err(error @ ResolveError::Stopped(_)) => {
                // The host is not asked for the same document again at once.
                memory.failed(self.url, error, None, self.now());
                Ok(())
            }
            // The fetch was successful, but the version in force is not confirmed.
            Err(ResolveError::Invalid { .. } | ResolveError::Denied(_)) => {
                self.note_failure(stored, Unconfirmed::Rejected).await
            }
            Err(_) => self.note_failure(stored, Unconfirmed::Other).await,
        }
    }

    /// Whether the octets with this digest are those of the version in force, or of the version that waits. In the first
    /// case, no other version waits any more.
    async fn is_known(&self, stored: Option<&Stored>, digest: &str) -> Result<bool, ResolveError> {
        let Some(stored) = stored else {
            return Ok(false);
        };
        let known = known(self.cx, stored, digest).await?;
        let document = stored.client().document.as_ref();
        let is_held = document.is_some_and(|document| document.held.is_some());
        if known == Some(KnownVersion::InForce) && is_held {
            waiting::release(self.cx, stored).await?;
        }
        Ok(known.is_some())
    }

    /// Removes the client of a URL that had no document for a long time: whoever controls it now is somebody else.
    async fn unless_forgotten(
        &self,
        stored: Option<Stored>,
    ) -> Result<Option<Stored>, ResolveError> {
        match stored {
            Some(stored)
                if freshness::is_forgotten(self.cx.settings(), &self.state, self.now())
                    && check_enabled(stored.client()).is_ok() =>
            {
                admission::forget(self.cx, &stored).await?;
                Ok(None)
            }
            stored => Ok(stored),
        }
    }
}

/// Returns what a failed fetch means for who waits for the document.
fn unfetched(fault: &DocumentFault) -> ResolveError {
    let status = match &fault.error {
        FetchError::Status(status) | FetchError::Redirected(status) => Some(*status),
        FetchError::MediaType => Some(200),
        _ => None,
    };
    let answer = UnusableAnswer {
        status,
        content_type: fault.content_type.clone(),
        is_challenge: fault.is_challenge,
    };
    match &fault.error {
        // An address that may not be reached reads like a host that cannot be reached.
        FetchError::Busy
        | FetchError::Unreachable
        | FetchError::Timeout { .. }
        | FetchError::Broken
        | FetchError::Refused(Refusal::SpecialAddress) => ResolveError::Unavailable {
            retry_after: RETRY,
            answer: None,
        },
        // Walls against bots answer 401 or 403 to servers in data centres.
        FetchError::Status(401 | 403 | 429 | 500..) => ResolveError::Unavailable {
            retry_after: RETRY,
            answer: Some(answer),
        },
        FetchError::Refused(refusal) => ResolveError::Denied(format!(
            "this server does not fetch from this URL: {refusal}"
        )),
        error => ResolveError::Unusable {
            description: error.to_string(),
            answer,
        },
    }
}
