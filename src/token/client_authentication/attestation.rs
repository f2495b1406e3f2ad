//! `attest_jwt_client_auth` (OAuth 2.0 Attestation-Based Client Authentication): an attester that the
//! operator trusts attests the client by its `client_id`, and the client proves that it holds the key.

use crate::client::Client;
use crate::registration::{self, AttestationHeaders, AttestedClient};
use crate::service::Context;
use crate::token::TokenError;

/// The method.
pub(super) const METHOD: &str = "attest_jwt_client_auth";

/// Returns the method by which the headers of a request authenticate `client`; none if they do not. The
/// headers are verified whether or not the client exists.
pub(super) async fn verify(
    cx: &Context<'_>,
    client: Option<&Client>,
    headers: &AttestationHeaders,
) -> Result<Option<&'static str>, TokenError> {
    let attested = registration::verify_attestation(cx, headers).await;
    let attested = attested.map_err(|error| TokenError::Attestation(Box::new(error)))?;
    let Some((attested, client)) = attested.zip(client) else {
        return Ok(None);
    };
    if let Err(reason) = judge(&attested, client) {
        tracing::info!(client_id = %client.id, reason, "client attestation rejected");
        return Ok(None);
    }
    Ok(attested.use_proof(cx).await?.then_some(METHOD))
}

/// Checks that the attestation is about this client, and comes from the attester that attested it at its
/// registration.
fn judge(attested: &AttestedClient, client: &Client) -> Result<(), &'static str> {
    let voucher = client.provenance.attestation_verifier.as_deref();
    if attested.subject() != client.id.as_str() {
        Err("its `sub` must be the client_id")
    } else if voucher.is_some_and(|voucher| voucher != attested.issuer()) {
        Err("it does not come from the attester of the registration")
    } else {
        Ok(())
    }
}
