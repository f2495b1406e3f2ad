//! `client_secret_jwt`, `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9).

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::Instant;

use super::methods::open_secret;
use crate::base::{Secret, Timestamp};
use crate::client::Client;
use crate::config::ClientAssertionAudience;
use crate::jose::{Algorithm, Claims, Compact, Expectations, JwsError, KeySet, TypRule, Verified};
use crate::service::Context;
use crate::store::UsedOnce;
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
    let accepted = match verify_signature(cx, client, token).await? {
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
async fn verify_signature(
    cx: &Context<'_>,
    client: Option<&Client>,
    token: &Compact,
) -> Result<Result<Verified<Claims>, TrustError>, TokenError> {
    let is_symmetric = token.algorithm().is_symmetric();
    let algorithms = algorithms(cx, client, is_symmetric);
    let audiences = audiences(cx);
    let expected = expectations(cx, client, &algorithms, &audiences);
    if is_symmetric {
        return verify_with_secret(cx, client, token, &expected).await;
    }
    let keys = match client {
        Some(client) => public(cx, client),
        None => ClientKeys::Nowhere,
    };
    let verifier = &cx.service.verifier;
    Ok(verifier.verify_assertion(token, keys, &expected).await)
}

/// Verifies `token` with the secret of `client`, or with the decoy. A signature by the decoy is not valid.
async fn verify_with_secret(
    cx: &Context<'_>,
    client: Option<&Client>,
    token: &Compact,
    expected: &Expectations<'_>,
) -> Result<Result<Verified<Claims>, TrustError>, TokenError> {
    let verifier = &cx.service.verifier;
    if let Some(own) = shared(cx, client)? {
        return Ok(verifier.verify(token, &own, expected).await);
    }
    drop(verifier.verify(token, &decoy(), expected).await);
    Ok(Err(JwsError::Signature.into()))
}

fn expectations<'a>(
    cx: &Context<'_>,
    client: Option<&'a Client>,
    algorithms: &'a [Algorithm],
    audiences: &'a [String],
) -> Expectations<'a> {
    let audience = cx.settings().client_assertion_audience;
    Expectations {
        algorithms,
        audiences,
        // RFC 7523 section 3: `iss` and `sub` are both the client.
        issuer: client.map(|client| client.id.as_str()),
        typ: TypRule::OneOf(TYPES),
        required: &["iss", "sub", "aud", "exp", "jti"],
        is_sole_audience: audience == ClientAssertionAudience::Issuer,
        skew: SKEW,
        ..Expectations::default()
    }
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
    let now = cx.service.clock.now();
    let (id, until) = match check_claims(client, claims, now) {
        Ok(single_use) => single_use,
        Err(reason) => return Ok(Err(reason)),
    };
    let single_use = &cx.service.store.single_use;
    let is_first = single_use.claim(UsedOnce::ClientAssertion, &id, until, now);
    if is_first.await? {
        Ok(Ok(()))
    } else {
        Ok(Err("was already used (`jti`)".to_owned()))
    }
}

/// Checks the claims of an assertion. Returns the identifier under which its use is remembered, and the end of
/// that time.
fn check_claims<'a>(
    client: Option<&'a Client>,
    claims: &'a Claims,
    now: Timestamp,
) -> Result<([&'a str; 2], Timestamp), String> {
    let Some(client) = client else {
        return Err("does not belong to a client".to_owned());
    };
    let id = client.id.as_str();
    let (Some(jti), Some(expiry)) = (claims.text("jti"), claims.expiry()) else {
        return Err("must have `jti` and `exp`".to_owned());
    };
    if claims.text("sub") != Some(id) {
        return Err("must have the client_id in `sub`".to_owned());
    }
    if expiry > now.plus(MOST_AHEAD + SKEW) {
        return Err(format!(
            "must expire (`exp`) in {MOST_AHEAD} seconds or less"
        ));
    }
    Ok(([id, jti], expiry.plus(SKEW)))
}

/// Returns the algorithms that the client may sign with: the registered one, or those that this server
/// supports.
fn algorithms(cx: &Context<'_>, client: Option<&Client>, is_symmetric: bool) -> Vec<Algorithm> {
    let registered = match client {
        Some(client) => client
            .metadata
            .metadata()
            .text("token_endpoint_auth_signing_alg"),
        None => None,
    };
    let mut algorithms = Vec::new();
    if let Some(name) = registered {
        algorithms.extend(Algorithm::parse(name));
    } else {
        for name in &cx
            .settings()
            .token_endpoint_auth_signing_alg_values_supported
        {
            algorithms.extend(Algorithm::parse(name));
        }
    }
    algorithms.retain(|algorithm| algorithm.is_symmetric() == is_symmetric);
    algorithms
}

/// Returns the names of this server (RFC 7523 section 3, OpenID Connect Core section 9).
fn audiences(cx: &Context<'_>) -> Vec<String> {
    let issuer = cx.service.issuer.clone();
    match cx.settings().client_assertion_audience {
        ClientAssertionAudience::Issuer => vec![issuer],
        ClientAssertionAudience::Any => {
            let paths = &cx.service.settings.server.paths;
            vec![issuer, cx.service.endpoint(&paths.token)]
        }
    }
}

/// Returns the secret of the client, with which it signs.
fn shared(cx: &Context<'_>, client: Option<&Client>) -> Result<Option<Source>, TokenError> {
    let Some(secret) = open_secret(cx, client)? else {
        return Ok(None);
    };
    match KeySet::from_secret(&secret) {
        Ok(set) => Ok(Some(Source {
            secret: Some(Arc::new(set)),
            ..Source::default()
        })),
        Err(_) => Ok(None),
    }
}

/// A secret that belongs to no client.
static DECOY: LazyLock<Option<Arc<KeySet>>> = LazyLock::new(|| {
    let set = KeySet::from_secret(&Secret::new("x".repeat(86))).ok()?;
    Some(Arc::new(set))
});

/// Returns the secret that belongs to no client. An HMAC assertion for a client that does not exist, or has no
/// secret, is verified with it, so that it costs as much as for a client with a secret. The result is ignored.
/// For public keys, see `trust/assertion.rs`.
fn decoy() -> Source {
    Source {
        secret: DECOY.clone(),
        ..Source::default()
    }
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
        (None, None) => match certified(cx, client) {
            Some(certified) => ClientKeys::Certified(certified),
            None => ClientKeys::Nowhere,
        },
    }
}

fn certified(cx: &Context<'_>, client: &Client) -> Option<Certified> {
    let statement = client.provenance.statement.as_ref()?;
    let entry = statement.certified_by.as_ref()?;
    let source = cx.snapshot.trust.certified(entry, &statement.iss)?;
    source.certified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_can_be_used() {
        assert!(DECOY.is_some());
    }
}
