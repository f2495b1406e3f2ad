//! What only an administrator does: creates a client without proofs, and gives a client new credentials.
//!
//! The new client has the trust level of a client that presented nothing, since its own updates will present nothing
//! either. Its provenance names the administrator. `createClient` is called as usual, sees the path of the admin API in
//! `context.httpRequest`, and may reject the client.

use serde_json::{Map, Value};

use crate::base::{NoRandomness, Secret, Violation, absent};
use crate::client::{Client, ClientSecret, rules};
use crate::registration::answer::{registration_client_uri, secret_expiry};
use crate::registration::update::{FORBIDDEN, sanction, unproven};
use crate::registration::{
    Attempt, Caller, Issued, RegisterError, issue, reject_any, report_created, upstream,
};
use crate::service::Context;
use crate::store::{Action, Along, StoreError, Stored};
use crate::telemetry::ClientChange;

/// A client with its new credentials, which are shown once.
pub(crate) struct IssuedClient {
    /// The client as it is stored.
    pub(crate) client: Client,
    /// Its new secret.
    pub(crate) secret: Option<Secret>,
    /// Its new registration access token.
    pub(crate) token: Option<Secret>,
    /// Its `registration_client_uri`.
    pub(crate) management_uri: String,
}

impl IssuedClient {
    fn of(cx: &Context<'_>, client: Client, secret: Option<Secret>, token: Option<Secret>) -> Self {
        Self {
            management_uri: registration_client_uri(cx, &client),
            client,
            secret,
            token,
        }
    }

    /// Returns `client_secret_expires_at`: 0 if the secret does not expire.
    pub(crate) fn secret_expires_at(&self) -> u64 {
        secret_expiry(&self.client)
    }
}

/// Creates a client with these members, as its administrator wants it.
///
/// # Errors
/// The error of the first step that rejects it. Nothing is stored then.
pub(crate) async fn create_as_operator(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    members: Map<String, Value>,
) -> Result<IssuedClient, RegisterError> {
    let attempt = Attempt::create(cx, caller);
    let members = absent::present(members);
    screen(&members)?;
    let proven = unproven(attempt, members);
    let sanctioned = sanction(attempt, &proven).await?;
    let mut issued = issue::create(attempt, &proven, sanctioned, None)?;
    issued.client.provenance.administrator = caller.author(None).actor;
    let (issued, upstream) = upstream::register(cx, issued).await?;
    let stored = issue::insert(attempt, &issued, &proven, upstream.settled()).await;
    upstream.conclude(cx, stored).await?;
    report_created(cx, &issued.client);
    let Issued {
        client,
        secret,
        token,
        ..
    } = issued;
    Ok(IssuedClient::of(cx, client, secret, token))
}

/// Rejects the members that an administrator cannot set of a new client.
fn screen(members: &Map<String, Value>) -> Result<(), RegisterError> {
    let mut violations = Vec::new();
    for name in ["client_id", "client_secret"].iter().chain(&FORBIDDEN) {
        if members.contains_key(*name) {
            let rule = "must be omitted: this server chooses it";
            violations.push(Violation::metadata(*name, rule));
        }
    }
    let statement = "software_statement";
    if members.contains_key(statement) {
        let rule = "must be omitted: only the client itself can present a statement";
        violations.push(Violation::metadata(statement, rule));
    }
    reject_any(violations)
}

/// Which credential of a client is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// Its secret.
    Secret,
    /// Its registration access token.
    Token,
}

impl CredentialKind {
    const fn action(self) -> Action {
        match self {
            Self::Secret => Action::ClientSecretRotated,
            Self::Token => Action::RegistrationTokenRotated,
        }
    }
}

/// Why a credential of a client is not replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    /// Nothing that the client registered needs a secret.
    #[error(
        "the client has no secret: neither its token_endpoint_auth_method nor one of its algorithms needs one; change \
         its metadata first"
    )]
    NoSecret,
    /// The secret belongs to the upstream server.
    #[error("the upstream server has issued the secret of this client; have it replaced there")]
    OfUpstream,
    /// Nobody manages the client: it is shared, or made from a document.
    #[error(
        "the client does not manage itself: it is shared by all clients with its metadata, or made from a client document"
    )]
    Unmanaged,
    /// No secret could be created or sealed, or the store failed.
    #[error(transparent)]
    Failed(#[from] RegisterError),
}

impl From<NoRandomness> for RotationError {
    fn from(error: NoRandomness) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StoreError> for RotationError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Replaces a credential of the client by a new one. The previous one is invalid when this function returns.
///
/// # Errors
/// When the client has no such credential, the store fails, or another request changes the client at the same time.
pub(crate) async fn rotate(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    stored: &Stored,
    kind: CredentialKind,
) -> Result<IssuedClient, RotationError> {
    let mut client = stored.client().clone();
    client.revision = client.revision.saturating_add(1);
    let (mut secret, mut token) = (None, None);
    match kind {
        CredentialKind::Secret => secret = Some(new_secret(cx, &mut client)?),
        CredentialKind::Token => token = Some(new_token(&mut client)?),
    }
    let along = rotated(cx, caller, &client, kind)?;
    let clients = &cx.service.store.clients;
    clients.replace(stored, &client, along).await?;
    cx.count(
        ClientChange::Updated,
        client.provenance.trust_level.as_str(),
    );
    tracing::info!(
        revision = client.revision,
        credential = ?kind,
        "client credential replaced by an administrator"
    );
    Ok(IssuedClient::of(cx, client, secret, token))
}

/// Returns the event of the audit log that is stored with the change.
fn rotated(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    client: &Client,
    kind: CredentialKind,
) -> Result<Along, StoreError> {
    let now = cx.service.clock.now();
    let event = caller
        .author(None)
        .did(kind.action(), client.id.as_str(), now);
    let event = event.with("revision", client.revision);
    Along::audited(&event, caller.reason())
}

fn new_secret(cx: &Context<'_>, client: &mut Client) -> Result<Secret, RotationError> {
    if client.upstream.is_some() {
        return Err(RotationError::OfUpstream);
    }
    let needs_secret = rules::needs_secret(client.metadata.metadata());
    let expires_at = match &client.secret {
        Some(ClientSecret { expires_at, .. }) if needs_secret => *expires_at,
        _ => return Err(RotationError::NoSecret),
    };
    let (secret, sealed) = issue::new_secret(cx, &client.id, expires_at)?;
    client.secret = Some(sealed);
    Ok(secret)
}

fn new_token(client: &mut Client) -> Result<Secret, RotationError> {
    if client.shared_as.is_some() || client.document.is_some() {
        return Err(RotationError::Unmanaged);
    }
    let (token, tokens) = issue::first_token()?;
    client.tokens = tokens;
    Ok(token)
}
