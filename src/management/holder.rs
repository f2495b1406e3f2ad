//! Who holds a client: whoever presents its registration access token, or, under
//! `dcrAuthorizationWithClientCredentials`, an access token that the client got for itself.

use hyper::header::HeaderMap;

use super::{Held, ManageError};
use crate::client::{Client, RegistrationTokens};
use crate::http::answer::Presented;
use crate::http::credentials;
use crate::model::ClientId;
use crate::registration::{Caller, certificate};
use crate::secret::{Secret, TokenDigest};
use crate::service::Context;
use crate::store::{Change, StoreError, Stored};
use crate::token::bearer;

/// Finds the client that the request names and checks that the token is its own.
///
/// An unknown client, a deleted, expired or disabled one and a wrong token are refused alike, after the
/// same work, so that nobody learns which clients there are (OpenID Connect Registration
/// section 4.4).
pub(super) async fn authenticate(
    cx: &Context<'_>,
    client_id: Option<&str>,
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Held, ManageError> {
    let token = credentials::bearer(headers).map_err(ManageError::Unauthorised)?;
    let refused = ManageError::Unauthorised(Presented::Invalid);
    let id = client_id.and_then(|id| ClientId::parse(id).ok());
    let shown = TokenDigest::of(token);
    // A record that has not the digest is not read: a wrong token costs what an unknown client costs.
    let stored = match &id {
        Some(id) => cx.service.store.clients.find_holding(id, &shown).await?,
        None => None,
    };
    // A client that the operator made has no holder who could manage it.
    let stored = stored.filter(|stored| !stored.client().is_operators());
    let matched = stored.as_ref().and_then(|stored| matched(stored.client(), &shown));
    if matched.is_none() && cx.settings().dcr_authorization_with_client_credentials {
        return by_access_token(cx, id.as_ref(), token, caller).await;
    }
    let (Some(stored), Some(matched)) = (stored, matched) else { return Err(refused) };
    if !stored.client().is_usable(cx.service.clock.now()) {
        return Err(refused);
    }
    certificate::hold(cx, caller, stored.client()).await?;
    let stored =
        if matched == Matched::Successor { retire_previous(cx, stored, &shown).await? } else { stored };
    Ok(Held { stored, token: Some(Secret::new(token.to_owned())) })
}

/// Looks whether `token` is an access token of the client `id`. The client comes with the token, so that
/// one that is there is not looked at for a token that is not its own.
async fn by_access_token(
    cx: &Context<'_>,
    id: Option<&ClientId>,
    token: &str,
    caller: &Caller,
) -> Result<Held, ManageError> {
    let found = bearer::find(cx, token, caller.certificate.as_ref()).await?;
    let own = found.filter(|bearer| Some(&bearer.token.client_id) == id);
    let stored = own.map(|bearer| bearer.client).filter(|stored| !stored.client().is_operators());
    let stored = stored.ok_or(ManageError::Unauthorised(Presented::Invalid))?;
    certificate::hold(cx, caller, stored.client()).await?;
    Ok(Held { stored, token: None })
}

/// Which of a client's tokens was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matched {
    /// The only one.
    Current,
    /// The newest, while the one before it is still good.
    Successor,
    /// The one before the newest.
    Previous,
}

/// Compares the digest of a token with those of `client`: always with two, so that it takes as long for
/// each.
fn matched(client: &Client, shown: &TokenDigest) -> Option<Matched> {
    let RegistrationTokens { current, previous } = &client.tokens;
    let is_current = current.is(shown);
    let is_previous = previous.as_ref().unwrap_or(current).is(shown);
    match (previous, is_current, is_previous) {
        (Some(_), true, _) => Some(Matched::Successor),
        (None, true, _) => Some(Matched::Current),
        (Some(_), false, true) => Some(Matched::Previous),
        (_, false, _) => None,
    }
}

/// How often it is tried to retire a token of a client that others change meanwhile.
const TRIES: usize = 8;

/// The new token, whose digest is `shown`, arrived, so the one before it dies: when this returns, it is good no more.
async fn retire_previous(
    cx: &Context<'_>,
    stored: Stored,
    shown: &TokenDigest,
) -> Result<Stored, ManageError> {
    let (clients, mut stored) = (&cx.service.store.clients, stored);
    for _ in 0..TRIES {
        let mut client = stored.client().clone();
        client.tokens.previous = None;
        match clients.replace(&stored, &client, Change::default()).await {
            // Whoever came first has retired it, or changed the client otherwise.
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        let found = clients.find(&client.id).await?;
        stored = found.ok_or(ManageError::Unauthorised(Presented::Invalid))?;
        match matched(stored.client(), shown) {
            Some(Matched::Successor) => {}
            Some(Matched::Current | Matched::Previous) => return Ok(stored),
            None => return Err(ManageError::Unauthorised(Presented::Invalid)),
        }
    }
    Err(ManageError::Conflict)
}
