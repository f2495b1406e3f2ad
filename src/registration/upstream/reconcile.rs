//! Continues the calls of the upstream server that were not finished: a client is deleted or restored there, however
//! often that takes. What nobody can finish is reported.

use std::sync::Arc;

use crate::base::{ClientId, SealError, Timestamp};
use crate::client::Client;
use crate::service::{Service, UpstreamAnswer, UpstreamFault, UpstreamManagement};
use crate::store::{
    Action, AuditEvent, Author, Change, StoreError, StoredUpstreamCall, UpstreamAim, UpstreamCall,
};
use crate::telemetry::meter;

use super::adopt::{forwarded, management, opened, sealed};
use super::{Front, continued};
use crate::registration::RegisterError;

/// The maximum number of calls that are continued in one round.
const AT_ONCE: usize = 100;
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
    for call in due {
        if let Err(error) = front.continue_call(&call.id).await {
            tracing::error!(%error, call = call.id, "cannot continue a call of the upstream server");
        }
    }
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
    /// Continues the call that concerns the client `id`, if there is one.
    pub(super) async fn continue_client(&self, id: &ClientId) {
        let found = self.store.upstream_calls.of_client(id).await;
        let continued = match found {
            Ok(Some(call)) => self.continue_call(&call.id).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = continued {
            tracing::error!(%error, client_id = id.as_str(), "cannot change the client at the upstream server yet");
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
        if call.call.aim == UpstreamAim::Unknown || call.call.held_until > now {
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
            UpstreamAim::Create => {
                let trouble = "the server stopped before it got an answer".to_owned();
                self.give_up(&claimed, trouble).await
            }
            UpstreamAim::Delete => self.continue_deletion(&claimed).await,
            UpstreamAim::Update => self.restore(&claimed).await,
            UpstreamAim::Unknown => Ok(()),
        }
    }

    async fn continue_deletion(&self, call: &StoredUpstreamCall) -> Result<(), StoreError> {
        let UpstreamCall {
            client_id: Some(id),
            upstream: Some(upstream),
            ..
        } = &call.call
        else {
            return self
                .give_up(call, "the client is not named".to_owned())
                .await;
        };
        let managed = match opened(&self.store.sealing_key, id, upstream) {
            Ok(Some(managed)) => managed,
            Ok(None) => {
                let trouble = "the upstream server does not let the client be deleted";
                return self.give_up(call, trouble.to_owned()).await;
            }
            Err(error) => return self.give_up(call, error.to_string()).await,
        };
        match self.registrar.delete(&managed).await {
            Ok(()) => {
                tracing::info!(
                    client_id = id.as_str(),
                    "client deleted at the upstream server"
                );
                self.end(call).await
            }
            Err(UpstreamFault::Denied(status)) => {
                tracing::warn!(
                    client_id = id.as_str(),
                    status,
                    "the upstream server does not accept the token of a client that is to be deleted; it has \
                     deleted the client already, or has replaced its token"
                );
                self.end(call).await
            }
            Err(fault) => self.postpone(call, &fault).await,
        }
    }

    /// Makes the client at the upstream server what it is here.
    async fn restore(&self, call: &StoredUpstreamCall) -> Result<(), StoreError> {
        let Some(id) = &call.call.client_id else {
            return self.end(call).await;
        };
        let Some(stored) = self.store.clients.find(id).await? else {
            return self.end(call).await;
        };
        let client = stored.client();
        match self.management_of(call, client) {
            Ok(Some(managed)) => self.put_back(call, client, &managed).await,
            Ok(None) => self.end(call).await,
            Err(error) => self.give_up(call, error.to_string()).await,
        }
    }

    /// Returns how the client of the call is managed: as the call knows, or as the client does.
    fn management_of(
        &self,
        call: &StoredUpstreamCall,
        client: &Client,
    ) -> Result<Option<UpstreamManagement>, SealError> {
        let key = &self.store.sealing_key;
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
            Err(fault @ (UpstreamFault::Denied(_) | UpstreamFault::Rejected { .. })) => {
                self.give_up(call, fault.to_string()).await
            }
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
        let upstream = match sealed(&self.store.sealing_key, id, registration) {
            Ok(upstream) => upstream,
            Err(error) => return self.give_up(call, error.to_string()).await,
        };
        let noted = UpstreamCall {
            upstream: Some(upstream),
            ..call.call.clone()
        };
        let calls = &self.store.upstream_calls;
        let Some(call) = calls.replace(call, noted, Change::default()).await? else {
            return Ok(());
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
            trouble: Some(cause),
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
