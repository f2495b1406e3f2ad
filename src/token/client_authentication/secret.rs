//! `client_secret_basic`, `client_secret_post` (RFC 6749 section 2.3.1).

use crate::client::Client;
use crate::secret::{SealError, Secret};
use crate::service::Context;

/// Whether `given` is the secret of `client`, and still good.
pub(super) fn matches(cx: &Context<'_>, client: Option<&Client>, given: &Secret) -> Result<bool, SealError> {
    Ok(open(cx, client)?.is_some_and(|secret| secret.matches(given.expose())))
}

/// The secret of `client`; none when it has none that is good. As much is done for a client that
/// is not there.
pub(super) fn open(cx: &Context<'_>, client: Option<&Client>) -> Result<Option<Secret>, SealError> {
    let (key, now) = (&cx.service.store.sealing_key, cx.service.clock.now());
    let held = client.and_then(|client| Some((client.id.as_str(), client.secret.as_ref()?)));
    let good = held.filter(|(_, secret)| secret.expires_at.is_none_or(|end| now < end));
    if let Some((id, secret)) = good {
        return key.open(&secret.sealed, id).map(Some);
    }
    // Sealing costs what opening does.
    key.seal(&Secret::new("x".repeat(86)), "nobody").map(|_| None)
}
