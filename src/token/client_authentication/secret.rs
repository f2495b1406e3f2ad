//! `client_secret_basic`, `client_secret_post` (RFC 6749 section 2.3.1).

use crate::base::{SealError, Secret};
use crate::client::Client;
use crate::service::Context;

/// Whether `given` is the secret of `client`, and has not expired.
pub(super) fn matches(
    cx: &Context<'_>,
    client: Option<&Client>,
    given: &Secret,
) -> Result<bool, SealError> {
    Ok(open(cx, client)?.is_some_and(|secret| secret.matches(given.expose())))
}

/// Returns the secret of `client`; none if it has none, or the secret has expired. The work is the same if
/// the client does not exist.
pub(super) fn open(cx: &Context<'_>, client: Option<&Client>) -> Result<Option<Secret>, SealError> {
    let (key, now) = (&cx.service.store.sealing_key, cx.service.clock.now());
    let held = client.and_then(|client| Some((client.id.as_str(), client.secret.as_ref()?)));
    let good = held.filter(|(_, secret)| secret.expires_at.is_none_or(|end| now < end));
    if let Some((id, secret)) = good {
        return key.open(&secret.sealed, id).map(Some);
    }
    // Sealing costs as much as opening.
    key.seal(&Secret::new("x".repeat(86)), "nobody")
        .map(|_| None)
}
