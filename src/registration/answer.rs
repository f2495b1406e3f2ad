//! The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3).

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base::{Secret, json};
use crate::client::{Client, ClientSecret, Metadata, TrustLevel};
use crate::registration::{Issued, Purpose};
use crate::service::Context;

/// The usual maximum length of an answer, in bytes. A buffer of this capacity is not moved while it grows.
const ORDINARY_BYTES: usize = 2_048;

/// The maximum number of members that this server adds to the metadata.
const OWN_MEMBERS: usize = 7;

/// The client information that is sent to the client.
pub(crate) struct ClientInformation {
    /// The identifiers and credentials of the client, or all members once a script has changed them.
    own: OwnMembers,
    /// The metadata in the answer, or the metadata before a script changed it.
    pub(crate) metadata: Metadata,
    /// Whether the answer includes the metadata.
    has_metadata: bool,
    /// The trust level of the registration.
    pub(crate) trust_level: TrustLevel,
    /// The revision, for the `ETag`.
    pub(crate) revision: u64,
}

/// Members with other names than those of the metadata.
struct OwnMembers(Vec<(Cow<'static, str>, Value)>);

impl OwnMembers {
    fn of(
        cx: &Context<'_>,
        client: &Client,
        token: Option<&Secret>,
        secret: Option<&Secret>,
    ) -> Self {
        let mut own = Vec::with_capacity(OWN_MEMBERS);
        let mut put = |name: &'static str, value: Value| own.push((Cow::Borrowed(name), value));
        put("client_id", client.id.as_str().into());
        put("client_id_issued_at", client.issued_at.unix().into());
        if let Some(secret) = secret {
            put("client_secret", secret.expose().into());
            put("client_secret_expires_at", secret_expiry(client).into());
        }
        if let Some(token) = token {
            put("registration_access_token", token.expose().into());
        }
        // Either the token and the URL or neither (OpenID Connect Dynamic Client Registration section 3.2).
        if client.shared_as.is_none() {
            let uri = registration_client_uri(cx, client);
            put("registration_client_uri", uri.into());
        }
        if let Some(uri) = cx.document_uri(client) {
            put("client_document_uri", uri.into());
        }
        Self(own)
    }
}

impl Serialize for OwnMembers {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl ClientInformation {
    /// Builds the client information of `client`. It contains the client secret where the secret is shown. It
    /// contains the registration access token only when the client presented that token or received a new
    /// one, since the store keeps only its digest.
    pub(crate) fn new(
        cx: &Context<'_>,
        client: &Client,
        token: Option<&Secret>,
        secret: Option<&Secret>,
    ) -> Self {
        Self {
            own: OwnMembers::of(cx, client, token, secret),
            metadata: client.metadata.metadata().clone(),
            has_metadata: true,
            trust_level: client.provenance.trust_level,
            revision: client.revision,
        }
    }

    /// The client information of a client that has ended its registration. UDAP confirms the end with an
    /// empty `grant_types`.
    pub(super) fn ended(client: &Client) -> Self {
        let id = ("client_id".into(), client.id.as_str().into());
        let grants = ("grant_types".into(), Value::Array(Vec::new()));
        Self {
            own: OwnMembers(vec![id, grants]),
            metadata: Metadata::default(),
            has_metadata: false,
            trust_level: client.provenance.trust_level,
            revision: client.revision,
        }
    }

    /// Returns all members of the answer.
    pub(crate) fn members(&self) -> Map<String, Value> {
        self.entries()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    }

    /// Returns the same answer with other members.
    #[must_use]
    pub(crate) fn saying(self, members: Map<String, Value>) -> Self {
        Self {
            own: OwnMembers(
                members
                    .into_iter()
                    .map(|(name, value)| (name.into(), value))
                    .collect(),
            ),
            has_metadata: false,
            ..self
        }
    }

    /// Returns the answer as JSON text. The text of the metadata is that of the record, so it is written once.
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(ORDINARY_BYTES);
        if serde_json::to_writer(&mut text, &self.own).is_err() {
            text.clear();
        }
        if self.has_metadata {
            json::append_members(&mut text, self.metadata.json());
        }
        text
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        let metadata = self.has_metadata.then_some(&self.metadata);
        let own = self.own.0.iter().map(|(name, value)| (&**name, value));
        own.chain(metadata.into_iter().flat_map(Metadata::iter))
    }
}

/// Builds the answer to a registration or an update.
pub(super) fn build(cx: &Context<'_>, issued: &Issued, purpose: Purpose<'_>) -> ClientInformation {
    let is_new = match purpose {
        Purpose::Create => true,
        // A secret that this update creates is shown once, like the secret of a registration.
        Purpose::Replace(stored) => stored.client().secret.is_none(),
    };
    let secret = if is_new || cx.settings().return_client_secret_on_read {
        issued.secret.as_ref()
    } else {
        None
    };
    ClientInformation::new(cx, &issued.client, issued.token.as_ref(), secret)
}

/// Returns the `client_secret_expires_at` of `client`: 0 if the secret does not expire (RFC 7591 section 3.2.1).
pub(super) fn secret_expiry(client: &Client) -> u64 {
    match &client.secret {
        Some(ClientSecret {
            expires_at: Some(end),
            ..
        }) => end.unix(),
        _ => 0,
    }
}

/// Returns the URL at which the client is managed. It stays the same as long as the client exists.
pub(super) fn registration_client_uri(cx: &Context<'_>, client: &Client) -> String {
    let endpoint = cx.service.registration_endpoint();
    [&*endpoint, "?client_id=", client.id.as_str()].concat()
}
