//! The sign-in of an administrator with its identifier and its secret: the client authentication of the token endpoint,
//! with the same limits and the same records of failures.

use crate::base::Secret;
use crate::http::{Authorization, Form};
use crate::registration::AttestationHeaders;
use crate::service::Context;
use crate::store::{Author, Stored};
use crate::token::{PresentedCredentials, TokenError, authenticate};

/// Returns the administrator `client_id`, if `secret` is its secret.
///
/// # Errors
/// [`TokenError::Client`] for a wrong secret and for a client that is no administrator, [`TokenError::TooOften`] after
/// too many failures, and an error if the store fails.
pub(crate) async fn sign_in(
    cx: &Context<'_>,
    author: &Author,
    client_id: &str,
    secret: Secret,
) -> Result<Stored, TokenError> {
    let authorization = Authorization::Basic {
        client_id: client_id.to_owned(),
        secret,
    };
    let shown = PresentedCredentials {
        authorization: &authorization,
        form: &Form::default(),
        certificate: None,
        attestation: &AttestationHeaders::default(),
        author,
    };
    let caller = authenticate(cx, &shown).await?;
    if !caller.is_proven || !caller.client.client().is_operators() {
        return Err(TokenError::Client { by_header: false });
    }
    let (uses, now) = (&cx.service.store.uses, cx.service.clock.now());
    uses.note(&caller.client.client().id, now);
    Ok(caller.client)
}
