//! Clients that move between stores: a client as a line of an export, and the import of clients.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{ClientId, SealError, SealingKeys, Timestamp};
use crate::client::{
    Approved, Client, ClientSecret, DocumentOrigin, HostedDocument, Provenance, RegistrationTokens,
    UpstreamClient,
};
use crate::store::{
    Along, Change, Clients, StoreError, Stored, clients::insertion, clients::replacement,
    unless_lost, until_won, upstream_calls,
};

/// The only member of the last line: the number of clients before it. If it is missing, the export was
/// truncated.
pub(crate) const CLIENTS: &str = "clients";

/// Appends a line with the JSON of `members` to `text`.
///
/// # Errors
/// When `members` cannot be written as JSON.
pub(crate) fn append_line(
    text: &mut Vec<u8>,
    members: &impl Serialize,
) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *text, members)?;
    text.push(b'\n');
    Ok(())
}

/// A client as a line of an export: everything that another store needs so that the client continues to
/// work there.
///
/// The line contains the secret in clear, since another store seals with another key. Of the registration
/// access token, only the digest is stored.
#[derive(Serialize)]
pub(crate) struct ClientLine<'a> {
    client_id: &'a str,
    client_id_issued_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_as: Option<&'a str>,
    #[serde(flatten)]
    secret: Option<ClearSecret>,
    registration_access_token_sha256: &'a RegistrationTokens,
    revision: u64,
    metadata: &'a Approved,
    provenance: &'a Provenance,
    #[serde(skip_serializing_if = "Option::is_none")]
    origins: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted_document: Option<HostedDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'a DocumentOrigin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<ClearUpstream>,
}

/// How a client is managed at the upstream server, with the token in clear text.
#[derive(Serialize)]
struct ClearUpstream {
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
}

impl ClearUpstream {
    fn open(
        upstream: &UpstreamClient,
        id: &ClientId,
        key: &SealingKeys,
    ) -> Result<Self, SealError> {
        let token = match &upstream.token {
            Some(token) => Some(key.open(token, &UpstreamClient::token_owner(id))?),
            None => None,
        };
        Ok(Self {
            registration_client_uri: upstream.uri.clone(),
            registration_access_token: token.map(|token| token.expose().to_owned()),
        })
    }
}

/// The secret of a client in clear text. 0 means that it never expires (RFC 7591 section 3.2.1).
#[derive(Serialize)]
struct ClearSecret {
    client_secret: String,
    client_secret_expires_at: u64,
}

impl<'a> ClientLine<'a> {
    /// Returns the line of `client`, whose secret opens with `key`.
    ///
    /// # Errors
    /// When the secret does not open with `key`.
    pub(crate) fn new(client: &'a Client, key: &SealingKeys) -> Result<Self, SealError> {
        // Destructured, so that a new field of a client forces a decision about the export.
        let Client {
            id,
            metadata,
            shared_as,
            issued_at,
            expires_at,
            last_used_at,
            secret,
            tokens,
            revision,
            provenance,
            origins,
            hosted_document,
            document,
            upstream,
            // No administrator is exported.
            administrator: _,
        } = client;
        let secret = match secret {
            Some(secret) => Some(ClearSecret::open(secret, id, key)?),
            None => None,
        };
        let upstream = match upstream {
            Some(upstream) => Some(ClearUpstream::open(upstream, id, key)?),
            None => None,
        };
        Ok(Self {
            client_id: id.as_str(),
            client_id_issued_at: *issued_at,
            expires_at: *expires_at,
            last_used_at: *last_used_at,
            shared_as: shared_as.as_deref(),
            secret,
            registration_access_token_sha256: tokens,
            revision: *revision,
            metadata,
            provenance,
            origins: origins.as_ref().map(|of| of.shown(metadata.metadata())),
            hosted_document: *hosted_document,
            document: document.as_ref(),
            upstream,
        })
    }
}

impl ClearSecret {
    fn open(secret: &ClientSecret, id: &ClientId, key: &SealingKeys) -> Result<Self, SealError> {
        let ClientSecret { sealed, expires_at } = secret;
        Ok(Self {
            client_secret: key.open(sealed, id.as_str())?.expose().to_owned(),
            client_secret_expires_at: expires_at.map_or(0, Timestamp::unix),
        })
    }
}

/// Maximum number of clients in one import request.
pub(crate) const MOST_IMPORTED: usize = 500;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// There are too many clients.
    #[error(
        "at most {MOST_IMPORTED} clients can be imported at a time; send the rest in another request"
    )]
    TooMany,
    /// Two clients have the same identifier.
    #[error("the client {0} occurs twice; remove one of the two")]
    Twice(ClientId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What happens to a client that already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Existing {
    /// It is kept, and neither it nor any later client is imported.
    #[default]
    Refuse,
    /// It is kept.
    Skip,
    /// It is replaced. A client that the administrator defined is kept, and neither it nor any later client
    /// is imported.
    Replace,
}

/// The result of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Imported {
    /// Clients that did not exist before.
    pub(crate) created: usize,
    /// Clients that already existed and were kept unchanged.
    pub(crate) skipped: usize,
    /// Clients that were replaced by another state of the same client.
    pub(crate) replaced: usize,
    /// The position of the first existing client that had to be kept: neither it nor any later client was
    /// imported.
    pub(crate) refused: Option<usize>,
}

impl Imported {
    /// Counts what happens to the client at the position `at`.
    const fn count(&mut self, treatment: &Treatment<'_>, at: usize) {
        match treatment {
            Treatment::Create => self.created += 1,
            Treatment::Replace(_) => self.replaced += 1,
            Treatment::Skip => self.skipped += 1,
            Treatment::Refuse => self.refused = Some(at),
        }
    }
}

impl Clients {
    /// Stores `clients` as one change, each together with what `also` returns for it. `existing` determines
    /// what happens to clients that already exist. The secrets of the clients open only with the key with
    /// which they were sealed.
    ///
    /// # Errors
    /// When there are too many clients, a client occurs twice, or the store fails. Nothing is stored then.
    pub(crate) async fn import<A: Into<Along>>(
        &self,
        clients: &[Client],
        existing: Existing,
        also: impl Fn(&Client) -> Result<A, StoreError>,
    ) -> Result<Imported, ImportError> {
        if clients.len() > MOST_IMPORTED {
            return Err(ImportError::TooMany);
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = clients.iter().find(|client| !seen.insert(&client.id)) {
            return Err(ImportError::Twice(twice.id.clone()));
        }
        until_won(|| self.try_import(clients, existing, &also)).await
    }

    async fn try_import<A: Into<Along>>(
        &self,
        clients: &[Client],
        existing: Existing,
        also: &impl Fn(&Client) -> Result<A, StoreError>,
    ) -> Result<Option<Imported>, ImportError> {
        let mut imported = Imported::default();
        let mut change = Change::default();
        for (at, client) in clients.iter().enumerate() {
            let seen = self.find(&client.id).await?;
            let along: Along = also(client)?.into();
            let treatment = Treatment::of(seen.as_ref(), existing);
            imported.count(&treatment, at);
            let part = match treatment {
                Treatment::Create => insertion(client, &along)?,
                Treatment::Replace(seen) => self.replaced(seen, client, &along).await?,
                Treatment::Skip => continue,
                Treatment::Refuse => break,
            };
            change = change.and(part);
        }
        Ok(unless_lost(self.0.apply(change).await)?.map(|_| imported))
    }
}

impl Clients {
    /// Returns the change that replaces `seen` by an imported client. What is known about the upstream server is kept, since a
    /// line may be older, and the client becomes the same there.
    async fn replaced(
        &self,
        seen: &Stored,
        client: &Client,
        along: &Along,
    ) -> Result<Change, StoreError> {
        let Some(upstream) = &seen.client().upstream else {
            return replacement(seen, client, along);
        };
        let client = Client {
            upstream: Some(upstream.clone()),
            ..client.clone()
        };
        let update = upstream_calls::update(&self.0, &client.id).await?;
        Ok(replacement(seen, &client, along)?.and(update))
    }
}

/// What an import does with one client.
enum Treatment<'a> {
    Create,
    Replace(&'a Stored),
    Skip,
    Refuse,
}

impl<'a> Treatment<'a> {
    /// Returns what happens to a client that is stored as `seen`.
    fn of(seen: Option<&'a Stored>, existing: Existing) -> Self {
        match (seen, existing) {
            (None, _) => Self::Create,
            // A client that the administrator defined is kept, whatever an import contains.
            (Some(seen), Existing::Replace) if !seen.client().is_operators() => Self::Replace(seen),
            (Some(_), Existing::Skip) => Self::Skip,
            (Some(_), Existing::Refuse | Existing::Replace) => Self::Refuse,
        }
    }
}
