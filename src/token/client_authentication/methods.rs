//! The methods of client authentication that compare what the request presents with what the client registered.
//! For the methods with signed assertions, see `assertion.rs`.

use super::{NONE, registered_method};
use crate::base::{SealError, Secret};
use crate::client::{Client, Metadata, certificate};
use crate::http::ClientCertificate;
use crate::registration::{self, AttestationHeaders, AttestedClient};
use crate::service::Context;
use crate::token::TokenError;
use crate::x509::Certificate;

/// `client_secret_basic`, `client_secret_post` (RFC 6749 section 2.3.1): whether `given` is the secret of
/// `client`, and has not expired.
pub(super) fn secret_matches(
    cx: &Context<'_>,
    client: Option<&Client>,
    given: &Secret,
) -> Result<bool, SealError> {
    let is_sealed = match open_secret(cx, client)? {
        Some(secret) => secret.matches(given.expose()),
        None => false,
    };
    let administrator = client.and_then(|client| client.administrator.as_ref());
    let now = cx.service.clock.now();
    let is_hashed = administrator.is_some_and(|data| data.has_secret(given.expose(), now));
    Ok(is_sealed || is_hashed)
}

/// Returns the secret of `client`; none if it has none, or the secret has expired. The work is the same if
/// the client does not exist.
pub(super) fn open_secret(
    cx: &Context<'_>,
    client: Option<&Client>,
) -> Result<Option<Secret>, SealError> {
    let (key, now) = (&cx.service.store.sealing_keys, cx.service.clock.now());
    if let Some(client) = client
        && let Some(secret) = &client.secret
        && secret.expires_at.is_none_or(|end| now < end)
    {
        let secret = key.open(&secret.sealed, client.id.as_str())?;
        return Ok(Some(secret));
    }
    // Sealing costs as much as opening.
    key.seal(&Secret::new("x".repeat(86)), "nobody")?;
    Ok(None)
}

/// `attest_jwt_client_auth` (OAuth 2.0 Attestation-Based Client Authentication): an attester that the operator
/// trusts attests the client by its `client_id`, and the client proves that it holds the key.
///
/// Returns the method by which the headers of a request authenticate `client`; none if they do not. The
/// headers are verified whether or not the client exists.
pub(super) async fn verify_attestation(
    cx: &Context<'_>,
    client: Option<&Client>,
    headers: &AttestationHeaders,
) -> Result<Option<&'static str>, TokenError> {
    let attested = match registration::verify_attestation(cx, headers).await {
        Ok(attested) => attested,
        Err(error) => return Err(TokenError::Attestation(Box::new(error))),
    };
    let (Some(attested), Some(client)) = (attested, client) else {
        return Ok(None);
    };
    if let Err(reason) = check_attested(&attested, client) {
        tracing::info!(client_id = %client.id, reason, "client attestation rejected");
        return Ok(None);
    }
    let is_unused = attested.use_proof(cx).await?;
    Ok(is_unused.then_some("attest_jwt_client_auth"))
}

/// Checks that the attestation is about this client, and comes from the attester that attested it at its
/// registration.
fn check_attested(attested: &AttestedClient, client: &Client) -> Result<(), &'static str> {
    if attested.subject() != client.id.as_str() {
        return Err("its `sub` must be the client_id");
    }
    match &client.provenance.attestation_verifier {
        Some(verifier) if verifier != attested.issuer() => {
            Err("it does not come from the attester of the registration")
        }
        _ => Ok(()),
    }
}

/// `tls_client_auth`, `self_signed_tls_client_auth` (RFC 8705 section 2), and `none`. Returns the method by
/// which a request without credentials authenticates; none if it does not.
pub(super) async fn verify_certificate(
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
            let is_own = matches!(
                certificate::other_subject(metadata, &shown.certificate),
                Some(Ok(()))
            );
            Ok((shown.is_trusted && is_own).then_some("tls_client_auth"))
        }
        ("self_signed_tls_client_auth", Some(shown)) => {
            let is_own = has_key(cx, metadata, &shown.certificate).await;
            Ok(is_own.then_some("self_signed_tls_client_auth"))
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
    match documents.refetched(url, &jwks).await {
        Ok(Some(newer)) => certificate.key_is_in(&newer),
        _ => false,
    }
}
