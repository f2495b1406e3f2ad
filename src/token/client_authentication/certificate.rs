//! `tls_client_auth`, `self_signed_tls_client_auth` (RFC 8705 section 2), and `none`.

use super::{NONE, registered_method};
use crate::client::certificate::other_subject;
use crate::client::{Client, Metadata};
use crate::http::ClientCertificate;
use crate::service::Context;
use crate::token::TokenError;
use crate::x509::Certificate;

/// Returns the method by which a request without credentials authenticates; none if it does not.
pub(super) async fn verify(
    cx: &Context<'_>,
    client: Option<&Client>,
    certificate: Option<&ClientCertificate>,
) -> Result<Option<&'static str>, TokenError> {
    let Some(client) = client else {
        return Ok(None);
    };
    let metadata = client.metadata.metadata();
    match (registered_method(client), certificate) {
        (NONE, _) => Ok(Some(NONE)),
        ("tls_client_auth", Some(shown)) => {
            let is_own = matches!(other_subject(metadata, &shown.certificate), Some(Ok(())));
            Ok((shown.is_trusted && is_own).then_some("tls_client_auth"))
        }
        ("self_signed_tls_client_auth", Some(shown)) => {
            Ok(has_key(cx, metadata, &shown.certificate)
                .await
                .then_some("self_signed_tls_client_auth"))
        }
        _ => Ok(None),
    }
}

/// Whether the client registered the key of the certificate, by value or by reference.
async fn has_key(cx: &Context<'_>, metadata: &Metadata, certificate: &Certificate) -> bool {
    if let Some(jwks) = metadata.get("jwks") {
        return certificate.key_is_in(jwks);
    }
    let Some(url) = metadata.text("jwks_uri") else {
        return false;
    };
    let documents = &cx.service.documents;
    let Ok(jwks) = documents.get(url).await else {
        return false;
    };
    if certificate.key_is_in(&jwks) {
        return true;
    }
    // A key that is missing here may be in a newer set.
    let newer = documents.refetched(url, &jwks).await;
    newer.is_ok_and(|newer| newer.is_some_and(|newer| certificate.key_is_in(&newer)))
}
