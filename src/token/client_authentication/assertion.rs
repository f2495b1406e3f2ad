//! `client_secret_jwt`, `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{decoy, secret};
use crate::client::Client;
use crate::config::ClientAssertionAudience;
use crate::jose::{Algorithm, Claims, Compact, Expectations, JwsError, KeySet, TypRule, Verified};
use crate::service::Context;
use crate::store::expiring::single_use::UsedOnce;
use crate::token::TokenError;
use crate::trust::{Certified, ClientKeys, Source, TrustError};

/// Seconds from now within which an assertion must expire. It is remembered for that time, so that it cannot
/// be replayed.
const MOST_AHEAD: u64 = 3_600;
/// Seconds for which an expired assertion is still accepted, since clocks differ.
const SKEW: u64 = 60;
/// The interval at which failed assertions are answered: longer than most fetches of a key set take.
const BEAT: Duration = Duration::from_millis(300);
/// A type that an assertion may have besides `JWT` (RFC 7523bis).
const TYPES: &[&str] = &["client-authentication+jwt"];

/// Returns the method by which `token` authenticates `client`; none if it does not.
pub(super) async fn verify(
    cx: &Context<'_>,
    client: Option<&Client>,
    token: &Compact,
) -> Result<Option<&'static str>, TokenError> {
    let begun = Instant::now();
    let is_symmetric = token.algorithm().is_symmetric();
    let accepted = match verified(cx, client, token).await? {
        Ok(claims) => accept(cx, client, &claims).await?,
        Err(error) => Err(error.to_string()),
    };
    let Err(reason) = accepted else {
        return Ok(Some(if is_symmetric {
            "client_secret_jwt"
        } else {
            "private_key_jwt"
        }));
    };
    if let Some(client) = client {
        tracing::info!(client_id = %client.id, reason, "client assertion rejected");
    }
    if !is_symmetric {
        wait(begun).await;
    }
    Ok(None)
}

/// Verifies `token` with the key or secret of `client`, or with a decoy.
async fn verified(
    cx: &Context<'_>,
    client: Option<&Client>,
    token: &Compact,
) -> Result<Result<Verified<Claims>, TrustError>, TokenError> {
    let is_symmetric = token.algorithm().is_symmetric();
    let algorithms = algorithms(cx, client, is_symmetric);
    let audiences = audiences(cx);
    let expected = Expectations {
        algorithms: &algorithms,
        audiences: &audiences,
        // RFC 7523 section 3: `iss` and `sub` are both the client.
        issuer: client.map(|client| client.id.as_str()),
        typ: TypRule::OneOf(TYPES),
        required: &["iss", "sub", "aud", "exp", "jti"],
        is_sole_audience: cx.settings().client_assertion_audience
            == ClientAssertionAudience::Issuer,
        skew: SKEW,
        ..Expectations::default()
    };
    let verifier = &cx.service.verifier;
    if !is_symmetric {
        let keys = client.map_or(ClientKeys::Nowhere, |client| public(cx, client));
        return Ok(verifier.verify_assertion(token, keys, &expected).await);
    }
    let shared = shared(cx, client)?;
    let is_own = shared.is_some();
    let outcome = verifier
        .verify(token, &shared.unwrap_or_else(decoy::secret), &expected)
        .await;
    Ok(if is_own {
        outcome
    } else {
        Err(JwsError::Signature.into())
    })
}

/// Delays the answer to a failed assertion to a multiple of [`BEAT`] since its arrival. Keys at a `jwks_uri`
/// are fetched only for existing clients, and the duration of the fetch would reveal which clients exist.
async fn wait(begun: Instant) {
    let beats = begun.elapsed().as_millis() / BEAT.as_millis() + 1;
    let beats = u32::try_from(beats).unwrap_or(u32::MAX);
    tokio::time::sleep_until(begun + BEAT.saturating_mul(beats)).await;
}

/// Accepts an assertion with a valid signature, once.
async fn accept(
    cx: &Context<'_>,
    client: Option<&Client>,
    claims: &Claims,
) -> Result<Result<(), String>, TokenError> {
    let Some(id) = client.map(|client| client.id.as_str()) else {
        return Ok(Err("does not belong to a client".to_owned()));
    };
    let now = cx.service.clock.now();
    let (Some(jti), Some(expiry)) = (claims.text("jti"), claims.expiry()) else {
        return Ok(Err("must have `jti` and `exp`".to_owned()));
    };
    if claims.text("sub") != Some(id) {
        return Ok(Err("must have the client_id in `sub`".to_owned()));
    }
    if expiry > now.plus(MOST_AHEAD + SKEW) {
        return Ok(Err(format!(
            "must expire (`exp`) in {MOST_AHEAD} seconds or less"
        )));
    }
    let until = expiry.plus(SKEW);
    let is_first = cx
        .service
        .store
        .single_use
        .claim(UsedOnce::ClientAssertion, &[id, jti], until, now)
        .await?;
    Ok(if is_first {
        Ok(())
    } else {
        Err("was already used (`jti`)".to_owned())
    })
}

/// Returns the algorithms that the client may sign with: the registered one, or those that this server
/// supports.
fn algorithms(cx: &Context<'_>, client: Option<&Client>, is_symmetric: bool) -> Vec<Algorithm> {
    let registered = client.and_then(|client| {
        client
            .metadata
            .metadata()
            .text("token_endpoint_auth_signing_alg")
    });
    let supported = cx
        .settings()
        .token_endpoint_auth_signing_alg_values_supported
        .iter()
        .map(String::as_str);
    let names: Vec<&str> = registered.map_or_else(|| supported.collect(), |one| vec![one]);
    let known = names.into_iter().filter_map(Algorithm::parse);
    known
        .filter(|algorithm| algorithm.is_symmetric() == is_symmetric)
        .collect()
}

/// Returns the names of this server (RFC 7523 section 3, OpenID Connect Core section 9).
fn audiences(cx: &Context<'_>) -> Vec<String> {
    let issuer = cx.service.issuer.clone();
    match cx.settings().client_assertion_audience {
        ClientAssertionAudience::Issuer => vec![issuer],
        ClientAssertionAudience::Any => {
            vec![
                issuer,
                cx.service.endpoint(&cx.service.settings.server.paths.token),
            ]
        }
    }
}

fn shared(cx: &Context<'_>, client: Option<&Client>) -> Result<Option<Source>, TokenError> {
    let secret = secret::open(cx, client)?;
    let set = secret.and_then(|secret| KeySet::from_secret(&secret).ok());
    Ok(set.map(|set| Source {
        secret: Some(Arc::new(set)),
        ..Source::default()
    }))
}

/// Returns the keys that the client registered. If it registered none, returns its certificates, by which the
/// software statement of its registration was verified.
fn public<'a>(cx: &Context<'_>, client: &'a Client) -> ClientKeys<'a> {
    let metadata = client.metadata.metadata();
    match (metadata.get("jwks"), metadata.text("jwks_uri")) {
        (Some(jwks), _) => ClientKeys::Here {
            client: client.id.as_str(),
            jwks,
        },
        (None, Some(url)) => ClientKeys::At(url),
        (None, None) => certified(cx, client).map_or(ClientKeys::Nowhere, ClientKeys::Certified),
    }
}

fn certified(cx: &Context<'_>, client: &Client) -> Option<Certified> {
    let statement = client.provenance.statement.as_ref()?;
    cx.snapshot
        .trust
        .certified(statement.certified_by.as_deref()?, &statement.iss)?
        .certified
}
