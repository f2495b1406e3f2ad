//! The front: a client is registered at the upstream server in turn (`[upstreamRegistration]`), with its identifiers
//! and secrets.
//!
//! What is sent follows from what was decided here, and what is stored here follows from the answer. Each call is
//! stored before it is sent, and ends in the same change that stores its result. It is sent by a task of its own, so
//! that a client that disconnects does not leave it half done. [`reconcile`] continues what remains.

mod adopt;
mod error;
mod read;
pub(crate) mod reconcile;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{ClientId, Clock, Timestamp};
use crate::client::{Client, Metadata};
use crate::registration::{Issued, RegisterError};
use crate::service::{
    Context, Service, UpstreamAnswer, UpstreamFault, UpstreamManagement, UpstreamRegistrar,
};
use crate::store::{Change, Store, StoreError, StoredUpstreamCall, UpstreamAim, UpstreamCall};

use adopt::{adopted, forwarded, management, sealed, usable_id};
pub(crate) use error::FrontError;
pub(crate) use read::read;
use reconcile::unknown_event;

/// Seconds for which the server that sends a call works on it. It is longer than a request takes.
const HOLD: u64 = 120;

/// What works on calls of the upstream server. It outlives the request that begins a call.
#[derive(Clone)]
pub(crate) struct Front {
    registrar: Arc<UpstreamRegistrar>,
    store: Store,
    clock: Arc<dyn Clock>,
}

/// A call whose result is about to be stored; none if clients are registered here only.
#[must_use]
pub(super) struct UpstreamWork(Option<StoredUpstreamCall>);

impl UpstreamWork {
    /// Returns the change that ends the call, to be combined with the change that stores its result.
    pub(super) fn settled(&self) -> Change {
        let call = self.0.as_ref();
        call.map(StoredUpstreamCall::removal).unwrap_or_default()
    }

    /// Returns the `outcome` of storing the result. If it is not stored, what the call has done at the upstream server is
    /// undone there.
    pub(super) async fn conclude<T, E>(
        self,
        cx: &Context<'_>,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        if outcome.is_err()
            && let (Some(call), Some(front)) = (self.0, Front::of(cx.service))
        {
            // A failure is in the log, and is continued later.
            let registrar = Arc::clone(&front.registrar);
            drop(registrar.run(front.undo(call)).await);
        }
        outcome
    }
}

/// Registers the new client at the upstream server. Returns it as that server has registered it.
///
/// # Errors
/// Why it is not registered there.
pub(super) async fn register(
    cx: &Context<'_>,
    issued: Issued,
) -> Result<(Issued, UpstreamWork), RegisterError> {
    let Some(front) = Front::of(cx.service) else {
        return Ok((issued, UpstreamWork(None)));
    };
    let metadata = issued.client.metadata.metadata();
    let sent = forwarded(&front.registrar.members, metadata);
    // In boxes, so that every other registration does not carry the space of these futures.
    let (call, registration) = Box::pin(front.create(sent)).await?;
    let work = UpstreamWork(Some(call));
    let adopted = adopted(cx, issued, None, &registration);
    let issued = Box::pin(work_on(cx, &work, adopted)).await?;
    Ok((issued, work))
}

/// Returns the adopted client. If the answer of the upstream server cannot be adopted, the client is deleted there.
async fn work_on(
    cx: &Context<'_>,
    work: &UpstreamWork,
    adopted: Result<Issued, RegisterError>,
) -> Result<Issued, RegisterError> {
    let undone = UpstreamWork(work.0.clone());
    undone.conclude(cx, adopted).await
}

/// Replaces the client `before` at the upstream server by the issued one. Returns it as that server has registered it.
///
/// # Errors
/// Why it is not replaced there.
pub(super) async fn replace(
    cx: &Context<'_>,
    before: &Client,
    issued: Issued,
) -> Result<(Issued, UpstreamWork), RegisterError> {
    let (Some(front), true) = (Front::of(cx.service), before.upstream.is_some()) else {
        return Ok((issued, UpstreamWork(None)));
    };
    let sent = forwarded(&front.registrar.members, issued.client.metadata.metadata());
    let (id, revision) = (before.id.clone(), before.revision);
    let (call, registration) = Box::pin(front.update(id, revision, sent)).await?;
    let work = UpstreamWork(Some(call));
    let adopted = adopted(cx, issued, before.secret.as_ref(), &registration);
    let issued = Box::pin(work_on(cx, &work, adopted)).await?;
    Ok((issued, work))
}

/// Does the same if the change concerns the upstream server. A client can be disabled here although that server is down.
///
/// # Errors
/// As [`replace`].
pub(super) async fn replace_changed(
    cx: &Context<'_>,
    before: &Client,
    issued: Issued,
) -> Result<(Issued, UpstreamWork), RegisterError> {
    let is_same = Front::of(cx.service).is_some_and(|front| {
        let sent =
            |client: &Client| forwarded(&front.registrar.members, client.metadata.metadata());
        sent(before) == sent(&issued.client)
    });
    if is_same {
        return Ok((issued, UpstreamWork(None)));
    }
    replace(cx, before, issued).await
}

/// Deletes a client at the upstream server that was deleted here. If that server is not available, it follows later.
pub(super) async fn delete(cx: &Context<'_>, client: &Client) {
    let (Some(front), true) = (Front::of(cx.service), client.upstream.is_some()) else {
        return;
    };
    let id = client.id.clone();
    let registrar = Arc::clone(&front.registrar);
    // A failure is in the log, and is continued later.
    drop(
        registrar
            .run(async move { front.continue_deletion_of(&id).await })
            .await,
    );
}

impl Front {
    /// Returns none if clients are registered here only.
    pub(crate) fn of(service: &Service) -> Option<Self> {
        Some(Self {
            registrar: Arc::clone(service.upstream_registrar.as_ref()?),
            store: service.store.clone(),
            clock: Arc::clone(&service.clock),
        })
    }

    fn held_until(&self) -> Timestamp {
        self.clock.now().plus(HOLD)
    }

    /// Sends a registration. The call that is returned deletes the client again, unless it ends first.
    async fn create(
        self,
        sent: Map<String, Value>,
    ) -> Result<(StoredUpstreamCall, UpstreamAnswer), RegisterError> {
        let call = UpstreamCall {
            aim: UpstreamAim::Create,
            client_id: None,
            upstream: None,
            metadata: Some(Metadata::new(sent.clone())),
            begun_at: self.clock.now(),
            held_until: self.held_until(),
            attempts: 0,
            may_be_done: false,
            trouble: None,
        };
        let begun = self.store.upstream_calls.begin_creation(call).await;
        let call = begun.map_err(FrontError::from)?;
        let registrar = Arc::clone(&self.registrar);
        let created = registrar.run(self.send_creation(call, sent)).await;
        created.map_err(|_| FrontError::Lost)?
    }

    async fn send_creation(
        self,
        call: StoredUpstreamCall,
        sent: Map<String, Value>,
    ) -> Result<(StoredUpstreamCall, UpstreamAnswer), RegisterError> {
        match self.registrar.create(&sent).await {
            Ok(registration) => self.note_created(call, registration).await,
            Err(fault) if fault.may_be_done() => {
                self.give_up(&call, fault.to_string()).await?;
                Err(FrontError::from(fault).into())
            }
            Err(fault) => {
                self.store
                    .upstream_calls
                    .end(&call, Change::default())
                    .await?;
                Err(FrontError::from(fault).into())
            }
        }
    }

    /// Stores how the new client is managed, before anything else can fail.
    async fn note_created(
        &self,
        call: StoredUpstreamCall,
        registration: UpstreamAnswer,
    ) -> Result<(StoredUpstreamCall, UpstreamAnswer), RegisterError> {
        let Some(id) = usable_id(&registration.client_id) else {
            self.discard(&call, registration).await?;
            return Err(FrontError::Unusable("client_id".to_owned()).into());
        };
        match self.note_management(&call, &id, &registration).await {
            Ok(Some(noted)) => Ok((noted, registration)),
            // Nobody would know the token, so the client is deleted while somebody does.
            Ok(None) => {
                self.discard(&call, registration).await?;
                Err(FrontError::Lost.into())
            }
            Err(error) => {
                drop(self.discard(&call, registration).await);
                Err(error)
            }
        }
    }

    /// Stores how the new client is managed. Returns none if somebody else has continued the call.
    async fn note_management(
        &self,
        call: &StoredUpstreamCall,
        id: &ClientId,
        registration: &UpstreamAnswer,
    ) -> Result<Option<StoredUpstreamCall>, RegisterError> {
        let upstream = sealed(&self.store.sealing_keys, id, registration)?;
        let next = UpstreamCall {
            aim: UpstreamAim::Delete,
            client_id: Some(id.clone()),
            upstream: Some(upstream),
            held_until: self.held_until(),
            ..call.call.clone()
        };
        let calls = &self.store.upstream_calls;
        Ok(calls.replace(call, next, Change::default()).await?)
    }

    /// Deletes a client at once that cannot be a client here.
    async fn discard(
        &self,
        call: &StoredUpstreamCall,
        registration: UpstreamAnswer,
    ) -> Result<(), StoreError> {
        let client_id = registration.client_id;
        let deleted = match (registration.uri, registration.token) {
            (Some(uri), Some(token)) => {
                let managed = UpstreamManagement {
                    client_id,
                    uri,
                    token,
                };
                self.registrar.delete(&managed).await
            }
            _ => Err(UpstreamFault::Unusable("it cannot be managed".to_owned())),
        };
        match deleted {
            Ok(()) => {
                let calls = &self.store.upstream_calls;
                calls.end(call, Change::default()).await.map(drop)
            }
            Err(fault) => {
                let trouble =
                    format!("it cannot be a client here, and could not be deleted: {fault}");
                self.give_up(call, trouble).await
            }
        }
    }

    /// Notes that only an operator can find out how the call ended.
    async fn give_up(&self, call: &StoredUpstreamCall, trouble: String) -> Result<(), StoreError> {
        tracing::error!(
            call = call.id,
            client_id = call.call.client_id.as_ref().map(ClientId::as_str),
            cause = trouble,
            "it is not known whether the upstream server has done what it was asked; see registrar upstream list"
        );
        let event = unknown_event(call, &trouble, self.clock.now());
        let next = UpstreamCall {
            aim: UpstreamAim::Unknown,
            trouble: Some(trouble),
            ..call.call.clone()
        };
        let calls = &self.store.upstream_calls;
        calls.replace(call, next, event.change()?).await.map(drop)
    }

    /// Sends an update of this revision of the client. The call that is returned restores the client there as it is stored
    /// here, unless it ends first.
    async fn update(
        self,
        id: ClientId,
        revision: u64,
        sent: Map<String, Value>,
    ) -> Result<(StoredUpstreamCall, UpstreamAnswer), RegisterError> {
        // What an earlier update has left there is undone first.
        self.continue_update_of(&id).await;
        let call = UpstreamCall {
            aim: UpstreamAim::Update,
            client_id: Some(id.clone()),
            upstream: None,
            metadata: None,
            begun_at: self.clock.now(),
            held_until: self.held_until(),
            attempts: 0,
            may_be_done: false,
            trouble: None,
        };
        let begun = self.store.upstream_calls.begin_update(&id, call).await;
        let call = begun.map_err(FrontError::from)?;
        let registrar = Arc::clone(&self.registrar);
        let updated = registrar
            .run(self.send_update(call, id, revision, sent))
            .await;
        updated.map_err(|_| FrontError::Lost)?
    }

    async fn send_update(
        self,
        call: StoredUpstreamCall,
        id: ClientId,
        revision: u64,
        mut sent: Map<String, Value>,
    ) -> Result<(StoredUpstreamCall, UpstreamAnswer), RegisterError> {
        sent.insert("client_id".to_owned(), id.as_str().into());
        let calls = &self.store.upstream_calls;
        let managed = match self.manageable(&id, revision).await {
            Ok(managed) => managed,
            Err(error) => {
                calls.end(&call, Change::default()).await?;
                return Err(error);
            }
        };
        match self.registrar.update(&managed, &sent).await {
            Ok(registration) => {
                let registration = continued(registration, &managed);
                let noted = self.note_token(&call, &id, &registration).await?;
                Ok((noted.ok_or(FrontError::Lost)?, registration))
            }
            Err(fault) => Err(self.end_failed_update(call, fault).await?.into()),
        }
    }

    /// Ends an update that has failed. What may be done is undone: the client learns that its update was not completed.
    async fn end_failed_update(
        &self,
        call: StoredUpstreamCall,
        fault: UpstreamFault,
    ) -> Result<FrontError, StoreError> {
        if fault.may_be_done() {
            self.release(call).await?;
        } else {
            let calls = &self.store.upstream_calls;
            calls.end(&call, Change::default()).await?;
        }
        Ok(match fault {
            UpstreamFault::Denied(_) => FrontError::Gone,
            fault => fault.into(),
        })
    }

    /// Returns how the client `id` is managed, if it still has this revision.
    async fn manageable(
        &self,
        id: &ClientId,
        revision: u64,
    ) -> Result<UpstreamManagement, RegisterError> {
        let stored = self.find(id).await?;
        if stored.client().revision != revision {
            return Err(RegisterError::Conflict);
        }
        let managed = management(&self.store.sealing_keys, stored.client())?;
        Ok(managed.ok_or(FrontError::NotManageable)?)
    }

    /// Stores in the call how the client is managed now. Returns none if somebody else has continued the call.
    async fn note_token(
        &self,
        call: &StoredUpstreamCall,
        id: &ClientId,
        registration: &UpstreamAnswer,
    ) -> Result<Option<StoredUpstreamCall>, RegisterError> {
        let next = UpstreamCall {
            upstream: Some(sealed(&self.store.sealing_keys, id, registration)?),
            ..call.call.clone()
        };
        let calls = &self.store.upstream_calls;
        Ok(calls.replace(call, next, Change::default()).await?)
    }

    /// Lets another task continue the call at once.
    async fn release(&self, call: StoredUpstreamCall) -> Result<(), StoreError> {
        let next = UpstreamCall {
            held_until: Timestamp::default(),
            ..call.call.clone()
        };
        let calls = &self.store.upstream_calls;
        calls
            .replace(&call, next, Change::default())
            .await
            .map(drop)
    }

    /// Undoes what the call has done, because its result could not be stored.
    async fn undo(self, call: StoredUpstreamCall) {
        let id = call.id.clone();
        let released = self.release(call).await;
        let undone = match released {
            Ok(()) => self.continue_call(&id).await,
            Err(error) => Err(error),
        };
        if let Err(error) = undone {
            tracing::error!(%error, call = id, "cannot undo a change at the upstream server yet");
        }
    }
}

/// Returns the answer with what it may omit because it has not changed.
fn continued(registration: UpstreamAnswer, managed: &UpstreamManagement) -> UpstreamAnswer {
    let UpstreamManagement { uri, token, .. } = managed;
    UpstreamAnswer {
        uri: registration.uri.or_else(|| Some(uri.clone())),
        token: registration.token.or_else(|| Some(token.clone())),
        ..registration
    }
}
