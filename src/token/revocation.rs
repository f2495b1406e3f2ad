//! Revocation (RFC 7009).

use super::{Authenticated, TokenError};
use crate::http::form::Form;
use crate::service::Context;

/// Revokes a token of `caller`. A token of another client, or one that is no longer valid, is left alone
/// without an error (RFC 7009 section 2.2).
///
/// # Errors
/// When no token is named, or the store cannot be written.
pub(super) async fn revoke(
    cx: &Context<'_>,
    caller: &Authenticated,
    form: &Form,
) -> Result<(), TokenError> {
    let token = form
        .get("token")
        .ok_or(TokenError::Request("the parameter `token` is missing"))?;
    let id = &caller.client.client().id;
    if cx
        .service
        .store
        .tokens
        .revoke(token, id, cx.service.clock.now())
        .await?
    {
        tracing::info!(client_id = %id, "access token revoked");
    }
    Ok(())
}
