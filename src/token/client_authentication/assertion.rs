//! `client_secret_jwt`, `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9).

use std::sync::Arc;

use super::{decoy, secret};
use crate::client::Client;
use crate::jose::{Algorithm, Claims, Compact, Expectations, KeySet, TypRule};
use crate::service::Context;
use crate::store::single_use::UsedOnce;
use crate::token::TokenError;
use crate::trust::{Keys, Source, key_set};

/// Seconds from now until which an assertion may be good at most: so long it is remembered, so
/// that nobody uses it again.
const MOST_AHEAD: u64 = 3_600;
/// Seconds after its end for which an assertion is still taken, since clocks differ.
const SKEW: u64 = 60;
/// The type that an assertion may have beside `JWT` (RFC 7523bis).
const TYPES: &[&str] = &["client-authentication+jwt"];

/// The method by which `token` proves that it is of `client`; none when it does not.
pub(super) async fn verify(
    cx: &Context<'_>,
    client: Option<&Client>,
    token: &Compact,
) -> Result<Option<&'static str>, TokenError> {
    let is_symmetric = token.algorithm().is_symmetric();
    let source =
        if is_symmetric { shared(cx, client)? } else { client.and_then(|client| public(cx, client)) };
    let algorithms = algorithms(cx, client, is_symmetric);
    let id = client.map(|client| client.id.as_str());
    let audiences = audiences(cx);
    let expected = Expectations {
        algorithms: &algorithms,
        audiences: &audiences,
        // RFC 7523 section 3: both are the client.
        issuer: id,
        typ: TypRule::OneOf(TYPES),
        required: &["iss", "sub", "aud", "exp", "jti"],
        skew: SKEW,
        ..Expectations::default()
    };
    let is_known = source.is_some();
    let source = source.unwrap_or_else(|| decoy::source(is_symmetric));
    let verified = cx.service.verifier.verify(token, &source, &expected).await;
    let (Some(id), true) = (id, is_known) else { return Ok(None) };
    let accepted = match verified {
        Ok(claims) => accept(cx, id, &claims).await?,
        Err(error) => Err(error.to_string()),
    };
    match accepted {
        Ok(()) => Ok(Some(if is_symmetric { "client_secret_jwt" } else { "private_key_jwt" })),
        Err(reason) => {
            tracing::info!(client_id = id, reason, "a client assertion was refused");
            Ok(None)
        }
    }
}

/// Takes an assertion whose signature is good, once.
async fn accept(cx: &Context<'_>, id: &str, claims: &Claims) -> Result<Result<(), String>, TokenError> {
    let now = cx.service.clock.now();
    let (Some(jti), Some(expiry)) = (claims.text("jti"), claims.expiry()) else {
        return Ok(Err("must have `jti` and `exp`".to_owned()));
    };
    if claims.text("sub") != Some(id) {
        return Ok(Err("must have the client_id in `sub`".to_owned()));
    }
    if expiry > now.plus(MOST_AHEAD + SKEW) {
        return Ok(Err(format!("must end (`exp`) in {MOST_AHEAD} seconds or less")));
    }
    let until = expiry.plus(SKEW);
    let is_first =
        cx.service.store.single_use.claim(UsedOnce::ClientAssertion, &[id, jti], until, now).await?;
    Ok(if is_first { Ok(()) } else { Err("was used already (`jti`)".to_owned()) })
}

/// What the client may sign with: what it registered, or what this server supports.
fn algorithms(cx: &Context<'_>, client: Option<&Client>, is_symmetric: bool) -> Vec<Algorithm> {
    let registered =
        client.and_then(|client| client.metadata.metadata().text("token_endpoint_auth_signing_alg"));
    let supported = cx.settings().token_endpoint_auth_signing_alg_values_supported.iter().map(String::as_str);
    let names: Vec<&str> = registered.map_or_else(|| supported.collect(), |one| vec![one]);
    let known = names.into_iter().filter_map(Algorithm::parse);
    known.filter(|algorithm| algorithm.is_symmetric() == is_symmetric).collect()
}

/// The names of this server (RFC 7523 section 3, OpenID Connect Core section 9).
fn audiences(cx: &Context<'_>) -> [String; 2] {
    [cx.service.issuer.clone(), cx.service.endpoint(&cx.service.settings.server.paths.token)]
}

fn shared(cx: &Context<'_>, client: Option<&Client>) -> Result<Option<Source>, TokenError> {
    let secret = secret::open(cx, client)?;
    let set = secret.and_then(|secret| KeySet::from_secret(&secret).ok());
    Ok(set.map(|set| Source { secret: Some(Arc::new(set)), ..Source::default() }))
}

/// The keys that the client registered; where it registered none, its certificates, by which the
/// software statement that registered it was believed.
fn public(cx: &Context<'_>, client: &Client) -> Option<Source> {
    let metadata = client.metadata.metadata();
    let known = metadata.get("jwks").and_then(|jwks| key_set(jwks).ok());
    let known = known.map(|set| Keys::Known(Arc::new(set)));
    let keys = known.or_else(|| metadata.text("jwks_uri").map(|url| Keys::Claimed(url.to_owned())));
    if metadata.has("jwks") || keys.is_some() {
        return keys.map(Source::of);
    }
    let statement = client.provenance.statement.as_ref()?;
    cx.snapshot.trust.certified(statement.certified_by.as_deref()?, &statement.iss)
}
