//! What waits for an administrator, as it is shown.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::admin::{endpoint::documents::ChangeRecord, schema};
use crate::base::Timestamp;
use crate::client::{Client, Metadata, Provenance, TrustLevel};
use crate::resolution::CandidateView;
use crate::store::{
    FoundRequest, PendingKind, PendingState, PendingType, WaitingDocument, WaitingItem,
};

/// How far the decision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DecisionState {
    /// Nobody has decided.
    Waiting,
    /// It was approved, and the client has not asked since.
    Approved,
    /// It was denied.
    Denied,
    /// Nobody decided in time, or the client did not ask in time.
    Expired,
}

impl DecisionState {
    pub(super) fn of(item: &WaitingItem, now: Timestamp) -> Self {
        match item {
            WaitingItem::Request(found) => Self::of_request(found, now),
            WaitingItem::Document(candidate) => Self::of_document(candidate, now),
        }
    }

    fn of_request(found: &FoundRequest, now: Timestamp) -> Self {
        let request = found.request();
        match request.state {
            PendingState::Denied => Self::Denied,
            PendingState::Expired => Self::Expired,
            _ if request.ends_at <= now => Self::Expired,
            PendingState::Waiting => Self::Waiting,
            PendingState::Approved => Self::Approved,
        }
    }

    /// A document is in force or denied as soon as somebody has decided.
    fn of_document(candidate: &WaitingDocument, now: Timestamp) -> Self {
        if candidate.ends_at() <= now {
            Self::Expired
        } else {
            Self::Waiting
        }
    }
}

/// Something that waits, in a list.
#[derive(Serialize, JsonSchema)]
struct PendingSummary<'a> {
    id: String,
    /// What waits: `registration`, `update` or `document`.
    #[serde(rename = "type")]
    #[schemars(with = "String")]
    kind: PendingType,
    state: DecisionState,
    /// The client. Of a registration, it does not exist yet, unless `disabled` is true. Of a document, it is the URL.
    client_id: &'a str,
    /// The client exists, and is disabled until it is approved.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    #[schemars(schema_with = "schema::trust_level")]
    trust_level: TrustLevel,
    /// Why it waits, if a script has stated a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    address: Option<IpAddr>,
    /// When it began to wait.
    requested_at: u64,
    expires_at: u64,
    /// How often the client has asked for the decision, or authorization servers for the client of the document.
    asked: u64,
    /// When they last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_at: Option<u64>,
    /// The `client_id` of the authorization server that asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<&'a str>,
    /// The members of the client in force that it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<String>>,
    /// The `client_id` of the administrator who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> PendingSummary<'a> {
    fn of(item: &'a WaitingItem, now: Timestamp) -> Self {
        match item {
            WaitingItem::Request(found) => Self::of_request(found, now),
            WaitingItem::Document(candidate) => Self::of_document(candidate, now),
        }
    }

    fn of_request(found: &'a FoundRequest, now: Timestamp) -> Self {
        let request = found.request();
        let (client, decision) = (&request.client, request.decision.as_ref());
        Self {
            id: found.id(),
            kind: request.kind.into(),
            state: DecisionState::of_request(found, now),
            client_id: client.id.as_str(),
            disabled: request.kind == PendingKind::DisabledClient,
            client_name: client.metadata.metadata().text("client_name"),
            trust_level: client.provenance.trust_level,
            reason: request.reason.as_deref(),
            address: client.provenance.address,
            requested_at: request.requested_at.unix(),
            expires_at: request.ends_at.unix(),
            asked: request.asked,
            asked_at: request.asked_at.map(Timestamp::unix),
            asked_by: None,
            changed: None,
            decided_by: decision.map(|decision| decision.by.as_str()),
            decided_at: decision.map(|decision| decision.at.unix()),
            note: decision.and_then(|decision| decision.note.as_deref()),
        }
    }

    fn of_document(candidate: &'a WaitingDocument, now: Timestamp) -> Self {
        Self {
            id: candidate.id(),
            kind: PendingType::Document,
            state: DecisionState::of_document(candidate, now),
            client_id: &candidate.client_id,
            disabled: false,
            client_name: candidate.metadata.text("client_name"),
            trust_level: candidate.level(),
            reason: candidate.reason.as_deref(),
            address: None,
            requested_at: candidate.first_asked_at.unix(),
            expires_at: candidate.ends_at().unix(),
            asked: candidate.asked,
            asked_at: Some(candidate.last_asked_at.unix()),
            asked_by: candidate.last_asked_by.as_deref(),
            changed: candidate.changed.clone(),
            decided_by: None,
            decided_at: None,
            note: None,
        }
    }
}

/// A page of what waits.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct PendingPage<'a> {
    pending: Vec<PendingSummary<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<'a> PendingPage<'a> {
    pub(super) fn of(
        items: impl Iterator<Item = &'a WaitingItem>,
        next: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            pending: items.map(|item| PendingSummary::of(item, now)).collect(),
            next,
        }
    }
}

/// Something that waits, with everything that is decided about.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct PendingRecord<'a> {
    #[serde(flatten)]
    summary: PendingSummary<'a>,
    /// SHA-256 of what is decided about: of the metadata, in hex, or of the octets of a document, in base64url.
    digest: &'a str,
    /// The metadata as it will be registered.
    #[schemars(schema_with = "schema::client_reference")]
    metadata: &'a Map<String, Value>,
    /// What is known of the origin of a registration or an update.
    #[schemars(schema_with = "schema::provenance")]
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<&'a Provenance>,
    /// Where each member of the metadata comes from.
    #[schemars(schema_with = "schema::origins")]
    #[serde(skip_serializing_if = "Option::is_none")]
    origins: Option<Map<String, Value>>,
    /// The octets of a document, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'a str>,
    /// How it differs from the client in force.
    #[schemars(with = "ChangeRecord")]
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<ChangeRecord>,
}

impl<'a> PendingRecord<'a> {
    /// Returns a registration, or an update of `stored`.
    pub(super) fn of(found: &'a FoundRequest, stored: Option<&Client>, now: Timestamp) -> Self {
        let request = found.request();
        let metadata = request.client.metadata.metadata();
        let origins = request.client.origins.as_ref();
        let before = stored.map(|stored| stored.metadata.metadata());
        Self {
            summary: PendingSummary {
                changed: before.map(|before: &Metadata| before.differences(metadata)),
                ..PendingSummary::of_request(found, now)
            },
            digest: &request.digest,
            metadata: metadata.as_object(),
            provenance: Some(&request.client.provenance),
            origins: origins.map(|origins| origins.shown(metadata)),
            document: None,
            change: before.and_then(|before| ChangeRecord::between(before, metadata)),
        }
    }

    /// Returns a client document.
    pub(super) fn of_document(view: &'a CandidateView, now: Timestamp) -> Self {
        let candidate = &view.candidate;
        let in_force = view.in_force.as_ref();
        let before = in_force.map(|client| client.metadata.metadata());
        Self {
            summary: PendingSummary::of_document(candidate, now),
            digest: &candidate.digest,
            metadata: candidate.metadata.as_object(),
            provenance: None,
            origins: None,
            document: Some(&candidate.document),
            change: before.and_then(|before| ChangeRecord::between(before, &candidate.metadata)),
        }
    }
}
