//! Calls of the upstream server that were begun: what they change there must follow, whatever happens here.
//!
//! A call is stored before it is sent, and removed in the same change that stores its result. What remains is continued
//! later, or reported if nobody knows how it ended.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{ClientId, Timestamp, random};
use crate::client::{Client, Metadata, UpstreamClient};
use crate::store::{Backend, Change, Expectation, StoreError, keys, page, record, unless_lost};

/// Maximum number of registrations at the upstream server that are not finished.
const MOST_CREATIONS: u64 = 10_000;
/// The number of calls that are read at a time.
const PAGE: usize = 200;

/// What is to be reached at the upstream server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamAim {
    /// A registration was sent, and there is no answer yet.
    Create,
    /// It is not known whether a registration took effect. Only an operator can find out.
    Unknown,
    /// The client there becomes as it is stored here.
    Update,
    /// The client there is deleted.
    Delete,
}

/// A call of the upstream server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UpstreamCall {
    /// What is to be reached.
    pub(crate) aim: UpstreamAim,
    /// The client; none as long as the upstream server has not named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ClientId>,
    /// How the client is managed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<UpstreamClient>,
    /// The metadata of a registration, by which an operator recognises the client there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Metadata>,
    /// When the call was begun.
    #[serde(default)]
    pub(crate) begun_at: Timestamp,
    /// Before this moment, whoever has begun or continued the call works on it.
    #[serde(default)]
    pub(crate) held_until: Timestamp,
    /// How often it was continued without success.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// Whether an attempt was sent whose answer is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) may_be_done: bool,
    /// Why it is not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
}

impl UpstreamCall {
    /// Whether the call can be continued at `now`, and nobody works on it.
    fn is_due(&self, now: Timestamp) -> bool {
        self.aim != UpstreamAim::Unknown && self.held_until <= now
    }

    const fn is_creation(&self) -> bool {
        matches!(self.aim, UpstreamAim::Create | UpstreamAim::Unknown)
    }
}

/// A call as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredUpstreamCall {
    /// Identifies it.
    pub(crate) id: String,
    /// The call.
    pub(crate) call: UpstreamCall,
    bytes: Vec<u8>,
    /// Whether it counts as an unfinished registration.
    is_counted: bool,
}

impl StoredUpstreamCall {
    fn write(id: String, call: UpstreamCall, is_counted: bool) -> Result<Self, StoreError> {
        let key = keys::upstream_call(&id);
        let stored = StoredCall {
            call: &call,
            is_counted,
        };
        let bytes = record::encode(&key, &stored)?;
        Ok(Self {
            id,
            call,
            bytes,
            is_counted,
        })
    }

    fn read(key: &[u8], bytes: Vec<u8>) -> Result<Self, StoreError> {
        let read: ReadCall = record::decode(key, &bytes)?;
        let id = keys::upstream_call_id(key);
        let id = id.ok_or_else(|| StoreError::corrupt(key, "its key is not text"))?;
        Ok(Self {
            id,
            call: read.call,
            bytes,
            is_counted: read.is_counted,
        })
    }

    fn key(&self) -> Vec<u8> {
        keys::upstream_call(&self.id)
    }

    fn unchanged(&self) -> Expectation {
        Expectation::Value(self.key(), self.bytes.clone())
    }

    /// Returns the change that ends the call, which nobody else may have continued or ended.
    pub(crate) fn removal(&self) -> Change {
        let count = (keys::UPSTREAM_CREATIONS.to_vec(), -1);
        Change {
            expect: vec![self.unchanged()],
            delete: vec![self.key()],
            count: self.is_counted.then_some(count).into_iter().collect(),
            ..Change::default()
        }
    }

    fn put(&self) -> (Vec<u8>, Vec<u8>) {
        (self.key(), self.bytes.clone())
    }
}

#[derive(Serialize)]
struct StoredCall<'a> {
    #[serde(flatten)]
    call: &'a UpstreamCall,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_counted: bool,
}

#[derive(Deserialize)]
struct ReadCall {
    #[serde(flatten)]
    call: UpstreamCall,
    #[serde(default)]
    is_counted: bool,
}

/// Why a call cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// Too many registrations are not finished.
    #[error("too many registrations at the upstream server are not finished")]
    TooMany,
    /// Another change of the client is not finished.
    #[error("another change of the client at the upstream server is not finished")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The calls of the upstream server.
#[derive(Clone)]
pub(crate) struct UpstreamCalls(Arc<dyn Backend>);

impl UpstreamCalls {
    pub(super) fn new(backend: &Arc<dyn Backend>) -> Self {
        Self(Arc::clone(backend))
    }

    /// Stores a registration that is about to be sent.
    ///
    /// # Errors
    /// When too many are not finished, or the store cannot be written.
    pub(crate) async fn begin_creation(
        &self,
        call: UpstreamCall,
    ) -> Result<StoredUpstreamCall, BeginError> {
        let stored = StoredUpstreamCall::write(random::client_id(), call, true)?;
        let count = keys::UPSTREAM_CREATIONS.to_vec();
        let change = Change {
            expect: vec![
                Expectation::Absent(stored.key()),
                Expectation::Below(count.clone(), MOST_CREATIONS),
            ],
            put: vec![stored.put()],
            count: vec![(count, 1)],
            ..Change::default()
        };
        match unless_lost(self.0.apply(change).await)? {
            Some(_) => Ok(stored),
            None => Err(BeginError::TooMany),
        }
    }

    /// Stores an update of the client that is about to be sent.
    ///
    /// # Errors
    /// When another update of this client is not finished, or the store cannot be written.
    pub(crate) async fn begin_update(
        &self,
        id: &ClientId,
        call: UpstreamCall,
    ) -> Result<StoredUpstreamCall, BeginError> {
        let stored = StoredUpstreamCall::write(update_id(id), call, false)?;
        let change = Change {
            expect: vec![Expectation::Absent(stored.key())],
            put: vec![stored.put()],
            ..Change::default()
        };
        match unless_lost(self.0.apply(change).await)? {
            Some(_) => Ok(stored),
            None => Err(BeginError::Busy),
        }
    }

    /// Stores `next` in place of `before`, with `also`. Returns none if somebody else has continued or ended the call.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn replace(
        &self,
        before: &StoredUpstreamCall,
        next: UpstreamCall,
        also: Change,
    ) -> Result<Option<StoredUpstreamCall>, StoreError> {
        let counts = before.is_counted && next.is_creation();
        let stored = StoredUpstreamCall::write(before.id.clone(), next, counts)?;
        let mut change = Change {
            expect: vec![before.unchanged()],
            put: vec![stored.put()],
            ..Change::default()
        };
        if before.is_counted && !counts {
            change.count.push((keys::UPSTREAM_CREATIONS.to_vec(), -1));
        }
        let applied = unless_lost(self.0.apply(change.and(also)).await)?;
        Ok(applied.map(|_| stored))
    }

    /// Ends the call, with `also` in the same change. Returns false if somebody else has continued or ended it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn end(
        &self,
        call: &StoredUpstreamCall,
        also: Change,
    ) -> Result<bool, StoreError> {
        let change = call.removal().and(also);
        Ok(unless_lost(self.0.apply(change).await)?.is_some())
    }

    /// Returns the call with this identifier.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<StoredUpstreamCall>, StoreError> {
        let key = keys::upstream_call(id);
        let found = self.0.get(&key).await?;
        found
            .map(|bytes| StoredUpstreamCall::read(&key, bytes))
            .transpose()
    }

    /// Returns the update of the client `id` that is not finished.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn update_of(
        &self,
        id: &ClientId,
    ) -> Result<Option<StoredUpstreamCall>, StoreError> {
        self.find(&update_id(id)).await
    }

    /// Returns the deletion of the client `id` that is not finished.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn deletion_of(
        &self,
        id: &ClientId,
    ) -> Result<Option<StoredUpstreamCall>, StoreError> {
        self.find(&deletion_id(id)).await
    }

    /// Returns at most `limit` calls in the order of their identifiers, starting after `after`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredUpstreamCall>, StoreError> {
        let mut range = keys::under(keys::UPSTREAM_CALLS);
        if let Some(after) = after {
            range.start = keys::behind(&keys::upstream_call(after));
        }
        let pairs = self.0.scan(range, limit).await?;
        let mut calls = Vec::with_capacity(pairs.len());
        for (key, bytes) in pairs {
            calls.push(StoredUpstreamCall::read(&key, bytes)?);
        }
        Ok(calls)
    }

    /// Returns at most `limit` calls that can be continued at `now`, and how many nobody knows the end of.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<StoredUpstreamCall>, u64), StoreError> {
        let (mut due, mut unknown) = (Vec::new(), 0);
        let mut left = Some(keys::under(keys::UPSTREAM_CALLS));
        while let Some(range) = left {
            let (pairs, rest) = page(&*self.0, range, PAGE).await?;
            left = rest;
            for (key, bytes) in pairs {
                let stored = StoredUpstreamCall::read(&key, bytes)?;
                unknown += u64::from(stored.call.aim == UpstreamAim::Unknown);
                if stored.call.is_due(now) && due.len() < limit {
                    due.push(stored);
                }
            }
        }
        Ok((due, unknown))
    }
}

fn update_id(id: &ClientId) -> String {
    format!("update:{id}")
}

fn deletion_id(id: &ClientId) -> String {
    format!("deletion:{id}")
}

/// Returns a call that nobody works on yet.
fn due(aim: UpstreamAim, id: &ClientId, upstream: Option<&UpstreamClient>) -> UpstreamCall {
    UpstreamCall {
        aim,
        client_id: Some(id.clone()),
        upstream: upstream.cloned(),
        metadata: None,
        begun_at: Timestamp::default(),
        held_until: Timestamp::default(),
        attempts: 0,
        may_be_done: false,
        trouble: None,
    }
}

/// Returns the change that stores that the client `id` is to become at the upstream server as it is here. An update that is
/// not finished does that too.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn update(
    backend: &Arc<dyn Backend>,
    id: &ClientId,
) -> Result<Change, StoreError> {
    let call = due(UpstreamAim::Update, id, None);
    let stored = StoredUpstreamCall::write(update_id(id), call, false)?;
    if backend.get(&stored.key()).await?.is_some() {
        return Ok(Change::default());
    }
    Ok(Change {
        expect: vec![Expectation::Absent(stored.key())],
        put: vec![stored.put()],
        ..Change::default()
    })
}

/// Returns the change that stores that `client` is to be deleted at the upstream server, if it is registered there. An update
/// that is not finished stays: it may know a newer token.
pub(super) fn deletion(client: &Client) -> Result<Change, StoreError> {
    let Some(upstream) = &client.upstream else {
        return Ok(Change::default());
    };
    let call = due(UpstreamAim::Delete, &client.id, Some(upstream));
    let stored = StoredUpstreamCall::write(deletion_id(&client.id), call, false)?;
    Ok(Change {
        put: vec![stored.put()],
        ..Change::default()
    })
}
