//! The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3).

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base::Secret;
use crate::client::{Client, ClientSecret, Metadata, TrustLevel};
use crate::registration::{Issued, Purpose};
use crate::service::Context;

/// The client information that is sent to the client.
pub(crate) struct ClientInformation {
    /// The identifiers and credentials of the client, or all members once a script has changed them.
    own: Map<String, Value>,
    /// The metadata in the answer, or the metadata before a script changed it.
    pub(crate) metadata: Metadata,
    /// Whether the answer includes the metadata.
    has_metadata: bool,
    /// The trust level of the registration.
    pub(crate) trust_level: TrustLevel,
    /// The revision, for the `ETag`.
    pub(crate) revision: u64,
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
        let mut own = Map::new();
        let mut put = |name: &str, value: Value| drop(own.insert(name.to_owned(), value));
        put("client_id", client.id.as_str().into());
        put("client_id_issued_at", client.issued_at.unix().into());
        if let Some(secret) = secret {
            put("client_secret", secret.expose().into());
            put("client_secret_expires_at", secret_expiry(client).into());
        }
        if let Some(token) = token {
            put("registration_access_token", token.expose().into());
        }
        own.extend(own_urls(cx, client));
        Self {
            own,
            metadata: client.metadata.metadata().clone(),
            has_metadata: true,
            trust_level: client.provenance.trust_level,
            revision: client.revision,
        }
    }

    /// The client information of a client that has ended its registration. UDAP confirms the end with an
    /// empty `grant_types`.
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
            own: members,
            has_metadata: false,
            ..self
        }
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

/// Returns the URLs of `client` at this server.
fn own_urls(cx: &Context<'_>, client: &Client) -> Map<String, Value> {
    let mut urls = Map::new();
    // Either the token and the URL or neither (OpenID Connect Dynamic Client Registration section 3.2).
    if client.shared_as.is_none() {
        let uri = registration_client_uri(cx, client);
        urls.insert("registration_client_uri".to_owned(), uri.into());
    }
    if let Some(uri) = cx.document_uri(client) {
        urls.insert("client_document_uri".to_owned(), uri.into());
    }
    urls
}

/// Returns the `client_secret_expires_at` of `client`: 0 if the secret does not expire (RFC 7591 section 3.2.1).
fn secret_expiry(client: &Client) -> u64 {
    match &client.secret {
        Some(ClientSecret {
            expires_at: Some(end),
            ..
        }) => end.unix(),
        _ => 0,
    }
}

/// Returns the URL at which the client is managed. It stays the same as long as the client exists.
fn registration_client_uri(cx: &Context<'_>, client: &Client) -> String {
    format!(
        "{}?client_id={}",
        cx.service.registration_endpoint(),
        client.id
    )
}
