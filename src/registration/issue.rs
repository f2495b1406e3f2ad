//! Step 14: identifiers and secrets are created, and the client is stored.

use super::hooks::{Announcement, Sanctioned};
use super::proof::statement::Statement;
use super::proof::{certificate, evidence, initial_access};
use super::single_use;
use super::{Caller, Issued, Proven, Purpose, RegisterError};
use crate::base::clock::Timestamp;
use crate::base::model::{ClientId, Violation};
use crate::base::random;
use crate::base::secret::{Secret, TokenDigest};
use crate::client::rules::{expiry, needs_secret};
use crate::client::{Client, ClientSecret, Provenance, RegistrationTokens};
use crate::config::registration::Rotation;
use crate::service::Context;
use crate::store::audit::{Action, AuditEvent};
use crate::store::{Change, StoreError, Stored};

/// Creates a new client with its credentials. A shared client gets no token.
pub(super) fn create(
    cx: &Context<'_>,
    caller: &Caller,
    proven: &Proven,
    sanctioned: Sanctioned,
    shared_as: Option<String>,
) -> Result<Issued, RegisterError> {
    let id = random::client_id();
    let now = cx.service.clock.now();
    let expires_at = expiry(sanctioned.metadata.metadata(), now);
    let secret = needs_secret(sanctioned.metadata.metadata())
        .then(random::client_secret)
        .transpose()?;
    let token = random::token()?;
    let sealed = secret
        .as_ref()
        .map(|secret| seal(cx, secret, &id, expires_at))
        .transpose()?;
    let client = Client {
        id: ClientId::parse(&id).map_err(|_| RegisterError::Conflict)?,
        issued_at: now,
        expires_at,
        last_used_at: None,
        secret: sealed,
        tokens: RegistrationTokens {
            current: TokenDigest::of(token.expose()),
            previous: None,
        },
        revision: 1,
        provenance: provenance(cx, caller, proven, &sanctioned),
        metadata: sanctioned.metadata,
        shared_as,
    };
    let token = client.shared_as.is_none().then_some(token);
    Ok(Issued {
        client,
        token,
        secret,
    })
}

/// Creates the next revision of `stored`, whose management presented `token`.
pub(super) fn update(
    cx: &Context<'_>,
    caller: &Caller,
    stored: &Stored,
    token: Option<&Secret>,
    (proven, sanctioned): (&Proven, Sanctioned),
) -> Result<Issued, RegisterError> {
    let before = stored.client();
    let id = before.id.as_str();
    let metadata = sanctioned.metadata.metadata();
    let expires_at = expiry(metadata, before.issued_at);
    if expires_at.is_some_and(|end| end <= cx.service.clock.now()) {
        let rule = "is counted from client_id_issued_at, and that many seconds have already passed";
        return Err(vec![Violation::metadata("lifetime", rule)].into());
    }
    let secret = match (&before.secret, needs_secret(metadata)) {
        (Some(kept), true) => Some(cx.service.store.sealing_key.open(&kept.sealed, id)?),
        (None, true) => Some(random::client_secret()?),
        (_, false) => None,
    };
    let sealed = match (&before.secret, &secret) {
        (Some(kept), Some(_)) => Some(ClientSecret {
            sealed: kept.sealed.clone(),
            expires_at,
        }),
        (None, Some(made)) => Some(seal(cx, made, id, expires_at)?),
        (_, None) => None,
    };
    let rotates = cx.settings().rotate_registration_access_token != Rotation::Never;
    let (token, tokens) = match token {
        Some(presented) if rotates => rotated(presented)?,
        _ => (token.cloned(), before.tokens.clone()),
    };
    let mut provenance = provenance(cx, caller, proven, &sanctioned);
    provenance.certificate = provenance
        .certificate
        .or_else(|| before.provenance.certificate.clone());
    let client = Client {
        id: before.id.clone(),
        issued_at: before.issued_at,
        expires_at,
        last_used_at: before.last_used_at,
        shared_as: None,
        secret: sealed,
        tokens,
        revision: before.revision.saturating_add(1),
        provenance,
        metadata: sanctioned.metadata,
    };
    Ok(Issued {
        client,
        token,
        secret,
    })
}

/// Issues a new token. The presented one stays valid until the new one is first used.
fn rotated(presented: &Secret) -> Result<(Option<Secret>, RegistrationTokens), RegisterError> {
    let next = random::token()?;
    let current = TokenDigest::of(next.expose());
    let previous = Some(TokenDigest::of(presented.expose()));
    Ok((Some(next), RegistrationTokens { current, previous }))
}

fn seal(
    cx: &Context<'_>,
    secret: &Secret,
    id: &str,
    expires_at: Option<Timestamp>,
) -> Result<ClientSecret, RegisterError> {
    Ok(ClientSecret {
        sealed: cx.service.store.sealing_key.seal(secret, id)?,
        expires_at,
    })
}

fn provenance(
    cx: &Context<'_>,
    caller: &Caller,
    proven: &Proven,
    sanctioned: &Sanctioned,
) -> Provenance {
    let attestation = evidence::Origin::of(proven.shown.attestation.as_ref());
    Provenance {
        trust_level: proven.shown.trust_level,
        address: Some(caller.address),
        initial_access_token: proven.initial_access.as_ref().map(|shown| shown.id.clone()),
        initial_access_policy: proven
            .initial_access
            .as_ref()
            .map(|shown| shown.policy.clone()),
        statement: proven.statement.as_ref().map(Statement::origin),
        certificate: certificate::origin(caller),
        attestation_digest: attestation.digest,
        attestation_verifier: attestation.verifier,
        attestation_policy: attestation.policy,
        scripts: proven
            .scripts
            .iter()
            .chain(&sanctioned.scripts)
            .cloned()
            .collect(),
        configuration: cx.snapshot.revision.clone(),
    }
}

/// Returns the audit event of a new client.
fn created(cx: &Context<'_>, caller: &Caller, client: &Client) -> AuditEvent {
    let event = caller.author(None).did(
        Action::ClientCreated,
        client.id.as_str(),
        cx.service.clock.now(),
    );
    let event = event.with("trust_level", client.provenance.trust_level.as_str());
    match &client.provenance.initial_access_token {
        Some(id) => event.with("initial_access_token", id.as_str()),
        None => event,
    }
}

/// Returns the audit event of a change. It names the members that changed, without their values.
fn updated(cx: &Context<'_>, caller: &Caller, before: &Client, client: &Client) -> AuditEvent {
    let author = caller.author(Some(client));
    let event = author.did(
        Action::ClientUpdated,
        client.id.as_str(),
        cx.service.clock.now(),
    );
    let changed = before
        .metadata
        .metadata()
        .differences(client.metadata.metadata());
    event
        .with("trust_level", client.provenance.trust_level.as_str())
        .with("revision", client.revision)
        .with("changed", changed)
}

/// Stores a new client, what its registration uses up, and `also`, and announces the client. When this
/// function returns, the client survives a power failure.
pub(super) async fn insert(
    cx: &Context<'_>,
    caller: &Caller,
    issued: &Issued,
    proven: &Proven,
    also: Change,
) -> Result<(), RegisterError> {
    let uses = single_use::change(cx, caller, proven)
        .await?
        .and(initial_access::one_use(cx, caller));
    let (clients, client) = (&cx.service.store.clients, &issued.client);
    let also = uses.and(created(cx, caller, client).change()?).and(also);
    let stored = match Announcement::of(cx, caller, Purpose::Create, (proven, issued)) {
        None => clients.insert(client, also).await,
        Some(announcement) => {
            let (clients, client) = (clients.clone(), client.clone());
            announcement
                .follow(cx, async move { clients.insert(&client, also).await })
                .await
        }
    };
    if matches!(stored, Err(StoreError::Conflict)) {
        initial_access::check_left(cx, caller).await?;
    }
    lost(cx, caller, proven, stored).await
}

/// Stores the next revision and what the request uses up, unless another request changed the client first,
/// and announces the update.
pub(super) async fn put_back(
    cx: &Context<'_>,
    caller: &Caller,
    seen: &Stored,
    issued: &Issued,
    proven: &Proven,
) -> Result<(), RegisterError> {
    let also = single_use::change(cx, caller, proven).await?;
    let (clients, client) = (&cx.service.store.clients, &issued.client);
    let also = also.and(updated(cx, caller, seen.client(), client).change()?);
    let stored = match Announcement::of(cx, caller, Purpose::Replace(seen), (proven, issued)) {
        None => clients.replace(seen, client, also).await,
        Some(announcement) => {
            let (clients, seen, client) = (clients.clone(), seen.clone(), client.clone());
            announcement
                .follow(
                    cx,
                    async move { clients.replace(&seen, &client, also).await },
                )
                .await
        }
    };
    lost(cx, caller, proven, stored).await
}

/// After a conflict, finds out which came first: a change of the client, or a use of what may be used once.
async fn lost(
    cx: &Context<'_>,
    caller: &Caller,
    proven: &Proven,
    outcome: Result<(), StoreError>,
) -> Result<(), RegisterError> {
    if matches!(outcome, Err(StoreError::Conflict)) {
        single_use::change(cx, caller, proven).await?;
    }
    Ok(outcome?)
}
