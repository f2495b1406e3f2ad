//! The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3).

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Issued, Purpose};
use crate::client::{Client, Metadata, TrustLevel};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::service::Context;

/// What the holder of a client is told of it.
pub struct ClientInformation {
    /// What names the client and what its holder shows; or all members, once a script changed them.
    own: Map<String, Value>,
    /// The metadata in the answer, or before a script changed it.
    pub metadata: Metadata,
    /// Whether the metadata follow in the answer.
    has_metadata: bool,
    /// How far the registration can be trusted.
    pub trust_level: TrustLevel,
    /// The revision, for the `ETag`.
    pub revision: u64,
}

impl ClientInformation {
    /// What the holder of `client` is told, with the client secret where it is shown, and with the
    /// registration access token, unless the holder showed another token: only its digest is here.
    pub fn new(cx: &Context<'_>, client: &Client, token: Option<&Secret>, secret: Option<&Secret>) -> Self {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("client_id", client.id.as_str().into());
        put("client_id_issued_at", client.issued_at.unix().into());
        if let Some(secret) = secret {
            let expires_at = client.secret.as_ref().and_then(|secret| secret.expires_at);
            put("client_secret", secret.expose().into());
            put("client_secret_expires_at", expires_at.map_or(0, Timestamp::unix).into());
        }
        if let Some(token) = token {
            put("registration_access_token", token.expose().into());
        }
        // Both or none of the two (OpenID Connect Dynamic Client Registration section 3.2).
        if client.shared_as.is_none() {
            put("registration_client_uri", registration_client_uri(cx, client).into());
        }
        Self {
            own: members,
            metadata: client.metadata.metadata().clone(),
            has_metadata: true,
            trust_level: client.provenance.trust_level,
            revision: client.revision,
        }
    }

    /// What the holder of `client` is told when it ended its registration: UDAP confirms that with
    /// an empty `grant_types`.
    pub(super) fn ended(client: &Client) -> Self {
        let id = ("client_id".to_owned(), client.id.as_str().into());
        let grants = ("grant_types".to_owned(), Value::Array(Vec::new()));
        Self {
            own: Map::from_iter([id, grants]),
            metadata: Metadata::default(),
            has_metadata: false,
            trust_level: client.provenance.trust_level,
            revision: client.revision,
        }
    }

    /// All members of the answer.
    pub fn members(&self) -> Map<String, Value> {
        self.entries().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    /// The same answer with other members.
    #[must_use]
    pub fn saying(self, members: Map<String, Value>) -> Self {
        Self { own: members, has_metadata: false, ..self }
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        let metadata = self.has_metadata.then_some(&self.metadata);
        let own = self.own.iter().map(|(name, value)| (name.as_str(), value));
        own.chain(metadata.into_iter().flat_map(Metadata::iter))
    }
}

impl Serialize for ClientInformation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries())
    }
}

/// The answer to a registration or an update.
pub(super) fn build(cx: &Context<'_>, issued: &Issued, purpose: Purpose<'_>) -> ClientInformation {
    let is_new = match purpose {
        Purpose::Create => true,
        // A secret that this update made is told once, like that of a registration.
        Purpose::Replace(stored) => stored.client().secret.is_none(),
    };
    let shown = issued.secret.as_ref().filter(|_| is_new || cx.settings().return_client_secret_on_read);
    ClientInformation::new(cx, &issued.client, issued.token.as_ref(), shown)
}

/// Where the client is managed: stable for its whole life.
fn registration_client_uri(cx: &Context<'_>, client: &Client) -> String {
    format!("{}?client_id={}", cx.service.registration_endpoint(), client.id)
}
