//! An event, and how a change of a client becomes one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{ClientId, Timestamp, random};
use crate::client::{Approved, Client, TrustLevel};
use crate::store::{AuditEvent, Change, PendingType, StoreError, keys, record};

/// The number of random bytes in the identifier of an event.
const ID_BYTES: usize = 16;

/// What happened to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EventType {
    /// The client was created.
    #[serde(rename = "client.created")]
    Created,
    /// The client was changed in any other way than those below.
    #[serde(rename = "client.updated")]
    Updated,
    /// The client was disabled, perhaps together with other changes.
    #[serde(rename = "client.disabled")]
    Disabled,
    /// The client was enabled, perhaps together with other changes.
    #[serde(rename = "client.enabled")]
    Enabled,
    /// The client has another secret, perhaps together with other changes.
    #[serde(rename = "client.secret_rotated")]
    SecretRotated,
    /// The client no longer exists.
    #[serde(rename = "client.deleted")]
    Deleted,
    /// A registration, an update or a client document waits for approval.
    #[serde(rename = "client.pending")]
    Pending,
    /// What waited was approved.
    #[serde(rename = "client.approved")]
    Approved,
    /// What waited was denied.
    #[serde(rename = "client.denied")]
    Denied,
}

impl EventType {
    /// All types.
    pub(crate) const ALL: [Self; 9] = [
        Self::Created,
        Self::Updated,
        Self::Disabled,
        Self::Enabled,
        Self::SecretRotated,
        Self::Deleted,
        Self::Pending,
        Self::Approved,
        Self::Denied,
    ];

    /// Returns the type as it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "client.created",
            Self::Updated => "client.updated",
            Self::Disabled => "client.disabled",
            Self::Enabled => "client.enabled",
            Self::SecretRotated => "client.secret_rotated",
            Self::Deleted => "client.deleted",
            Self::Pending => "client.pending",
            Self::Approved => "client.approved",
            Self::Denied => "client.denied",
        }
    }

    /// Returns whether a consumer that asks for `named` gets this type. `client.updated` includes every change of
    /// a client that stays.
    pub(crate) fn is_named(self, named: &str) -> bool {
        let is_change = !matches!(self, Self::Created | Self::Deleted) && !self.is_of_approval();
        named == "client.*"
            || named == self.as_str()
            || (is_change && named == Self::Updated.as_str())
    }
}

impl EventType {
    /// Whether the event is about a request that waits for approval, and no client has changed.
    pub(crate) const fn is_of_approval(self) -> bool {
        matches!(self, Self::Pending | Self::Approved | Self::Denied)
    }
}

/// Why a client was changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// The client requested it.
    #[default]
    Request,
    /// An administrator requested it, or this server defines the client.
    Administrator,
    /// The client was imported.
    Import,
    /// Its client document was fetched.
    Document,
    /// The client had expired.
    Expired,
    /// The client was never used.
    Unused,
    /// The client was not used for a long time.
    Inactive,
    /// Nothing was changed: an operator sends the client to one consumer again.
    Replay,
}

/// One event. It never contains a secret, and no value of the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Identifies the event in all stores: deliveries of the same event have the same identifier.
    pub(crate) id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub(crate) kind: EventType,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The client.
    pub(crate) client_id: ClientId,
    /// The number of changes of the client, starting at 1.
    pub(crate) revision: u64,
    /// Why it happened.
    pub(crate) reason: Reason,
    /// The names of the members that changed. Empty for a client that was created or deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changed: Vec<String>,
    /// The identifier of the administrator or client that requested it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    /// The identifier of the request in its response and in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_id: Option<String>,
    /// The only consumer that receives the event; none: all of them.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) consumer: Option<String>,
    /// What scripts see of the request, if a script wants the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Box<Value>>,
    /// The identifier of the request that waits for approval, if the event is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<String>,
    /// What waits. Events of the last version, which were about registrations and updates only, do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending_type: Option<PendingType>,
}

/// What waits for approval, as events name it.
pub(crate) struct PendingSubject<'a> {
    /// Its identifier.
    pub(crate) id: &'a str,
    /// What it is.
    pub(crate) kind: PendingType,
    /// The client that it concerns.
    pub(crate) client_id: &'a ClientId,
    /// The revision that the client has when it takes effect.
    pub(crate) revision: u64,
}

/// An event with its position in the log, starting at 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoggedEvent {
    /// Its position.
    pub(crate) position: u64,
    /// The event.
    pub(crate) event: Event,
}

/// What the event of a change says about its origin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cause {
    /// When the change is made.
    pub(crate) at: Timestamp,
    /// Why.
    pub(crate) reason: Reason,
    /// The identifier of the administrator or client that requested it.
    pub(crate) actor: Option<String>,
    /// The identifier of the request.
    pub(crate) correlation_id: Option<String>,
    /// What scripts see of the request.
    pub(crate) context: Option<Box<Value>>,
}

impl Cause {
    /// Returns the cause of the change that `event` of the audit log reports.
    pub(crate) fn of(event: &AuditEvent, reason: Reason) -> Self {
        Self {
            at: event.at,
            reason,
            actor: event.actor.clone(),
            correlation_id: event.correlation_id.clone(),
            context: None,
        }
    }
}

impl Cause {
    /// Returns the event of a change of `client`.
    pub(super) fn event(&self, kind: EventType, client: &Client) -> Result<Event, StoreError> {
        Ok(Event {
            id: event_id()?,
            kind,
            at: self.at,
            client_id: client.id.clone(),
            revision: client.revision,
            reason: self.reason,
            changed: Vec::new(),
            actor: self.actor.clone(),
            correlation_id: self.correlation_id.clone(),
            consumer: None,
            context: self.context.clone(),
            pending: None,
            pending_type: None,
        })
    }

    /// Returns the change that appends an event about something that waits for approval. `context` is what scripts see
    /// of the request, if a script wants the event.
    ///
    /// # Errors
    /// When the event cannot be written as JSON.
    pub(crate) fn pending(
        &self,
        kind: EventType,
        subject: &PendingSubject<'_>,
        context: Option<Box<Value>>,
    ) -> Result<Change, StoreError> {
        appended(&Event {
            id: event_id()?,
            kind,
            at: self.at,
            client_id: subject.client_id.clone(),
            revision: subject.revision,
            reason: self.reason,
            changed: Vec::new(),
            actor: self.actor.clone(),
            correlation_id: self.correlation_id.clone(),
            consumer: None,
            context,
            pending: Some(subject.id.to_owned()),
            pending_type: Some(subject.kind),
        })
    }
}

/// What is stored together with a change of a client, and what the event of the change says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Along {
    /// Stored in the same change.
    pub(crate) change: Change,
    /// The cause of the event.
    pub(crate) cause: Cause,
    /// The event of the audit log, which is stored too.
    pub(in crate::store) audited: Option<Box<AuditEvent>>,
}

impl Along {
    /// Returns what is stored with a change that `event` of the audit log reports.
    pub(crate) fn audited(event: &AuditEvent, reason: Reason) -> Self {
        Self {
            change: Change::default(),
            cause: Cause::of(event, reason),
            audited: Some(Box::new(event.clone())),
        }
    }

    /// Returns the change that stores this without a change of a client.
    ///
    /// # Errors
    /// When the event of the audit log cannot be written as JSON.
    pub(crate) fn alone(self) -> Result<Change, StoreError> {
        match &self.audited {
            Some(event) => Ok(event.change()?.and(self.change)),
            None => Ok(self.change),
        }
    }

    /// Returns the change that stores this with a change of a client from `before` to `after`, and the events of that.
    pub(in crate::store) fn with_change(
        &self,
        before: Option<&Client>,
        after: Option<&Client>,
    ) -> Result<Change, StoreError> {
        let audited = match &self.audited {
            Some(event) => event.change_of(before, after)?,
            None => Change::default(),
        };
        let reported = reported(before, after, &self.cause)?;
        // What follows from a change of a client comes after it.
        Ok(reported.and(audited).and(self.change.clone()))
    }

    /// Returns this together with `change`.
    #[must_use]
    pub(crate) fn and(mut self, change: Change) -> Self {
        self.change = self.change.and(change);
        self
    }
}

impl From<Change> for Along {
    fn from(change: Change) -> Self {
        Self {
            change,
            ..Self::default()
        }
    }
}

/// The last metadata of a client that was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeletedClient {
    /// The event of its deletion.
    pub(super) event: String,
    /// The metadata.
    pub(crate) metadata: Approved,
    /// `client_id_issued_at`
    pub(crate) issued_at: Timestamp,
    /// The time at which it would have stopped working. `None`: it did not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// How far its registration could be trusted.
    pub(crate) trust_level: TrustLevel,
}

/// Returns the change that appends the event of a change from `before` to `after`. A change that nobody else can
/// see, such as a noted use, has no event. Clients of the operator, such as the administrator, have none either:
/// they belong to this server, and hooks would copy them to other systems with their secrets.
fn reported(
    before: Option<&Client>,
    after: Option<&Client>,
    cause: &Cause,
) -> Result<Change, StoreError> {
    if before.or(after).is_some_and(Client::is_operators) {
        return Ok(Change::default());
    }
    match (before, after) {
        (None, None) => Ok(Change::default()),
        (None, Some(client)) => appended(&cause.event(EventType::Created, client)?),
        (Some(before), Some(after)) => updated(before, after, cause),
        (Some(client), None) => deleted(client, cause),
    }
}

fn updated(before: &Client, after: &Client, cause: &Cause) -> Result<Change, StoreError> {
    let changed = changed_members(before, after);
    // A replacement by the same metadata is an update too.
    if changed.is_empty() && before.revision == after.revision {
        return Ok(Change::default());
    }
    let kind = change_type(before, after, &changed);
    let event = cause.event(kind, after)?;
    appended(&Event { changed, ..event })
}

/// Returns the change that also keeps the last metadata of the client.
fn deleted(client: &Client, cause: &Cause) -> Result<Change, StoreError> {
    let event = cause.event(EventType::Deleted, client)?;
    let mut change = appended(&event)?;
    let deleted = DeletedClient {
        event: event.id,
        metadata: client.metadata.clone(),
        issued_at: client.issued_at,
        expires_at: client.expires_at,
        trust_level: client.provenance.trust_level,
    };
    let key = keys::deleted_client(&client.id);
    let bytes = record::encode(&key, &deleted)?;
    change.put.push((key, bytes));
    Ok(change)
}

fn event_id() -> Result<String, StoreError> {
    let id = random::text(ID_BYTES);
    let id = id.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(format!("evt_{id}"))
}

/// Returns the change that appends `event` to the log.
pub(super) fn appended(event: &Event) -> Result<Change, StoreError> {
    let bytes = record::encode(keys::EVENTS, event)?;
    Ok(Change {
        append: vec![(keys::EVENTS.to_vec(), bytes)],
        ..Change::default()
    })
}

/// Returns the names of the members that differ, as others see the client.
pub(in crate::store) fn changed_members(before: &Client, after: &Client) -> Vec<String> {
    let mut changed = before
        .metadata
        .metadata()
        .differences(after.metadata.metadata());
    let sealed = |client: &Client| client.secret.as_ref().map(|secret| secret.sealed.clone());
    if sealed(before) != sealed(after) {
        changed.push("client_secret".to_owned());
    }
    if before.expires_at != after.expires_at {
        changed.push("expires_at".to_owned());
    }
    changed
}

/// Returns the most specific type of a change.
fn change_type(before: &Client, after: &Client, changed: &[String]) -> EventType {
    let is_disabled = |client: &Client| client.metadata.metadata().flag("disabled");
    match (is_disabled(before), is_disabled(after)) {
        (false, true) => EventType::Disabled,
        (true, false) => EventType::Enabled,
        _ if before.secret.is_some() && changed.iter().any(|name| name == "client_secret") => {
            EventType::SecretRotated
        }
        _ => EventType::Updated,
    }
}
