//! Creates, shows and revokes initial access tokens (RFC 7591 section 1.2).

mod policy;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::{Administrator, schema};
use crate::base::{NoRandomness, Secret, Timestamp, random};
use crate::client::InitialAccessPolicy;
use crate::service::Context;
use crate::store::{Action, InitialAccess, InitialAccessToken, InitialAccessTokens, StoreError};
use policy::check_policy;

/// The request of an administrator.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct InitialAccessTokenRequest {
    /// A description of the token.
    #[schemars(length(max = NOTE))]
    pub(crate) note: Option<String>,
    /// The maximum number of clients that can be registered with the token. Absent: no limit.
    #[schemars(range(min = 1, max = u64::MAX))]
    pub(crate) uses: Option<u64>,
    /// The lifetime of the token in seconds. Absent: it is valid until it is revoked.
    #[schemars(range(min = 1, max = u64::MAX))]
    pub(crate) expires_in: Option<u64>,
    /// The limits for clients that are registered with the token.
    #[schemars(schema_with = "schema::initial_access_policy_or_null")]
    pub(crate) policy: InitialAccessPolicy,
}

/// The properties of a token, without the token itself.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InitialAccessToken")]
pub(crate) struct TokenProperties<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NOTE))]
    note: Option<&'a str>,
    /// The maximum number of clients that can be registered with the token. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = u64::MAX))]
    uses: Option<u64>,
    /// The number of clients that were registered with the token.
    used: u64,
    created_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[schemars(schema_with = "schema::initial_access_policy")]
    policy: &'a InitialAccessPolicy,
}

impl<'a> TokenProperties<'a> {
    /// Returns the properties of `token`.
    pub(crate) fn of(token: &'a InitialAccessToken) -> Self {
        Self::with(token.id(), token.grant(), token.used())
    }

    fn with(id: String, grant: &'a InitialAccess, used: u64) -> Self {
        Self {
            id,
            note: grant.note.as_deref(),
            uses: grant.uses,
            used,
            created_at: grant.created_at.unix(),
            expires_at: grant.expires_at.map(Timestamp::unix),
            policy: &grant.policy,
        }
    }
}

/// A new token: its properties and the token itself, which cannot be read again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NewInitialAccessToken")]
pub(crate) struct NewToken<'a> {
    #[serde(flatten)]
    properties: TokenProperties<'a>,
    token: &'a str,
}

/// A page of tokens.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InitialAccessTokenPage")]
pub(crate) struct TokenPage<'a> {
    /// The tokens.
    pub(crate) initial_access_tokens: Vec<TokenProperties<'a>>,
    /// The value of `after` for the next page, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// Why no token was created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// The request is invalid.
    #[error("{0}")]
    Request(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes are available.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// A token that has been stored. It is not read back, since it may have expired by then.
pub(crate) struct CreatedToken {
    id: String,
    grant: InitialAccess,
    token: Secret,
}

impl CreatedToken {
    /// Returns the answer to the administrator that created it.
    pub(crate) fn answer(&self) -> NewToken<'_> {
        NewToken {
            properties: TokenProperties::with(self.id.clone(), &self.grant, 0),
            token: self.token.expose(),
        }
    }
}

/// The maximum number of characters of a note.
const NOTE: usize = 256;

fn wrong(reason: &str) -> CreateError {
    CreateError::Request(reason.to_owned())
}

/// Creates a token.
///
/// # Errors
/// When the request is invalid, or the token cannot be stored.
pub(crate) async fn create(
    cx: &Context<'_>,
    by: &Administrator,
    wanted: InitialAccessTokenRequest,
) -> Result<CreatedToken, CreateError> {
    check(&wanted)?;
    check_policy(&wanted.policy, &cx.snapshot.live).map_err(CreateError::Request)?;
    let now = cx.service.clock.now();
    let grant = InitialAccess {
        note: wanted.note,
        uses: wanted.uses,
        expires_at: wanted.expires_in.map(|seconds| now.plus(seconds)),
        created_at: now,
        policy: wanted.policy,
    };
    let token = random::token()?;
    let subject = InitialAccessTokens::id_of(&token);
    let event = by.did(Action::InitialAccessTokenCreated, subject, now);
    let tokens = &cx.service.store.initial_access_tokens;
    let id = tokens
        .create(&token, grant.clone(), event.change()?)
        .await?;
    tracing::info!(id, actor = by.client_id, "initial access token created");
    Ok(CreatedToken { id, grant, token })
}

/// Checks the limits of the request, except its policy.
fn check(wanted: &InitialAccessTokenRequest) -> Result<(), CreateError> {
    if wanted.uses == Some(0) || wanted.expires_in == Some(0) {
        let reason = "uses and expires_in must be at least 1; omit them for no limit";
        return Err(wrong(reason));
    }
    let note = wanted.note.as_deref().unwrap_or_default();
    if note.chars().count() > NOTE {
        return Err(wrong("note must have at most 256 characters"));
    }
    Ok(())
}

/// Revokes the token with the identifier `id`. Returns false if it does not exist.
///
/// # Errors
/// When the store fails.
pub(crate) async fn revoke(
    cx: &Context<'_>,
    by: &Administrator,
    id: &str,
) -> Result<bool, StoreError> {
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
