//! Step 4: the initial access token (RFC 7591 section 3, RFC 6750 section 3.1), and what it allows the
//! registered client as long as the client exists.

use std::sync::Once;

use serde_json::Value;

use crate::client::{InitialAccessPolicy, TrustLevel};
use crate::config::registration::InitialAccessToken as Setting;
use crate::http::answer::Presented;
use crate::registration::{Caller, Purpose, RegisterError};
use crate::service::Context;
use crate::store::Change;
use crate::store::expiring::initial_access_tokens::InitialAccessToken;

/// The initial access token of a client, at its registration and at each update.
pub(in crate::registration) struct InitialAccess {
    pub(in crate::registration) id: String,
    pub(in crate::registration) policy: InitialAccessPolicy,
}

impl InitialAccess {
    /// Returns the initial access token of the client that `purpose` concerns.
    pub(in crate::registration) fn of(caller: &Caller, purpose: Purpose<'_>) -> Option<Self> {
        match purpose {
            Purpose::Create => {
                let token = caller.initial_access.as_ref()?;
                Some(Self {
                    id: token.id(),
                    policy: token.grant().policy.clone(),
                })
            }
            Purpose::Replace(stored) => {
                let before = &stored.client().provenance;
                let (id, policy) = (
                    before.initial_access_token.clone()?,
                    before.initial_access_policy.clone(),
                );
                Some(Self {
                    id,
                    policy: policy.unwrap_or_default(),
                })
            }
        }
    }

    /// Returns what scripts see of the token.
    pub(in crate::registration) fn attributes(&self) -> Value {
        self.policy.attributes.clone().into()
    }
}

/// Returns the trust level of a registration with this token, or without one.
pub(in crate::registration) const fn trust_level(
    initial_access: Option<&InitialAccess>,
) -> TrustLevel {
    if initial_access.is_some() {
        TrustLevel::Token
    } else {
        TrustLevel::Open
    }
}

/// Finds the token that a registration presents, if it is valid. An invalid token is rejected even where none
/// is required, because the caller expects it to count.
pub(in crate::registration) async fn find(
    cx: &Context<'_>,
    presented: Result<&str, Presented>,
) -> Result<Option<InitialAccessToken>, RegisterError> {
    match (cx.settings().initial_access_token, presented) {
        (Setting::Off, _) | (Setting::Optional, Err(Presented::Nothing)) => Ok(None),
        (Setting::Optional | Setting::Required, Err(presented)) => {
            Err(RegisterError::Unauthorised(presented))
        }
        (Setting::Optional | Setting::Required, Ok(token)) => {
            let tokens = &cx.service.store.initial_access_tokens;
            let now = cx.service.clock.now();
            if let Some(found) = tokens.find_by_token(token, now).await? {
                return Ok(Some(found));
            }
            // The token is valid for another purpose (RFC 6750 section 3.1).
            let is_other = cx.service.store.tokens.find(token, now).await?.is_some();
            Err(if is_other {
                RegisterError::OtherToken
            } else {
                RegisterError::Unauthorised(Presented::Invalid)
            })
        }
    }
}

/// Counts this registration against the quota of its token, or against the quota of its address if it
/// presents no valid token. Callers without a token therefore cannot use up the quota of a token.
pub(in crate::registration) fn count(
    cx: &Context<'_>,
    caller: &Caller,
    token: Option<&InitialAccessToken>,
) -> Result<(), RegisterError> {
    let limits = &cx.snapshot.limits;
    let counted = match token {
        Some(token) => limits.count_registration_with(&token.id()),
        None => limits
            .count_registration(caller.address)
            .inspect_err(|_| suspect_proxy(cx, caller)),
    };
    Ok(counted?)
}

/// Warns once when many callers seem to share one quota because they connect through a proxy that is not
/// configured.
fn suspect_proxy(cx: &Context<'_>, caller: &Caller) {
    static SAID: Once = Once::new();
    let is_forwarding = |name: &str| matches!(name, "x-forwarded-for" | "forwarded");
    let is_forwarded = caller
        .request
        .headers
        .iter()
        .any(|(name, _)| is_forwarding(name));
    if is_forwarded && cx.service.settings.server.trusted_proxies.is_empty() {
        SAID.call_once(|| {
            tracing::warn!(
                address = %caller.address,
                "rate limit reached by an address that looks like a proxy: all clients behind it share one \
                 quota until server.trustedProxies names it"
            );
        });
    }
}

/// Returns the change that records one more use of the token of `caller`.
pub(in crate::registration) fn one_use(cx: &Context<'_>, caller: &Caller) -> Change {
    let tokens = &cx.service.store.initial_access_tokens;
    caller
        .initial_access
        .as_ref()
        .map(|token| tokens.one_use(token))
        .unwrap_or_default()
}

/// Rejects the request if a concurrent request took the last use of the token.
pub(in crate::registration) async fn check_left(
    cx: &Context<'_>,
    caller: &Caller,
) -> Result<(), RegisterError> {
    let Some(token) = &caller.initial_access else {
        return Ok(());
    };
    let tokens = &cx.service.store.initial_access_tokens;
    let present = tokens.find(&token.id(), cx.service.clock.now()).await?;
    match present.filter(|token| token.uses_left() != Some(0)) {
        Some(_) => Ok(()),
        None => Err(RegisterError::Unauthorised(Presented::Invalid)),
    }
}
