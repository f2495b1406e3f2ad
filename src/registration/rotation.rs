//! How one registration access token takes the place of another (RFC 7592 section 3).
//!
//! The answer that brings a new token may be lost, and a client may read itself several times side by
//! side. So the token before it stays good until the new one is used, and a read with that one within
//! [`SAME`] seconds tells the same new token, and not one more of which only the last would be good.
//! Later it tells another one, and the one that was told first is dead: of two holders of a stolen token
//! one is locked out, and notices. Each update has a token of its own: the last one is what counts.

use super::RegisterError;
use crate::client::{Client, RegistrationTokens, Successor};
use crate::random;
use crate::secret::{SealError, Secret, TokenDigest};
use crate::service::Context;

/// Seconds for which reads with one token tell the same new one.
const SAME: u64 = 60;

/// The token that was told to somebody who showed `presented` a moment ago; none: there is none, or
/// that is long ago.
///
/// # Errors
/// When it does not open.
pub fn told(cx: &Context<'_>, client: &Client, presented: &Secret) -> Result<Option<Secret>, SealError> {
    let RegistrationTokens { previous, successor, .. } = &client.tokens;
    let is_previous = previous.as_ref().is_some_and(|digest| digest.matches(presented.expose()));
    let is_told = |told: &&Successor| is_previous && cx.service.clock.now() < told.until;
    let told = successor.as_ref().filter(is_told);
    let key = &cx.service.store.sealing_key;
    told.map(|told| key.open(&told.sealed, &owner(client.id.as_str()))).transpose()
}

/// A new token beside `presented`, by which its holder has shown to be that of `client`, and the digests
/// that the client has then.
///
/// # Errors
/// When no token can be made or sealed.
pub fn next(
    cx: &Context<'_>,
    client: &Client,
    presented: &Secret,
) -> Result<(Secret, RegistrationTokens), RegisterError> {
    let (key, token) = (&cx.service.store.sealing_key, random::token()?);
    let sealed = key.seal(&token, &owner(client.id.as_str()))?;
    let tokens = RegistrationTokens {
        current: TokenDigest::of(token.expose()),
        previous: Some(TokenDigest::of(presented.expose())),
        successor: Some(Successor { sealed, until: cx.service.clock.now().plus(SAME) }),
    };
    Ok((token, tokens))
}

/// For whom the token is sealed: it does not open in the place of the client's secret.
fn owner(client_id: &str) -> String {
    format!("{client_id} registration access token")
}
