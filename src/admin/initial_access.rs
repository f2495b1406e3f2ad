//! Initial access tokens (RFC 7591 section 1.2): made, shown, revoked.

mod policy;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Administrator;
use crate::client::InitialAccessPolicy;
use crate::clock::Timestamp;
use crate::random::{self, NoRandomness};
use crate::secret::Secret;
use crate::service::Context;
use crate::store::audit::Action;
use crate::store::initial_access_tokens::{InitialAccess, InitialAccessToken};
use crate::store::{InitialAccessTokens, StoreError};

/// What an administrator asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// What it is for, in words.
    pub note: Option<String>,
    /// How many clients may be registered with it; none: any number.
    pub uses: Option<u64>,
    /// Seconds for which it is good; none: until it is revoked.
    pub expires_in: Option<u64>,
    /// What may be registered with it.
    pub policy: InitialAccessPolicy,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// What is asked for makes no sense.
    #[error("{0}")]
    Wanted(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to make one of.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Characters of a note.
const NOTE: usize = 256;

fn wrong(reason: &str) -> MakeError {
    MakeError::Wanted(reason.to_owned())
}

/// Makes a token. It is told here and never again.
///
/// # Errors
/// When what is wanted makes no sense, or the token can not be stored.
pub async fn make(
    cx: &Context<'_>,
    by: &Administrator,
    wanted: Wanted,
) -> Result<(String, Secret), MakeError> {
    if wanted.uses == Some(0) || wanted.expires_in == Some(0) {
        return Err(wrong("uses and expires_in must be 1 or more; leave them out for no bound"));
    }
    if wanted.note.as_ref().is_some_and(|note| note.chars().count() > NOTE) {
        return Err(wrong("note must have 256 characters or less"));
    }
    policy::check(&wanted.policy, &cx.snapshot.live).map_err(MakeError::Wanted)?;
    let now = cx.service.clock.now();
    let grant = InitialAccess {
        note: wanted.note,
        uses: wanted.uses,
        expires_at: wanted.expires_in.map(|seconds| now.plus(seconds)),
        created_at: now,
        policy: wanted.policy,
    };
    let token = random::token()?;
    let event =
        by.did(Action::InitialAccessTokenCreated, InitialAccessTokens::id_of(&token), now).change()?;
    let id = cx.service.store.initial_access_tokens.create(&token, grant, event).await?;
    tracing::info!(id, actor = by.client_id, "an initial access token was made");
    Ok((id, token))
}

/// Revokes the token called `id`; whether there was one.
///
/// # Errors
/// When the store fails.
pub async fn revoke(cx: &Context<'_>, by: &Administrator, id: &str) -> Result<bool, StoreError> {
    let now = cx.service.clock.now();
    let event = by.did(Action::InitialAccessTokenRevoked, id, now).change()?;
    let was_there = cx.service.store.initial_access_tokens.revoke(id, now, event).await?;
    if was_there {
        tracing::info!(id, actor = by.client_id, "an initial access token was revoked");
    }
    Ok(was_there)
}

/// What is shown of a token: never the token.
pub fn shown(token: &InitialAccessToken) -> Map<String, Value> {
    let grant = token.grant();
    let shown = json!({
        "id": token.id(), "note": grant.note, "uses": grant.uses, "used": token.used(),
        "created_at": grant.created_at.unix(), "expires_at": grant.expires_at.map(Timestamp::unix),
        "policy": grant.policy,
    });
    let members = shown.as_object().cloned().unwrap_or_default();
    members.into_iter().filter(|(_, value)| !value.is_null()).collect()
}
