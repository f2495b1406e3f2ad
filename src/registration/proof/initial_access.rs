//! Step 4: the initial access token (RFC 7591 section 3, RFC 6750 section 3.1), and what it allows the
//! registered client as long as the client exists.

use std::sync::Once;

use crate::client::InitialAccessPolicy;
use crate::config::InitialAccessTokenUse;
use crate::http::{BadCredentials, credentials};
use crate::registration::{Attempt, Caller, RegisterError};
use crate::script::Proofs;
use crate::service::Context;
use crate::store::{Change, InitialAccessToken};

/// The initial access token of a client, at its registration and at each update.
pub(in crate::registration) struct TokenPolicy {
    pub(in crate::registration) id: String,
    /// The note of the administrator who created it.
    pub(in crate::registration) note: Option<String>,
    pub(in crate::registration) policy: InitialAccessPolicy,
}

impl TokenPolicy {
    /// Returns the initial access token of the client that `attempt` concerns.
    pub(in crate::registration) fn of(attempt: Attempt<'_>) -> Option<Self> {
        match attempt.existing() {
            None => {
                let token = attempt.caller.initial_access.as_ref()?;
                Some(Self {
                    id: token.id(),
                    note: token.grant().note.clone(),
                    policy: token.grant().policy.clone(),
                })
            }
            Some(client) => {
                let before = &client.provenance;
                let policy = before.initial_access_policy.clone();
                Some(Self {
                    id: before.initial_access_token.clone()?,
                    note: before.initial_access_note.clone(),
                    policy: policy.unwrap_or_default(),
                })
            }
        }
    }

    /// Adds to `proofs` what scripts see of the token.
    pub(in crate::registration) fn show_in(&self, proofs: &mut Proofs) {
        proofs.initial_access_token = Some(self.policy.attributes.clone().into());
        proofs.initial_access_token_id = Some(self.id.clone());
        proofs.initial_access_token_note.clone_from(&self.note);
    }
}

/// Names an initial access token by its identifier. Only a request that is judged and not served has it.
#[derive(Debug, Clone)]
pub(crate) struct NamedToken(pub(crate) String);

/// Finds the token that a registration presents, if it is valid. An invalid token is rejected even where none
/// is required, because the caller expects it to count.
pub(in crate::registration) async fn find(
    cx: &Context<'_>,
    caller: &Caller<'_>,
) -> Result<Option<InitialAccessToken>, RegisterError> {
    let presented = match caller.named_token() {
        Some(NamedToken(id)) => Ok(PresentedToken::Id(id)),
        None => credentials::bearer(caller.headers()).map(PresentedToken::Secret),
    };
    match (cx.settings().initial_access_token, presented) {
        (InitialAccessTokenUse::Off, _)
        | (InitialAccessTokenUse::Optional, Err(BadCredentials::Nothing)) => Ok(None),
        (usage, Err(presented)) => Err(unauthorised(usage, presented)),
        (usage, Ok(token)) => match token.find(cx).await? {
            Some(token) => Ok(Some(token)),
            None => Err(unauthorised(usage, BadCredentials::Invalid)),
        },
    }
}

/// Returns the error for `presented`. Where a token is optional, programs send what they have for other servers, or the
/// word `undefined`, and need to know that they can send nothing.
const fn unauthorised(usage: InitialAccessTokenUse, presented: BadCredentials) -> RegisterError {
    match (usage, presented) {
        (InitialAccessTokenUse::Optional, BadCredentials::Invalid) => RegisterError::NeedlessToken,
        _ => RegisterError::Unauthorised(presented),
    }
}

/// A token that a registration presents.
enum PresentedToken<'a> {
    /// The token itself.
    Secret(&'a str),
    /// Its identifier.
    Id(&'a str),
}

impl PresentedToken<'_> {
    /// Finds the token. Returns `None` if it is not valid or used up.
    async fn find(&self, cx: &Context<'_>) -> Result<Option<InitialAccessToken>, RegisterError> {
        let (store, now) = (&cx.service.store, cx.service.clock.now());
        let tokens = &store.initial_access_tokens;
        let found = match self {
            Self::Secret(token) => tokens.find_by_token(token, now).await?,
            Self::Id(id) => {
                let found = tokens.find(id, now).await?;
                found.filter(|token| token.uses_left() != Some(0))
            }
        };
        let is_access_token = match (&found, self) {
            (None, Self::Secret(token)) => store.tokens.find(token, now).await?.is_some(),
            _ => false,
        };
        // An access token is valid for another purpose (RFC 6750 section 3.1).
        if is_access_token {
            return Err(RegisterError::OtherToken);
        }
        Ok(found)
    }
}

/// Counts this registration against the quota of its token, or against the quota of its address if it
/// presents no valid token. Callers without a token therefore cannot use up the quota of a token.
pub(in crate::registration) fn count(
    cx: &Context<'_>,
    caller: &Caller<'_>,
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
fn suspect_proxy(cx: &Context<'_>, caller: &Caller<'_>) {
    static SAID: Once = Once::new();
    let headers = caller.headers();
    let is_forwarded = headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded");
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
pub(in crate::registration) fn one_use(cx: &Context<'_>, caller: &Caller<'_>) -> Change {
    let tokens = &cx.service.store.initial_access_tokens;
    match &caller.initial_access {
        Some(token) => tokens.one_use(token),
        None => Change::default(),
    }
}

/// Rejects the request if a concurrent request took the last use of the token.
pub(in crate::registration) async fn check_left(
    cx: &Context<'_>,
    caller: &Caller<'_>,
) -> Result<(), RegisterError> {
    let Some(token) = &caller.initial_access else {
        return Ok(());
    };
    let tokens = &cx.service.store.initial_access_tokens;
    let present = tokens.find(&token.id(), cx.service.clock.now()).await?;
    match present {
        Some(token) if token.uses_left() != Some(0) => Ok(()),
        _ => Err(RegisterError::Unauthorised(BadCredentials::Invalid)),
    }
}
