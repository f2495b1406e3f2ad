//! `tls_client_auth`, `self_signed_tls_client_auth` (RFC 8705 section 2), and `none`.

use serde_json::Value;

use super::{NONE, registered_method};
use crate::client::{Client, Metadata};
use crate::service::Context;
use crate::token::TokenError;

/// A client certificate, as far as client authentication looks at it.
pub trait ClientCertificate: Send + Sync {
    /// Whether it is within its life, and somebody vouches for it.
    fn is_trusted(&self) -> bool;

    /// `x5t#S256` (RFC 8705 section 3.1).
    fn thumbprint(&self) -> String;

    /// Whether its subject is the one that `metadata` names by a `tls_client_auth_` member.
    fn is_subject_of(&self, metadata: &Metadata) -> bool;

    /// Whether its key is one of the JWK Set `jwks`.
    fn key_is_in(&self, jwks: &Value) -> bool;
}

/// The method by which a request without credentials proves itself; none when it does not.
pub(super) async fn verify(
    cx: &Context<'_>,
    client: Option<&Client>,
    certificate: Option<&dyn ClientCertificate>,
) -> Result<Option<&'static str>, TokenError> {
    let Some(client) = client else { return Ok(None) };
    let metadata = client.metadata.metadata();
    match (registered_method(client), certificate) {
        (NONE, _) => Ok(Some(NONE)),
        ("tls_client_auth", Some(shown)) => {
            Ok((shown.is_trusted() && shown.is_subject_of(metadata)).then_some("tls_client_auth"))
        }
        ("self_signed_tls_client_auth", Some(shown)) => {
            Ok(has_key(cx, metadata, shown).await.then_some("self_signed_tls_client_auth"))
        }
        _ => Ok(None),
    }
}

/// Whether the key of the certificate is one that the client registered, by value or by reference.
async fn has_key(cx: &Context<'_>, metadata: &Metadata, shown: &dyn ClientCertificate) -> bool {
    if let Some(jwks) = metadata.get("jwks") {
        return shown.key_is_in(jwks);
    }
    let Some(url) = metadata.text("jwks_uri") else { return false };
    let documents = &cx.service.documents;
    let Ok(jwks) = documents.get(url).await else { return false };
    if shown.key_is_in(&jwks) {
        return true;
    }
    // A key that is not in it may be in a newer one.
    let newer = documents.refetched(url, &jwks).await;
    newer.is_ok_and(|newer| newer.is_some_and(|newer| shown.key_is_in(&newer)))
}
