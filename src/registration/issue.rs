//! Step 14: identifiers and secrets are created, and the client is stored.

use crate::base::{ClientId, NoRandomness, Secret, Timestamp, TokenDigest, Violation, random};
use crate::client::{
    Approval, CertificateOrigin, Client, ClientSecret, Metadata, Provenance, RegistrationTokens,
    ScriptRef, rules,
};
use crate::config::Rotation;
use crate::registration::{
    Attempt, Caller, Issued, Proven, PublicationChange, RegisterError, Sanctioned, Statement,
    certificate, documents, evidence, hooks, initial_access, lost_scopes, origins, reservations,
    single_use,
};
use crate::service::Context;
use crate::store::{Action, Along, AuditEvent, Change, StoreError, Stored};

/// Creates a new client with its credentials. A shared client gets no token.
pub(super) fn create(
    attempt: Attempt<'_>,
    proven: &Proven,
    sanctioned: Sanctioned,
    shared_as: Option<String>,
) -> Result<Issued, RegisterError> {
    let (cx, now) = (attempt.cx, attempt.cx.service.clock.now());
    let id = new_id()?;
    let metadata = sanctioned.metadata.metadata();
    let expires_at = rules::expiry(metadata, now);
    let (secret, sealed) = first_secret(cx, &id, metadata, expires_at)?.unzip();
    let (token, tokens) = first_token()?;
    // Nobody manages a shared client.
    let token = shared_as.is_none().then_some(token);
    let client = Client {
        id,
        issued_at: now,
        expires_at,
        last_used_at: None,
        secret: sealed,
        tokens,
        revision: 1,
        provenance: provenance(attempt, proven, &sanctioned),
        origins: origins::settle(attempt, proven, &sanctioned),
        metadata: sanctioned.metadata,
        shared_as,
        hosted_document: proven.document.after(),
        document: None,
        upstream: None,
        administrator: None,
    };
    Ok(Issued {
        client,
        token,
        secret,
        reserved: sanctioned.reserved,
    })
}

/// Issues a client that was approved after it had waited: it is issued now, and gets its registration access token.
pub(super) fn reissue(cx: &Context<'_>, client: Client) -> Result<Issued, RegisterError> {
    let now = cx.service.clock.now();
    let expires_at = rules::expiry(client.metadata.metadata(), now);
    let secret = client.secret.map(|secret| ClientSecret {
        expires_at,
        ..secret
    });
    let (token, tokens) = first_token()?;
    let client = Client {
        issued_at: now,
        expires_at,
        secret,
        tokens,
        ..client
    };
    let issued = open_secret(cx, client)?;
    Ok(Issued {
        token: Some(token),
        ..issued
    })
}

/// Returns `client` with its secret, and without a registration access token.
pub(super) fn open_secret(cx: &Context<'_>, client: Client) -> Result<Issued, RegisterError> {
    let key = &cx.service.store.sealing_keys;
    let secret = match &client.secret {
        Some(secret) => Some(key.open(&secret.sealed, client.id.as_str())?),
        None => None,
    };
    Ok(Issued {
        client,
        token: None,
        secret,
        // They were counted when the request began to wait.
        reserved: Vec::new(),
    })
}

/// Creates the next revision of `stored`, whose management presented `token`.
pub(super) fn update(
    attempt: Attempt<'_>,
    stored: &Stored,
    token: Option<&Secret>,
    proven: &Proven,
    sanctioned: Sanctioned,
) -> Result<Issued, RegisterError> {
    let before = stored.client();
    let NextSecret {
        expires_at,
        secret,
        sealed,
    } = next_secret(attempt.cx, before, sanctioned.metadata.metadata())?;
    let (token, tokens) = next_tokens(attempt.cx, before, token)?;
    let client = Client {
        id: before.id.clone(),
        issued_at: before.issued_at,
        expires_at,
        last_used_at: before.last_used_at,
        shared_as: None,
        secret: sealed,
        tokens,
        revision: before.revision.saturating_add(1),
        provenance: provenance(attempt, proven, &sanctioned),
        origins: origins::settle(attempt, proven, &sanctioned),
        metadata: sanctioned.metadata,
        hosted_document: proven.document.after(),
        document: before.document.clone(),
        upstream: before.upstream.clone(),
        administrator: before.administrator.clone(),
    };
    Ok(Issued {
        client,
        token,
        secret,
        reserved: sanctioned.reserved,
    })
}

fn new_id() -> Result<ClientId, RegisterError> {
    ClientId::parse(&random::client_id()).map_err(|_| RegisterError::Conflict)
}

/// Returns when `client` expires with this metadata, which must not have happened already.
fn future_expiry(
    cx: &Context<'_>,
    metadata: &Metadata,
    client: &Client,
) -> Result<Option<Timestamp>, RegisterError> {
    let expires_at = rules::expiry(metadata, client.issued_at);
    if expires_at.is_some_and(|end| end <= cx.service.clock.now()) {
        let rule = "is counted from client_id_issued_at, and that many seconds have already passed";
        return Err(vec![Violation::metadata("lifetime", rule)].into());
    }
    Ok(expires_at)
}

/// The secret of a client after an update, and when the client expires.
struct NextSecret {
    expires_at: Option<Timestamp>,
    secret: Option<Secret>,
    sealed: Option<ClientSecret>,
}

/// Returns the secret of `client` with its next `metadata`, if it needs one.
fn next_secret(
    cx: &Context<'_>,
    client: &Client,
    metadata: &Metadata,
) -> Result<NextSecret, RegisterError> {
    let expires_at = future_expiry(cx, metadata, client)?;
    let needs_secret = rules::needs_secret(metadata);
    let secret = needs_secret.then(|| kept_or_new(cx, client, expires_at));
    let (secret, sealed) = secret.transpose()?.unzip();
    Ok(NextSecret {
        expires_at,
        secret,
        sealed,
    })
}

/// Returns the secret of `client`, or a new one if it has none.
fn kept_or_new(
    cx: &Context<'_>,
    client: &Client,
    expires_at: Option<Timestamp>,
) -> Result<(Secret, ClientSecret), RegisterError> {
    let Some(kept) = &client.secret else {
        return new_secret(cx, &client.id, expires_at);
    };
    let key = &cx.service.store.sealing_keys;
    let secret = key.open(&kept.sealed, client.id.as_str())?;
    let sealed = ClientSecret {
        sealed: kept.sealed.clone(),
        expires_at,
    };
    Ok((secret, sealed))
}

/// Creates a secret for the new client `id`, if it needs one.
fn first_secret(
    cx: &Context<'_>,
    id: &ClientId,
    metadata: &Metadata,
    expires_at: Option<Timestamp>,
) -> Result<Option<(Secret, ClientSecret)>, RegisterError> {
    let needs_secret = rules::needs_secret(metadata);
    let secret = needs_secret.then(|| new_secret(cx, id, expires_at));
    secret.transpose()
}

/// Creates a secret for the client `id`, and the sealed form that is stored.
pub(super) fn new_secret(
    cx: &Context<'_>,
    id: &ClientId,
    expires_at: Option<Timestamp>,
) -> Result<(Secret, ClientSecret), RegisterError> {
    let secret = random::client_secret()?;
    let sealed = cx.service.store.sealing_keys.seal(&secret, id.as_str())?;
    Ok((secret, ClientSecret { sealed, expires_at }))
}

/// Issues the first registration access token of a client.
pub(super) fn first_token() -> Result<(Secret, RegistrationTokens), NoRandomness> {
    let token = random::token()?;
    let tokens = RegistrationTokens {
        current: TokenDigest::of(token.expose()),
        previous: None,
    };
    Ok((token, tokens))
}

/// Returns the registration access token for the answer to an update that presented `presented`, and what is
/// stored of the tokens.
fn next_tokens(
    cx: &Context<'_>,
    before: &Client,
    presented: Option<&Secret>,
) -> Result<(Option<Secret>, RegistrationTokens), NoRandomness> {
    let rotates = cx.settings().rotate_registration_access_token != Rotation::Never;
    match presented {
        Some(presented) if rotates => {
            let (next, tokens) = rotate_token(presented)?;
            Ok((Some(next), tokens))
        }
        kept => Ok((kept.cloned(), before.tokens.clone())),
    }
}

/// Issues a new registration access token. The presented one stays valid until the new one is first used.
///
/// # Errors
/// When no token can be created.
pub(crate) fn rotate_token(
    presented: &Secret,
) -> Result<(Secret, RegistrationTokens), NoRandomness> {
    let next = random::token()?;
    let tokens = RegistrationTokens {
        current: TokenDigest::of(next.expose()),
        previous: Some(TokenDigest::of(presented.expose())),
    };
    Ok((next, tokens))
}

pub(super) fn provenance(
    attempt: Attempt<'_>,
    proven: &Proven,
    sanctioned: &Sanctioned,
) -> Provenance {
    let attestation = evidence::AppraisalOrigin::of(proven.proofs.attestation.as_ref());
    let token = proven.initial_access.as_ref();
    let mut scripts = proven.scripts.clone();
    scripts.extend_from_slice(&sanctioned.scripts);
    Provenance {
        trust_level: proven.proofs.trust_level,
        address: Some(attempt.caller.address),
        initial_access_token: token.map(|token| token.id.clone()),
        initial_access_note: token.and_then(|token| token.note.clone()),
        initial_access_policy: token.map(|token| token.policy.clone()),
        statement: proven.statement.as_ref().map(Statement::origin),
        certificate: certificate_origin(attempt),
        attestation_digest: attestation.digest,
        attestation_verifier: attestation.verifier,
        attestation_policy: attestation.policy,
        approval: approval(attempt),
        administrator: creator(attempt),
        script_version: script_version(attempt.cx, &scripts),
        scripts,
        configuration: attempt.cx.snapshot.revision.clone(),
    }
}

/// Returns the administrator who created the client.
fn creator(attempt: Attempt<'_>) -> Option<String> {
    attempt.existing()?.provenance.administrator.clone()
}

/// Returns the version of the scripts, if any of them decided.
fn script_version(cx: &Context<'_>, decided: &[ScriptRef]) -> Option<String> {
    let version = cx.snapshot.scripts.revision();
    (!decided.is_empty()).then(|| version.to_owned())
}

/// Returns the decision about this change, or about an earlier one.
fn approval(attempt: Attempt<'_>) -> Option<Approval> {
    let now = attempt.caller.approval.clone();
    now.or_else(|| attempt.existing()?.provenance.approval.clone())
}

/// Returns the certificate of the caller, or the recorded one if an update presents none.
fn certificate_origin(attempt: Attempt<'_>) -> Option<CertificateOrigin> {
    match (certificate::origin(attempt.caller), attempt.existing()) {
        (None, Some(before)) => before.provenance.certificate.clone(),
        (presented, _) => presented,
    }
}

/// Returns the audit event of a new client.
pub(super) fn created(cx: &Context<'_>, caller: &Caller<'_>, client: &Client) -> AuditEvent {
    let now = cx.service.clock.now();
    let author = caller.author(None);
    let event = author.did(Action::ClientCreated, client.id.as_str(), now);
    let event = event.with("trust_level", client.provenance.trust_level.as_str());
    let event = match &client.provenance.initial_access_token {
        Some(id) => event.with("initial_access_token", id.as_str()),
        None => event,
    };
    match &client.provenance.approval {
        Some(approval) => event.with("approved_by", approval.by.as_str()),
        None => event,
    }
}

/// Returns the audit event of a deletion.
pub(super) fn deleted(cx: &Context<'_>, caller: &Caller<'_>, client: &Client) -> AuditEvent {
    let now = cx.service.clock.now();
    let author = caller.author(Some(client));
    let event = author.did(Action::ClientDeleted, client.id.as_str(), now);
    event.with("trust_level", client.provenance.trust_level.as_str())
}

/// Returns the audit event of a change. It names the members that changed, without their values.
pub(super) fn updated(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    before: &Client,
    client: &Client,
) -> AuditEvent {
    let now = cx.service.clock.now();
    let author = caller.author(Some(client));
    let event = author.did(Action::ClientUpdated, client.id.as_str(), now);
    let changed = before
        .metadata
        .metadata()
        .differences(client.metadata.metadata());
    event
        .with("trust_level", client.provenance.trust_level.as_str())
        .with("revision", client.revision)
        .with("changed", changed)
}

/// Returns the change that uses up what the request uses up.
///
/// # Errors
/// When any of it was already used.
pub(super) async fn used_up(
    attempt: Attempt<'_>,
    proven: &Proven,
    issued: &Issued,
) -> Result<Change, RegisterError> {
    let cx = attempt.cx;
    let uses = single_use::change(attempt, proven).await?;
    let uses = uses.and(initial_access::one_use(cx, attempt.caller));
    Ok(uses.and(reservations::change(cx, &issued.reserved).await?))
}

/// Stores a new client with its event, what its registration uses up, and `also`. When this function returns,
/// the client survives a power failure.
pub(super) async fn insert(
    attempt: Attempt<'_>,
    issued: &Issued,
    proven: &Proven,
    also: Change,
) -> Result<(), RegisterError> {
    let (cx, client) = (attempt.cx, &issued.client);
    let uses = used_up(attempt, proven, issued).await?;
    let event = created(cx, attempt.caller, client);
    let event = lost_scopes::note(event, proven, client);
    let along = along(attempt, proven, client, &event)?;
    let along = along.and(uses).and(also);
    let stored = cx.service.store.clients.insert(client, along).await;
    if matches!(stored, Err(StoreError::Conflict)) {
        initial_access::check_left(cx, attempt.caller).await?;
    }
    check_uses(attempt, proven, issued, stored).await?;
    documents::count(cx, PublicationChange::of(attempt.existing(), Some(client)));
    Ok(())
}

/// Stores the next revision with its event, what the request uses up, and `also`, unless another request changed the
/// client first.
pub(super) async fn put_back(
    attempt: Attempt<'_>,
    seen: &Stored,
    issued: &Issued,
    proven: &Proven,
    also: Change,
) -> Result<(), RegisterError> {
    let (cx, client) = (attempt.cx, &issued.client);
    let uses = used_up(attempt, proven, issued).await?.and(also);
    let event = updated(cx, attempt.caller, seen.client(), client);
    let event = lost_scopes::note(event, proven, client);
    let along = along(attempt, proven, client, &event)?;
    let along = along.and(uses);
    let stored = cx.service.store.clients.replace(seen, client, along).await;
    check_uses(attempt, proven, issued, stored).await?;
    documents::count(cx, PublicationChange::of(attempt.existing(), Some(client)));
    Ok(())
}

/// Returns what is stored with the change of `client` that `event` of the audit log reports. If a script wants the
/// event of the change, that includes what it sees of the request.
pub(super) fn along(
    attempt: Attempt<'_>,
    proven: &Proven,
    client: &Client,
    event: &AuditEvent,
) -> Result<Along, StoreError> {
    let (cx, caller) = (attempt.cx, attempt.caller);
    let document = PublicationChange::of(attempt.existing(), Some(client));
    let document = documents::event(cx, caller, client, document)?;
    let mut along = Along::audited(event, caller.reason()).and(document);
    along.cause.context = hooks::remembered(attempt, proven);
    Ok(along)
}

/// After a conflict, finds out which came first: a change of the client, or a use of what may be used once.
async fn check_uses(
    attempt: Attempt<'_>,
    proven: &Proven,
    issued: &Issued,
    outcome: Result<(), StoreError>,
) -> Result<(), RegisterError> {
    if matches!(outcome, Err(StoreError::Conflict)) {
        single_use::change(attempt, proven).await?;
        reservations::change(attempt.cx, &issued.reserved).await?;
    }
    Ok(outcome?)
}
