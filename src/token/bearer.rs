//! Authentication by an access token of this server (RFC 6750, RFC 8705 section 3).

use crate::base::texts_equal;
use crate::http::ClientCertificate;
use crate::service::Context;
use crate::store::expiring::tokens::AccessToken;
use crate::store::{StoreError, Stored};

/// A valid access token, with the client that it was issued to.
#[derive(Debug)]
pub(crate) struct Bearer {
    /// The content of the token.
    pub token: AccessToken,
    /// The client.
    pub client: Stored,
}

/// Finds the bearer of `token`, if the token is valid: it has not expired and was not revoked, its client
/// exists and is usable, and the token is presented with the certificate that it is bound to.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn find(
    cx: &Context<'_>,
    token: &str,
    certificate: Option<&ClientCertificate>,
) -> Result<Option<Bearer>, StoreError> {
    let bearer = find_unbound(cx, token).await?;
    let is_bound_here = |bearer: &Bearer| match (&bearer.token.certificate, certificate) {
        (None, _) => true,
        (Some(bound), Some(shown)) => texts_equal(bound, &shown.certificate.thumbprint()),
        (Some(_), None) => false,
    };
    Ok(bearer.filter(is_bound_here))
}

/// Finds the bearer regardless of the certificate that the token is bound to, for a caller that asks about
/// another client's token.
pub(super) async fn find_unbound(
    cx: &Context<'_>,
    token: &str,
) -> Result<Option<Bearer>, StoreError> {
    let now = cx.service.clock.now();
    let found = cx.service.store.tokens.find(token, now).await?;
    let found = found.filter(|(_, client)| client.client().is_usable(now));
    Ok(found.map(|(token, client)| Bearer { token, client }))
}
