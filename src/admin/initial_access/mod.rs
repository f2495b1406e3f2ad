//! Creates, shows and revokes initial access tokens (RFC 7591 section 1.2).

mod policy;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Administrator;
use crate::base::clock::Timestamp;
use crate::base::random::{self, NoRandomness};
use crate::base::secret::Secret;
use crate::client::InitialAccessPolicy;
use crate::service::Context;
use crate::store::audit::Action;
use crate::store::expiring::initial_access_tokens::{InitialAccess, InitialAccessToken};
use crate::store::{InitialAccessTokens, StoreError};

/// The request of an administrator.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// A description of the token.
    pub note: Option<String>,
    /// The maximum number of clients that can be registered with the token; `None` for no limit.
    pub uses: Option<u64>,
    /// The lifetime of the token in seconds; `None` if it is valid until revoked.
    pub expires_in: Option<u64>,
    /// The limits for clients that are registered with the token.
    pub policy: InitialAccessPolicy,
}

/// Why no token was created.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The request is invalid.
    #[error("{0}")]
    Wanted(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes are available.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// A token that has been stored. It is not read back, since it may have expired by then.
pub struct Made {
    id: String,
    grant: InitialAccess,
    token: Secret,
}

impl Made {
    /// Returns its properties and the token, which cannot be read again.
    pub fn shown(&self) -> Map<String, Value> {
        let mut members = members(&self.id, &self.grant, 0);
        members.insert("token".to_owned(), self.token.expose().into());
        members
    }
}

/// The maximum number of characters of a note.
const NOTE: usize = 256;

fn wrong(reason: &str) -> MakeError {
    MakeError::Wanted(reason.to_owned())
}

/// Creates a token.
///
/// # Errors
/// When the request is invalid, or the token cannot be stored.
pub async fn make(cx: &Context<'_>, by: &Administrator, wanted: Wanted) -> Result<Made, MakeError> {
    if wanted.uses == Some(0) || wanted.expires_in == Some(0) {
        return Err(wrong(
            "uses and expires_in must be at least 1; omit them for no limit",
        ));
    }
    if wanted
        .note
        .as_ref()
        .is_some_and(|note| note.chars().count() > NOTE)
    {
        return Err(wrong("note must have at most 256 characters"));
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
    let event = by
        .did(
            Action::InitialAccessTokenCreated,
            InitialAccessTokens::id_of(&token),
            now,
        )
        .change()?;
    let id = cx
        .service
        .store
        .initial_access_tokens
        .create(&token, grant.clone(), event)
        .await?;
    tracing::info!(id, actor = by.client_id, "initial access token created");
    Ok(Made { id, grant, token })
}

/// Revokes the token with the identifier `id`. Returns false if it does not exist.
///
/// # Errors
/// When the store fails.
pub async fn revoke(cx: &Context<'_>, by: &Administrator, id: &str) -> Result<bool, StoreError> {
    let now = cx.service.clock.now();
    let event = by
        .did(Action::InitialAccessTokenRevoked, id, now)
        .change()?;
    let was_there = cx
        .service
        .store
        .initial_access_tokens
        .revoke(id, now, event)
        .await?;
    if was_there {
        tracing::info!(id, actor = by.client_id, "initial access token revoked");
    }
    Ok(was_there)
}

/// Returns the properties of a token, without the token itself.
pub fn shown(token: &InitialAccessToken) -> Map<String, Value> {
    members(&token.id(), token.grant(), token.used())
}

fn members(id: &str, grant: &InitialAccess, used: u64) -> Map<String, Value> {
    let shown = json!({
        "id": id, "note": grant.note, "uses": grant.uses, "used": used,
        "created_at": grant.created_at.unix(), "expires_at": grant.expires_at.map(Timestamp::unix),
        "policy": grant.policy,
    });
    let members = shown.as_object().cloned().unwrap_or_default();
    members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect()
}
