//! What a client can do with an existing token: introspection (RFC 7662) and revocation (RFC 7009).

use serde_json::{Map, Value, json};

use crate::base::ClientId;
use crate::client::Client;
use crate::http::Form;
use crate::service::Context;
use crate::store::AccessToken;
use crate::token::{Authenticated, Bearer, TokenError, administers, find_unbound_bearer};

/// The party that introspects a token.
pub(super) struct Asker {
    /// The client.
    client_id: ClientId,
    /// Whether it may see the tokens of other clients.
    sees_all: bool,
}

impl Asker {
    /// `client` with these scopes: its registered scopes, or the scopes of the token that it presents.
    pub(super) fn new(cx: &Context<'_>, client: &Client, scope: &str) -> Self {
        let sees_all = administers(client, scope, &cx.service.settings.admin.scopes.tokens_read);
        Self {
            client_id: client.id.clone(),
            sees_all,
        }
    }
}

/// Describes a token to `asker` (RFC 7662 section 2.2). An invalid token, and a token of another client, is
/// reported only as inactive, unless the caller has the scope to see all tokens.
///
/// # Errors
/// When no token is named, or the store cannot be read.
pub(super) async fn introspect(
    cx: &Context<'_>,
    asker: &Asker,
    form: &Form,
) -> Result<Map<String, Value>, TokenError> {
    let found = find_unbound_bearer(cx, named_token(form)?).await?;
    match found {
        Some(Bearer { token, .. }) if asker.sees_all || token.client_id == asker.client_id => {
            let (uses, now) = (&cx.service.store.uses, cx.service.clock.now());
            uses.note(&token.client_id, now);
            Ok(described(cx, &token))
        }
        _ => Ok(Map::from_iter([("active".to_owned(), false.into())])),
    }
}

/// Returns the token that a request names.
fn named_token(form: &Form) -> Result<&str, TokenError> {
    form.get("token")
        .ok_or(TokenError::Request("the parameter `token` is missing"))
}

fn described(cx: &Context<'_>, token: &AccessToken) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("active", true.into());
    put("iss", cx.service.issuer.clone().into());
    put("client_id", token.client_id.as_str().into());
    put("sub", token.client_id.as_str().into());
    put("token_type", "Bearer".into());
    put("iat", token.issued_at.unix().into());
    put("exp", token.expires_at.unix().into());
    if !token.scope.is_empty() {
        put("scope", token.scope.clone().into());
    }
    // RFC 8705 section 3.2.
    if let Some(thumbprint) = &token.certificate {
        put("cnf", json!({ "x5t#S256": thumbprint }));
    }
    members
}

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
    let (tokens, now) = (&cx.service.store.tokens, cx.service.clock.now());
    let id = &caller.client.client().id;
    if tokens.revoke(named_token(form)?, id, now).await? {
        tracing::info!(client_id = %id, "access token revoked");
    }
    Ok(())
}
