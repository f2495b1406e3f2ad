//! Continues the calls of the upstream server that were not finished: a client is deleted or restored there, however
//! often that takes. What nobody can finish is reported.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::base::{ClientId, SealError, Timestamp};
use crate::client::{Client, UpstreamClient};
use crate::service::{Service, UpstreamAnswer, UpstreamFault, UpstreamManagement};
use crate::store::{
    Action, AuditEvent, Author, Change, StoreError, StoredUpstreamCall, UpstreamAim, UpstreamCall,
};
use crate::telemetry::meter;

use super::adopt::{forwarded, management, opened};
use super::{Front, continued};
use crate::registration::RegisterError;

/// The maximum number of calls that are continued in one round.
const AT_ONCE: usize = 100;
/// Why it is not known whether a registration took effect.
const UNANSWERED: &str = "the server stopped before it got an answer";
/// Why a client that cannot be managed there is not deleted there.
const UNDELETABLE: &str = "the upstream server does not let the client be deleted";
/// The number of calls that are continued at the same time.
const TOGETHER: usize = 8;
/// The number of attempts, over more than a day, after which only an operator can help.
const MOST_ATTEMPTS: u32 = 200;
/// Seconds until the first further attempt. It doubles with each attempt.
const FIRST_PAUSE: u64 = 5;
/// The maximum number of seconds between two attempts.
const LONGEST_PAUSE: u64 = 600;

/// Continues every call that is due, once.
pub(crate) async fn continue_due(service: &Arc<Service>) {
    let Some(front) = Front::of(service) else {
        return;
    };
    let calls = &front.store.upstream_calls;
    let (due, unknown) = match calls.due(front.clock.now(), AT_ONCE).await {
        Ok(found) => found,
        Err(error) => {
            return tracing::error!(%error, "cannot read the unfinished calls of the upstream server");
        }
    };
    meter::upstream_unknown(unknown);
    let each = due.into_iter().map(|call| continue_apart(&front, call.id));
    stream::iter(each)
        .buffer_unordered(TOGETHER)
        .collect::<()>()
        .await;
}

/// Continues a call in a task of its own: nothing that it learns is lost when the server stops.
async fn continue_apart(front: &Front, id: String) {
    let (front, registrar) = (front.clone(), Arc::clone(&front.registrar));
    let continued = registrar.run(async move {
        if let Err(error) = front.continue_call(&id).await {
            tracing::error!(%error, call = id, "cannot continue a call of the upstream server");
        }
    });
    drop(continued.await);
}

/// Returns the event that nobody knows how a call ended.
pub(super) fn unknown_event(call: &StoredUpstreamCall, cause: &str, at: Timestamp) -> AuditEvent {
    let id = call.call.client_id.as_ref();
    let subject = id.map(ClientId::to_string).unwrap_or_default();
    let event = Author::default().did(Action::UpstreamOutcomeUnknown, subject, at);
    event
        .with("call", call.id.as_str())
        .with("cause", cause.chars().take(500).collect::<String>())
}

impl Front {
    /// Continues the deletion of the client `id`, if there is one.
    pub(super) async fn continue_deletion_of(&self, id: &ClientId) {
        let found = self.store.upstream_calls.deletion_of(id).await;
        self.continue_found(found).await;
    }

    /// Continues the update of the client `id`, if there is one.
    pub(super) async fn continue_update_of(&self, id: &ClientId) {
        let found = self.store.upstream_calls.update_of(id).await;
        self.continue_found(found).await;
    }

    async fn continue_found(&self, found: Result<Option<StoredUpstreamCall>, StoreError>) {
        let continued = match found {
            Ok(Some(call)) => self.continue_call(&call.id).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = continued {
            tracing::error!(%error, "cannot change a client at the upstream server yet");
        }
    }

    /// Continues the call `id`, unless somebody else does.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn continue_call(&self, id: &str) -> Result<(), StoreError> {
        let calls = &self.store.upstream_calls;
        let Some(call) = calls.find(id).await? else {
            return Ok(());
        };
        let now = self.clock.now();
        let is_open = call.call.aim != UpstreamAim::Unknown && call.call.held_until <= now;
        if !is_open || self.belongs_to_deletion(&call).await? {
            return Ok(());
        }
        let claimed = UpstreamCall {
            held_until: self.held_until(),
            attempts: call.call.attempts.saturating_add(1),
            ..call.call.clone()
        };
        let Some(claimed) = calls.replace(&call, claimed, Change::default()).await? else {
            return Ok(());
        };
        match claimed.call.aim {
            UpstreamAim::Create => self.give_up(&claimed, UNANSWERED.to_owned()).await,
            UpstreamAim::Delete => self.continue_deletion(&claimed).await,
            UpstreamAim::Update => self.restore(&claimed).await,
            UpstreamAim::Unknown => Ok(()),
        }
    }

    /// Whether the call is an update of a client that is being deleted. The deletion needs what it knows, and ends it.
    async fn belongs_to_deletion(&self, call: &StoredUpstreamCall) -> Result<bool, StoreError> {
        let (UpstreamAim::Update, Some(id)) = (call.call.aim, &call.call.client_id) else {
            return Ok(false);
        };
        let deletion = self.store.upstream_calls.deletion_of(id).await?;
        Ok(deletion.is_some())
    }

    async fn continue_deletion(&self, call: &StoredUpstreamCall) -> Result<(), StoreError> {
        let (Some(id), Some(upstream)) = (&call.call.client_id, &call.call.upstream) else {
            return self.give_up(call, UNDELETABLE.to_owned()).await;
        };
        let Some(update) = self.store.upstream_calls.update_of(id).await? else {
            return self.delete(call, id, upstream).await.map(drop);
        };
        if update.call.held_until > self.clock.now() {
            return self.wait(call).await;
        }
        // An update that is not finished may know a newer token.
        let upstream = update.call.upstream.as_ref().unwrap_or(upstream);
        if self.delete(call, id, upstream).await? {
            return self.end(&update).await;
        }
        Ok(())
    }

    /// Deletes the client `id`, which is managed as `upstream` states, and ends the call if that is done. Returns whether it
    /// is.
    async fn delete(
        &self,
        call: &StoredUpstreamCall,
        id: &ClientId,
        upstream: &UpstreamClient,
    ) -> Result<bool, StoreError> {
        let trouble = match opened(&self.store.sealing_keys, id, upstream) {
            Ok(Some(managed)) => return self.send_deletion(call, &managed).await,
            Ok(None) => UNDELETABLE.to_owned(),
            Err(error) => error.to_string(),
        };
        self.give_up(call, trouble).await?;
        Ok(false)
    }

    /// Does so with the opened token.
    async fn send_deletion(
        &self,
        call: &StoredUpstreamCall,
        managed: &UpstreamManagement,
    ) -> Result<bool, StoreError> {
        let client_id = call.call.client_id.as_ref().map(ClientId::as_str);
        match self.registrar.delete(managed).await {
            Ok(()) => tracing::info!(client_id, "client deleted at the upstream server"),
            // An earlier attempt has deleted it, although its answer was lost.
            Err(UpstreamFault::Denied(_)) if call.call.may_be_done => {
                tracing::info!(client_id, "client no longer exists at the upstream server");
            }
            Err(
                fault @ (UpstreamFault::Denied(_)
                | UpstreamFault::Rejected { .. }
                | UpstreamFault::Unusable(_)),
            ) => {
                self.give_up(call, fault.to_string()).await?;
                return Ok(false);
            }
            Err(fault) => {
                self.postpone(call, &fault).await?;
                return Ok(false);
            }
        }
        self.end(call).await?;
        Ok(true)
    }

    /// Makes the client at the upstream server what it is here.
    async fn restore(&self, call: &StoredUpstreamCall) -> Result<(), StoreError> {
        let Some(id) = &call.call.client_id else {
            return self.end(call).await;
        };
        let Some(stored) = self.store.clients.find(id).await? else {
            return self.release_or_end(call).await;
        };
        let client = stored.client();
        match self.management_of(call, client) {
            Ok(Some(managed)) => self.put_back(call, client, &managed).await,
            Ok(None) => self.end(call).await,
            Err(error) => self.give_up(call, error.to_string()).await,
        }
    }

    /// Ends the update of a client that no longer exists, unless its deletion needs what the call knows.
    async fn release_or_end(&self, call: &StoredUpstreamCall) -> Result<(), StoreError> {
        if self.belongs_to_deletion(call).await? {
            return self.release(call.clone()).await;
        }
        self.end(call).await
    }

    /// Returns how the client of the call is managed: as the call knows, or as the client does.
    fn management_of(
        &self,
        call: &StoredUpstreamCall,
        client: &Client,
    ) -> Result<Option<UpstreamManagement>, SealError> {
        let key = &self.store.sealing_keys;
        match &call.call.upstream {
            Some(upstream) => opened(key, &client.id, upstream),
            None => management(key, client),
        }
    }

    /// Sends the metadata of `client` to the upstream server.
    async fn put_back(
        &self,
        call: &StoredUpstreamCall,
        client: &Client,
        managed: &UpstreamManagement,
    ) -> Result<(), StoreError> {
        let id = &client.id;
        let mut sent = forwarded(&self.registrar.members, client.metadata.metadata());
        sent.insert("client_id".to_owned(), id.as_str().into());
        match self.registrar.update(managed, &sent).await {
            Ok(registration) => {
                let registration = continued(registration, managed);
                tracing::info!(
                    client_id = id.as_str(),
                    "client restored at the upstream server"
                );
                self.note_restored(call, id, &registration).await
            }
            Err(
                fault @ (UpstreamFault::Denied(_)
                | UpstreamFault::Rejected { .. }
                | UpstreamFault::Unusable(_)),
            ) => self.give_up(call, fault.to_string()).await,
            Err(fault) => self.postpone(call, &fault).await,
        }
    }

    /// Stores the credentials of a restored client, in the call first: nobody else knows them.
    async fn note_restored(
        &self,
        call: &StoredUpstreamCall,
        id: &ClientId,
        registration: &UpstreamAnswer,
    ) -> Result<(), StoreError> {
        let call = match self.note_token(call, id, registration).await {
            Ok(Some(noted)) => noted,
            Ok(None) => return Ok(()),
            Err(error) => return self.give_up(call, error.to_string()).await,
        };
        match self.keep_credentials(id, registration).await {
            Ok(_) => self.end(&call).await,
            Err(error) => self.give_up(&call, error.to_string()).await,
        }
    }

    async fn end(&self, call: &StoredUpstreamCall) -> Result<(), StoreError> {
        let calls = &self.store.upstream_calls;
        calls.end(call, Change::default()).await.map(drop)
    }

    /// Lets the call be continued later.
    async fn postpone(
        &self,
        call: &StoredUpstreamCall,
        fault: &UpstreamFault,
    ) -> Result<(), StoreError> {
        if call.call.attempts >= MOST_ATTEMPTS {
            return self.give_up(call, fault.to_string()).await;
        }
        let doublings = call.call.attempts.saturating_sub(1).min(16);
        let pause = FIRST_PAUSE
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE);
        let cause = fault.to_string();
        tracing::warn!(
            call = call.id,
            cause,
            retry_seconds = pause,
            "a change at the upstream server is not finished"
        );
        let next = UpstreamCall {
            held_until: self.clock.now().plus(pause),
            may_be_done: call.call.may_be_done || fault.may_be_done(),
            trouble: Some(cause),
            ..call.call.clone()
        };
        let calls = &self.store.upstream_calls;
        calls.replace(call, next, Change::default()).await.map(drop)
    }

    /// Lets the call be continued soon, when another one has ended.
    async fn wait(&self, call: &StoredUpstreamCall) -> Result<(), StoreError> {
        let next = UpstreamCall {
            held_until: self.clock.now().plus(FIRST_PAUSE),
            ..call.call.clone()
        };
        let calls = &self.store.upstream_calls;
        calls.replace(call, next, Change::default()).await.map(drop)
    }
}

/// Ends the call `id`, because an operator has found out how it ended and has cleaned up. Returns false if there is no such
/// call, or the server still continues it.
///
/// # Errors
/// When the store fails.
pub(crate) async fn settle(
    service: &Service,
    id: &str,
    author: &Author,
) -> Result<bool, RegisterError> {
    let calls = &service.store.upstream_calls;
    let Some(call) = calls.find(id).await? else {
        return Ok(false);
    };
    if call.call.aim != UpstreamAim::Unknown {
        return Ok(false);
    }
    let subject = call.call.client_id.as_ref().map(ClientId::to_string);
    let event = author.did(
        Action::UpstreamOutcomeSettled,
        subject.unwrap_or_default(),
        service.clock.now(),
    );
    let event = event.with("call", id);
    Ok(calls.end(&call, event.change()?).await?)
}
