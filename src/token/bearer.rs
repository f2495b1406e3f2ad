//! Who presents an access token of this server (RFC 6750, RFC 8705 section 3).

use crate::http::ClientCertificate;
use crate::secret::texts_equal;
use crate::service::Context;
use crate::store::tokens::AccessToken;
use crate::store::{StoreError, Stored};

/// An access token that is good, with the client whose it is.
#[derive(Debug)]
pub struct Bearer {
    /// What the token stands for.
    pub token: AccessToken,
    /// The client.
    pub client: Stored,
}

/// The bearer of `token`, when it is good: it has not ended and was not revoked, its client is
/// there and usable, and it comes with the certificate that it is bound to.
///
/// # Errors
/// When the store can not be read.
pub async fn find(
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

/// The same, whatever certificate the token is bound to: for who asks about somebody else's token.
pub(super) async fn find_unbound(cx: &Context<'_>, token: &str) -> Result<Option<Bearer>, StoreError> {
    let now = cx.service.clock.now();
    let found = cx.service.store.tokens.find(token, now).await?;
    let found = found.filter(|(_, client)| client.client().is_usable(now));
    Ok(found.map(|(token, client)| Bearer { token, client }))
}
