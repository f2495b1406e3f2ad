//! Creates, changes and deletes administrators. Each is a client of the operator with scopes of `[admin.scopes]`.
//!
//! Two rules hold for every change. A caller gives nobody scopes that its access token lacks, and does not change an
//! administrator that has such scopes: a new secret for it would give them to the caller. And an enabled administrator
//! with all scopes remains, which the change itself expects in the store.

mod request;
mod shown;

use crate::admin::Administrator;
use crate::base::{ClientId, NoRandomness, Secret, Timestamp, Violation, random, scope};
use crate::client::{AdministratorData, Client, ClientSecret, HashedSecret};
use crate::service::Context;
use crate::store::{
    Action, Along, AuditEvent, Change, Indexed, MOST_ADMINISTRATORS, Reason, StoreError, Stored,
};
use crate::token::administrator::{CLIENT_ID, record};

pub(crate) use request::{AdministratorPatch, AdministratorRequest, RotationRequest};
pub(crate) use shown::{AdministratorList, AdministratorProperties, NewAdministrator};

/// How often a change is decided anew because the store has changed meanwhile.
const TRIES: usize = 8;

/// Why an administrator is not created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdministratorFault {
    /// The request is invalid.
    #[error("{0}")]
    Request(String),
    /// The access token of the caller lacks scopes.
    #[error("the access token lacks scopes that the administrator has or would get: {0}")]
    Scopes(String),
    /// There is no such administrator.
    #[error("administrator not found")]
    Unknown,
    /// No enabled administrator with all scopes would remain.
    #[error(
        "this is the last enabled administrator with all scopes; create another one with all scopes first"
    )]
    Last,
    /// The server itself defines this about the first administrator.
    #[error("{0}")]
    First(&'static str),
    /// There are too many administrators.
    #[error("there are already {MOST_ADMINISTRATORS} administrators; delete one first")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes are available.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

impl From<Vec<Violation>> for AdministratorFault {
    fn from(violations: Vec<Violation>) -> Self {
        let texts: Vec<String> = violations.iter().map(Violation::to_string).collect();
        Self::Request(texts.join("; "))
    }
}

/// An administrator with its new secret, which cannot be read again. It has none if it authenticates with a key.
pub(crate) struct IssuedAdministrator {
    pub(crate) client: Client,
    pub(crate) secret: Option<Secret>,
}

/// Returns all administrators, ordered by identifier.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn list(cx: &Context<'_>) -> Result<Vec<Stored>, StoreError> {
    let clients = &cx.service.store.clients;
    let mut all = clients.administrators().await?;
    if let Ok(first) = ClientId::parse(CLIENT_ID)
        && !all.iter().any(|stored| stored.client().id == first)
        && let Some(stored) = clients.find(&first).await?
        && stored.client().is_operators()
    {
        all.push(stored);
    }
    all.sort_by(|one, other| one.client().id.as_str().cmp(other.client().id.as_str()));
    Ok(all)
}

/// Returns the administrator with the identifier `id`.
///
/// # Errors
/// [`AdministratorFault::Unknown`] if there is none, and when the store cannot be read.
pub(crate) async fn find(cx: &Context<'_>, id: &str) -> Result<Stored, AdministratorFault> {
    let id = ClientId::parse(id).map_err(|_| AdministratorFault::Unknown)?;
    match cx.service.store.clients.find(&id).await? {
        Some(stored) if stored.client().is_operators() => Ok(stored),
        Some(_) | None => Err(AdministratorFault::Unknown),
    }
}

/// Creates an administrator.
///
/// # Errors
/// When the request is invalid or asks for scopes that the caller lacks, or the administrator cannot be stored.
pub(crate) async fn create(
    cx: &Context<'_>,
    by: &Administrator,
    wanted: AdministratorRequest,
) -> Result<IssuedAdministrator, AdministratorFault> {
    let scopes = wanted.scopes(cx)?;
    check_scopes(cx, by, &scopes.join(" "))?;
    let now = cx.service.clock.now();
    let secret = if wanted.has_keys() {
        None
    } else {
        Some(random::client_secret()?)
    };
    let data = AdministratorData {
        created_at: now,
        created_by: Some(by.client_id.clone()),
        note: wanted.note()?,
        has_all_scopes: wanted.has_all_scopes(),
        secrets: secret.iter().map(hashed).collect(),
    };
    let client = issue(cx, &wanted, &scopes, data)?;
    let event = described(by, Action::AdministratorCreated, &client, now);
    insert(cx, &client, &event.with("scopes", scopes)).await?;
    tracing::info!(client_id = %client.id, actor = by.client_id, "administrator created");
    Ok(IssuedAdministrator { client, secret })
}

/// Returns the record of a new administrator.
fn issue(
    cx: &Context<'_>,
    wanted: &AdministratorRequest,
    scopes: &[&str],
    data: AdministratorData,
) -> Result<Client, AdministratorFault> {
    let metadata = wanted.metadata(cx, scopes)?;
    let id = ClientId::parse(&random::client_id()).map_err(|_| AdministratorFault::Unknown)?;
    let issue = record::Issue::first(data.created_at, cx.service.snapshot().revision.clone());
    Ok(record::client(id, metadata, None, Some(data), issue)?)
}

fn hashed(secret: &Secret) -> HashedSecret {
    HashedSecret::of(secret.expose())
}

async fn insert(
    cx: &Context<'_>,
    client: &Client,
    event: &AuditEvent,
) -> Result<(), AdministratorFault> {
    // The first one takes a place too, although it is not in the index as long as only the server has changed it.
    let first = find(cx, CLIENT_ID).await;
    let is_beside = first.is_ok_and(|first| first.client().administrator.is_none());
    let places = 1 + usize::from(is_beside);
    let most = MOST_ADMINISTRATORS.saturating_sub(places);
    let limit = Indexed::Administrator.no_more_than(most.try_into().unwrap_or(u64::MAX));
    let along = Along::audited(event, Reason::Administrator).and(limit);
    match cx.service.store.clients.insert(client, along).await {
        // The identifier is random, so the limit is what was not met.
        Err(StoreError::Conflict) => Err(AdministratorFault::TooMany),
        done => Ok(done?),
    }
}

/// Changes an administrator. Its access tokens become invalid, unless only its name and its note change.
///
/// # Errors
/// When the request is invalid, or the change is not allowed or cannot be stored.
pub(crate) async fn change(
    cx: &Context<'_>,
    by: &Administrator,
    id: &str,
    patch: &AdministratorPatch,
) -> Result<Client, AdministratorFault> {
    let now = cx.service.clock.now();
    let next = apply(cx, by, id, |before| {
        let client = patch.apply(cx, before)?;
        check_scopes(cx, by, own_scope(&client))?;
        Ok(NextAdministrator {
            event: changed(by, patch, &client, now),
            client: Some(client),
        })
    });
    let client = next.await?.ok_or(AdministratorFault::Unknown)?;
    tracing::info!(client_id = %client.id, actor = by.client_id, "administrator changed");
    Ok(client)
}

/// Returns the audit event of the change that `patch` has made.
fn changed(
    by: &Administrator,
    patch: &AdministratorPatch,
    client: &Client,
    now: Timestamp,
) -> AuditEvent {
    let changed = patch.changed();
    let mut event = described(by, Action::AdministratorUpdated, client, now);
    event = event.with("revision", client.revision);
    if changed.contains(&"scopes") {
        let scopes: Vec<&str> = scope::words(own_scope(client)).collect();
        event = event.with("scopes", scopes);
    }
    if let Some(all_scopes) = patch.has_all_scopes() {
        event = event.with("all_scopes", all_scopes);
    }
    if let Some(disabled) = patch.disabled {
        event = event.with("disabled", disabled);
    }
    event.with("changed", changed)
}

/// Gives an administrator a new secret. Its access tokens become invalid. Its newest secret is still valid for
/// `overlap` seconds, and older ones are not.
///
/// # Errors
/// When it authenticates with a key, or the change is not allowed or cannot be stored.
pub(crate) async fn rotate(
    cx: &Context<'_>,
    by: &Administrator,
    id: &str,
    wanted: &RotationRequest,
) -> Result<IssuedAdministrator, AdministratorFault> {
    let (secret, now) = (random::client_secret()?, cx.service.clock.now());
    let overlap = wanted.overlap()?;
    let next = apply(cx, by, id, |before| {
        let client = rotated(before, &secret, now, overlap)?;
        let event = described(by, Action::AdministratorRotated, &client, now);
        let event = event.with("revision", client.revision);
        let event = event.with("overlap", overlap);
        Ok(NextAdministrator {
            client: Some(client),
            event,
        })
    });
    let client = next.await?.ok_or(AdministratorFault::Unknown)?;
    tracing::info!(client_id = %client.id, actor = by.client_id, overlap, "administrator secret rotated");
    Ok(IssuedAdministrator {
        client,
        secret: Some(secret),
    })
}

/// Returns `before` with the new secret.
fn rotated(
    before: &Client,
    secret: &Secret,
    now: Timestamp,
    overlap: u64,
) -> Result<Client, AdministratorFault> {
    let mut data = data(before);
    if before.secret.is_none() && data.secrets.is_empty() {
        let reason = "this administrator authenticates with a key; change its jwks or jwks_uri";
        return Err(AdministratorFault::Request(reason.to_owned()));
    }
    let end = now.plus(overlap);
    let newest = data.secrets.drain(..).next();
    let mut sealed = None;
    data.secrets.push(hashed(secret));
    match newest {
        _ if overlap == 0 => {}
        Some(newest) => data.secrets.push(newest.until(end)),
        None => sealed = before.secret.clone().map(|secret| expiring(secret, end)),
    }
    Ok(Client {
        administrator: Some(data),
        secret: sealed,
        issued_at: record::later(before, now),
        revision: before.revision.saturating_add(1),
        ..before.clone()
    })
}

fn expiring(secret: ClientSecret, end: Timestamp) -> ClientSecret {
    let expires_at = Some(secret.expires_at.map_or(end, |before| before.min(end)));
    ClientSecret {
        expires_at,
        ..secret
    }
}

/// Deletes an administrator. Its access tokens become invalid.
///
/// # Errors
/// When that is not allowed, or the change cannot be stored.
pub(crate) async fn delete(
    cx: &Context<'_>,
    by: &Administrator,
    id: &str,
) -> Result<(), AdministratorFault> {
    let now = cx.service.clock.now();
    let next = apply(cx, by, id, |before| {
        if before.id.as_str() == CLIENT_ID {
            return Err(AdministratorFault::First(
                "the first administrator cannot be deleted: the next start would create it; disable it",
            ));
        }
        Ok(NextAdministrator {
            client: None,
            event: described(by, Action::AdministratorDeleted, before, now),
        })
    });
    next.await?;
    tracing::info!(
        client_id = id,
        actor = by.client_id,
        "administrator deleted"
    );
    Ok(())
}

/// What becomes of an administrator.
struct NextAdministrator {
    /// `None`: it is deleted.
    client: Option<Client>,
    event: AuditEvent,
}

/// Stores what `decide` makes of an administrator, and decides anew if the store has changed meanwhile.
async fn apply(
    cx: &Context<'_>,
    by: &Administrator,
    id: &str,
    decide: impl Fn(&Client) -> Result<NextAdministrator, AdministratorFault>,
) -> Result<Option<Client>, AdministratorFault> {
    for _ in 0..TRIES {
        let seen = find(cx, id).await?;
        check_scopes(cx, by, own_scope(seen.client()))?;
        let next = decide(seen.client())?;
        match store(cx, &seen, &next).await {
            Ok(()) => return Ok(next.client),
            Err(AdministratorFault::Store(StoreError::Conflict)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict.into())
}

/// Stores `next` of an administrator that is still as it was `seen`.
async fn store(
    cx: &Context<'_>,
    seen: &Stored,
    next: &NextAdministrator,
) -> Result<(), AdministratorFault> {
    let clients = &cx.service.store.clients;
    let remaining = remaining(cx, seen.client(), next.client.as_ref()).await?;
    let along = Along::audited(&next.event, Reason::Administrator).and(remaining);
    let stored = match &next.client {
        Some(client) => clients.replace(seen, client, along).await,
        None => clients.remove(seen, along).await,
    };
    Ok(stored?)
}

/// Returns the expectation by which an enabled administrator with all scopes remains when `before` becomes `after`.
/// Two servers that each rely on the administrator that the other one disables cannot both succeed.
async fn remaining(
    cx: &Context<'_>,
    before: &Client,
    after: Option<&Client>,
) -> Result<Change, AdministratorFault> {
    if !can_do_all(cx, before) || after.is_some_and(|after| can_do_all(cx, after)) {
        return Ok(Change::default());
    }
    for other in list(cx).await? {
        if other.client().id != before.id && can_do_all(cx, other.client()) {
            return Ok(other.kept());
        }
    }
    Err(AdministratorFault::Last)
}

/// Whether the administrator is enabled and has all scopes of this server.
fn can_do_all(cx: &Context<'_>, client: &Client) -> bool {
    let all = cx.service.settings.admin.scopes.all();
    let own = own_scope(client);
    client.is_usable(cx.service.clock.now()) && all.iter().all(|name| scope::has(own, name))
}

/// Checks that the access token of the caller has all of `scopes`. A scope that `[admin.scopes]` does not name permits
/// nothing, and no caller can have it: it would protect its administrator from everybody.
fn check_scopes(
    cx: &Context<'_>,
    by: &Administrator,
    scopes: &str,
) -> Result<(), AdministratorFault> {
    let all = cx.service.settings.admin.scopes.all();
    let missing: Vec<&str> = scope::words(scopes)
        .filter(|name| all.contains(name) && !scope::has(&by.scope, name))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(AdministratorFault::Scopes(missing.join(" ")))
    }
}

fn own_scope(client: &Client) -> &str {
    client.metadata.metadata().text("scope").unwrap_or_default()
}

/// Returns what is recorded of an administrator. Of the first one, nothing may be recorded yet.
fn data(client: &Client) -> AdministratorData {
    client.administrator.clone().unwrap_or(AdministratorData {
        created_at: client.issued_at,
        created_by: None,
        note: None,
        has_all_scopes: true,
        secrets: Vec::new(),
    })
}

/// Returns the event that `by` did `action` to the administrator.
fn described(by: &Administrator, action: Action, client: &Client, at: Timestamp) -> AuditEvent {
    let name = client.metadata.metadata().text("client_name");
    by.did(action, client.id.as_str(), at)
        .with("name", name.unwrap_or_default())
}
