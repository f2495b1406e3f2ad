//! The grant `client_credentials` (RFC 6749 section 4.4).

use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::base::{Secret, random, scope};
use crate::client::Client;
use crate::config::AdminScopes;
use crate::http::{ClientCertificate, Form};
use crate::service::Context;
use crate::store::AccessToken;
use crate::telemetry::traces;
use crate::token::{Authenticated, TokenError};

const GRANT: &str = "client_credentials";

/// Issues an access token to `caller`, and returns the members of the response (RFC 6749 section 5.1).
///
/// # Errors
/// When the client is not allowed what it requests, or the store cannot store the token.
pub(super) async fn issue_token(
    cx: &Context<'_>,
    caller: &Authenticated,
    form: &Form,
    certificate: Option<&ClientCertificate>,
) -> Result<Map<String, Value>, TokenError> {
    let client = caller.client.client();
    check_grant(caller, form)?;
    let mut stands_for = access_token(cx, client, granted_scope(cx, client, form.get("scope"))?);
    stands_for.certificate = bound(client, certificate)?;
    let token = random::token()?;
    let stored = cx.service.store.tokens.insert(&token, stands_for.clone());
    stored.instrument(traces::step("store")).await?;
    tracing::info!(client_id = %client.id, scope = stands_for.scope, "access token issued");
    Ok(response(&token, stands_for))
}

/// Returns the members of the response for `token`.
fn response(token: &Secret, stands_for: AccessToken) -> Map<String, Value> {
    let (issued, expires) = (stands_for.issued_at.unix(), stands_for.expires_at.unix());
    let mut answer = Map::from_iter([
        ("access_token".to_owned(), token.expose().into()),
        ("token_type".to_owned(), "Bearer".into()),
        (
            "expires_in".to_owned(),
            expires.saturating_sub(issued).into(),
        ),
    ]);
    if !stands_for.scope.is_empty() {
        answer.insert("scope".to_owned(), stands_for.scope.into());
    }
    answer
}

/// Checks that the client requests the only grant of this endpoint, has registered it, and is authenticated.
fn check_grant(caller: &Authenticated, form: &Form) -> Result<(), TokenError> {
    match form.get("grant_type") {
        None => {
            return Err(TokenError::Request(
                "grant_type is missing; send grant_type=client_credentials",
            ));
        }
        Some(GRANT) => {}
        Some(_) => return Err(TokenError::GrantType),
    }
    let metadata = caller.client.client().metadata.metadata();
    let is_registered = metadata.texts("grant_types").any(|grant| grant == GRANT);
    if !is_registered || !caller.is_proven {
        return Err(TokenError::Unauthorised);
    }
    if metadata.flag("dpop_bound_access_tokens") {
        Err(TokenError::Dpop)
    } else {
        Ok(())
    }
}

/// Returns the granted scopes: the requested ones, or all registered ones (RFC 6749 section 3.3).
fn granted_scope(
    cx: &Context<'_>,
    client: &Client,
    asked: Option<&str>,
) -> Result<String, TokenError> {
    let registered = own_scope(&cx.service.settings.admin.scopes, client);
    let Some(asked) = asked else {
        return Ok(registered);
    };
    let mut granted: Vec<&str> = Vec::new();
    // A token request follows RFC 6749 strictly: one space between two words.
    for word in asked.split(' ') {
        if word.is_empty() || !scope::has(&registered, word) {
            return Err(not_registered(&registered));
        }
        if !granted.contains(&word) {
            granted.push(word);
        }
    }
    Ok(granted.join(" "))
}

fn not_registered(registered: &str) -> TokenError {
    let own = if registered.is_empty() {
        "no scope"
    } else {
        registered
    };
    TokenError::Scope(format!(
        "this client registered {own}; request only registered scopes"
    ))
}

/// Returns the registered scopes of `client`. Scopes of administrators are left out unless the operator
/// created the client: it may have registered them at a time when they were ordinary scopes.
fn own_scope(scopes: &AdminScopes, client: &Client) -> String {
    let registered = client.metadata.metadata().text("scope").unwrap_or_default();
    if client.is_operators() {
        return registered.to_owned();
    }
    let administering = scopes.all();
    let words = scope::words(registered);
    let own: Vec<&str> = words.filter(|word| !administering.contains(word)).collect();
    own.join(" ")
}

/// Returns the content of a token of `client` that is issued now.
fn access_token(cx: &Context<'_>, client: &Client, scope: String) -> AccessToken {
    let now = cx.service.clock.now();
    let most = cx.settings().access_token_lifetime;
    let lifetime = match client.metadata.metadata().count("access_token_lifetime") {
        Some(own) if own > 0 => own.min(most),
        _ => most,
    };
    let end = now.plus(lifetime);
    let expires_at = match client.expires_at {
        Some(last) => last.min(end),
        None => end,
    };
    AccessToken {
        client_id: client.id.clone(),
        client_issued_at: client.issued_at,
        scope,
        issued_at: now,
        expires_at,
        certificate: None,
    }
}

/// Returns the certificate that the token is bound to, if the client registered that (RFC 8705 section 3).
fn bound(
    client: &Client,
    certificate: Option<&ClientCertificate>,
) -> Result<Option<String>, TokenError> {
    let metadata = client.metadata.metadata();
    if !metadata.flag("tls_client_certificate_bound_access_tokens") {
        return Ok(None);
    }
    match certificate {
        Some(shown) => Ok(Some(shown.certificate.thumbprint())),
        None => Err(TokenError::Request(
            "this client gets only tokens that are bound to its certificate; connect with that \
             certificate",
        )),
    }
}
