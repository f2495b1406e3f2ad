//! Authentication of a client for its management: by its registration access token or, under
//! `dcrAuthorizationWithClientCredentials`, by an access token that the token endpoint issued to the client
//! itself.

use hyper::header::HeaderMap;

use crate::base::{ClientId, Secret, TokenDigest};
use crate::client::{Client, RegistrationTokens};
use crate::http::{BadCredentials, credentials};
use crate::management::{Held, ManageError};
use crate::registration::{Caller, certificate};
use crate::service::Context;
use crate::store::{Change, StoreError, Stored};
use crate::token;

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
    match by_registration_token(cx, id.as_ref(), &digest).await? {
        Some((stored, matched)) => {
            let stored = admit(cx, caller, stored, matched, &digest).await?;
            let token = Some(Secret::new(token.to_owned()));
            Ok(Held { stored, token })
        }
        None if cx.settings().dcr_authorization_with_client_credentials => {
            by_access_token(cx, id.as_ref(), token, caller).await
        }
        None => Err(INVALID),
    }
}

/// The same error in every case, so that an attacker cannot tell them apart.
const INVALID: ManageError = ManageError::Unauthorised(BadCredentials::Invalid);

/// Admits the client `stored`, which presented the registration access token with this digest.
async fn admit(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    stored: Stored,
    matched: Matched,
    digest: &TokenDigest,
) -> Result<Stored, ManageError> {
    if !stored.client().is_usable(cx.service.clock.now()) {
        return Err(INVALID);
    }
    certificate::hold(cx, caller, stored.client()).await?;
    match matched {
        // In a box, so that a request without a rotation does not carry the space of its future.
        Matched::Successor => Box::pin(retire_previous(cx, stored, digest)).await,
        Matched::Current | Matched::Previous => Ok(stored),
    }
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
    let stored = match found {
        Some(stored) if !stored.client().is_operators() => stored,
        _ => return Ok(None),
    };
    match matched(stored.client(), digest) {
        Some(matched) => Ok(Some((stored, matched))),
        None => Ok(None),
    }
}

/// Checks whether `token` is an access token of the client `id`. The client is found by the token, so a
/// client is never read for a token that belongs to another client.
async fn by_access_token(
    cx: &Context<'_>,
    id: Option<&ClientId>,
    token: &str,
    caller: &Caller<'_>,
) -> Result<Held, ManageError> {
    let Some(bearer) = token::find_bearer(cx, token, caller.certificate).await? else {
        return Err(INVALID);
    };
    let stored = bearer.client;
    if Some(&bearer.token.client_id) != id || stored.client().is_operators() {
        return Err(INVALID);
    }
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
        stored = clients.find(&client.id).await?.ok_or(INVALID)?;
        match matched(stored.client(), shown) {
            Some(Matched::Successor) => {}
            Some(Matched::Current | Matched::Previous) => return Ok(stored),
            None => return Err(INVALID),
        }
    }
    Err(ManageError::Conflict)
}
