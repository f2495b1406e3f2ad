//! Authentication of a client for its management: by its registration access token or, under
//! `dcrAuthorizationWithClientCredentials`, by an access token that the token endpoint issued to the client
//! itself.

use hyper::header::HeaderMap;

use super::{Held, ManageError};
use crate::base::{ClientId, Secret, TokenDigest};
use crate::client::{Client, RegistrationTokens};
use crate::http::answer::BadCredentials;
use crate::http::credentials;
use crate::registration::Caller;
use crate::registration::proof::certificate;
use crate::service::Context;
use crate::store::{Change, StoreError, Stored};
use crate::token::bearer;

/// Finds the client that the request names and checks that the token belongs to it.
///
/// An unknown, deleted, expired or disabled client and a wrong token are rejected alike, after the same work,
/// so that an attacker cannot learn which clients exist (OpenID Connect Registration section 4.4).
pub(super) async fn authenticate(
    cx: &Context<'_>,
    client_id: Option<&str>,
    headers: &HeaderMap,
    caller: &Caller<'_>,
) -> Result<Held, ManageError> {
    let token = credentials::bearer(headers).map_err(ManageError::Unauthorised)?;
    let id = client_id.and_then(|id| ClientId::parse(id).ok());
    let digest = TokenDigest::of(token);
    let own = by_registration_token(cx, id.as_ref(), &digest).await?;
    let Some((stored, matched)) = own else {
        if cx.settings().dcr_authorization_with_client_credentials {
            return by_access_token(cx, id.as_ref(), token, caller).await;
        }
        return Err(ManageError::Unauthorised(BadCredentials::Invalid));
    };
    if !stored.client().is_usable(cx.service.clock.now()) {
        return Err(ManageError::Unauthorised(BadCredentials::Invalid));
    }
    certificate::hold(cx, caller, stored.client()).await?;
    let stored = match matched {
        Matched::Successor => retire_previous(cx, stored, &digest).await?,
        Matched::Current | Matched::Previous => stored,
    };
    Ok(Held {
        stored,
        token: Some(Secret::new(token.to_owned())),
    })
}

/// Finds the client `id`, if the token with this digest is one of its registration access tokens.
async fn by_registration_token(
    cx: &Context<'_>,
    id: Option<&ClientId>,
    digest: &TokenDigest,
) -> Result<Option<(Stored, Matched)>, StoreError> {
    let Some(id) = id else {
        return Ok(None);
    };
    // A record without this digest is not read, so a wrong token costs as much as an unknown client.
    let found = cx.service.store.clients.find_holding(id, digest).await?;
    // A client that the operator created has no registration access token that could manage it.
    let Some(stored) = found.filter(|stored| !stored.client().is_operators()) else {
        return Ok(None);
    };
    let matched = matched(stored.client(), digest);
    Ok(matched.map(|matched| (stored, matched)))
}

/// Checks whether `token` is an access token of the client `id`. The client is found by the token, so a
/// client is never read for a token that belongs to another client.
async fn by_access_token(
    cx: &Context<'_>,
    id: Option<&ClientId>,
    token: &str,
    caller: &Caller<'_>,
) -> Result<Held, ManageError> {
    let found = bearer::find(cx, token, caller.certificate).await?;
    let own = found.filter(|bearer| Some(&bearer.token.client_id) == id);
    let stored = own
        .map(|bearer| bearer.client)
        .filter(|stored| !stored.client().is_operators());
    let stored = stored.ok_or(ManageError::Unauthorised(BadCredentials::Invalid))?;
    certificate::hold(cx, caller, stored.client()).await?;
    Ok(Held {
        stored,
        token: None,
    })
}

/// Which of the client's tokens was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matched {
    /// The only token.
    Current,
    /// The newest token, while the previous one is still valid.
    Successor,
    /// The previous token.
    Previous,
}

/// Compares the digest of a token with the digests of `client`. It always compares two digests, so that it
/// takes equally long for every client.
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

/// The maximum number of attempts to retire the token of a client that other requests change at the same
/// time.
const TRIES: usize = 8;

/// Retires the previous token, since the new one, whose digest is `shown`, has arrived. The previous token is
/// invalid when this function returns.
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
            // Another request has retired the token first, or has changed the client in another way.
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        let found = clients.find(&client.id).await?;
        stored = found.ok_or(ManageError::Unauthorised(BadCredentials::Invalid))?;
        match matched(stored.client(), shown) {
            Some(Matched::Successor) => {}
            Some(Matched::Current | Matched::Previous) => return Ok(stored),
            None => return Err(ManageError::Unauthorised(BadCredentials::Invalid)),
        }
    }
    Err(ManageError::Conflict)
}
