//! The two tokens of a client attestation. `OAuth-Client-Attestation` states which attester attests the client,
//! and which key the client has. `OAuth-Client-Attestation-PoP` proves that the client holds the attested key,
//! with a recent proof made for this server.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{ClientAttestationError, RegisterError, Use};
use crate::jose::{
    self, Algorithm, Claims, Compact, Expectations, JwsError, KeySet, TypRule, Verified,
};
use crate::registration::{proof::evidence, proof::keys};
use crate::service::Context;
use crate::trust::{Attester, TrustError};

/// The type of an attestation.
const ATTESTATION_TYP: &str = "oauth-client-attestation+jwt";
/// The type of a proof.
const PROOF_TYP: &str = "oauth-client-attestation-pop+jwt";

/// Seconds for which a proof is valid.
const MAXIMUM_AGE: u64 = 300;
/// The permitted clock difference, in seconds.
const SKEW: u64 = 60;

/// The content of an attestation.
pub(super) struct Attested {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) key: Value,
}

/// Verifies an attestation with the keys of its issuer.
pub(super) async fn verify_attestation(
    cx: &Context<'_>,
    text: &str,
) -> Result<Attested, RegisterError> {
    let token = Compact::parse(text).map_err(invalid_attestation)?;
    let claims = token.unverified_claims().map_err(invalid_attestation)?;
    let iss = claims.get("iss").and_then(Value::as_str);
    let mut failure = invalid_attestation("has an `iss` that this server does not trust");
    for attester in &cx.snapshot.trust.attesters {
        // An attestation need not name its issuer. Without a name, the issuer is the attester whose key
        // verifies it.
        if let Some(iss) = iss
            && attester.issuer != iss
        {
            continue;
        }
        match verify_by(cx, &token, attester).await {
            Ok(verified) => return attested(attester, &verified),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn verify_by(
    cx: &Context<'_>,
    token: &Compact,
    attester: &Attester,
) -> Result<Verified<Claims>, RegisterError> {
    let expected = Expectations {
        algorithms: &attester.algorithms,
        audiences: &cx.snapshot.audiences,
        typ: TypRule::Required(ATTESTATION_TYP),
        required: &["sub", "exp", "cnf"],
        ..Expectations::default()
    };
    let (verifier, source) = (&cx.service.verifier, &attester.source);
    match verifier.verify(token, source, &expected).await {
        Ok(claims) => Ok(claims),
        // The signature is already verified, so the same attester can issue a new attestation.
        Err(TrustError::Token(JwsError::Claims(_))) if has_expired(cx, token) => {
            Err(ClientAttestationError::Expired.into())
        }
        Err(other) => Err(keys::failed(other, &|rule| invalid_attestation(rule))),
    }
}

fn has_expired(cx: &Context<'_>, token: &Compact) -> bool {
    let Ok(claims) = token.unverified_claims() else {
        return false;
    };
    match claims.get("exp").and_then(Value::as_u64) {
        Some(exp) => exp <= cx.service.clock.now().unix(),
        None => false,
    }
}

/// Reads a verified attestation. Its key must be public, strong, and meant for signatures.
fn attested(attester: &Attester, verified: &Verified<Claims>) -> Result<Attested, RegisterError> {
    let cnf = verified.claims().get("cnf");
    let Some(key) = cnf.and_then(|cnf| cnf.get("jwk")) else {
        let rule = "must have the key of the client in `cnf.jwk`";
        return Err(invalid_attestation(rule));
    };
    if let Err(rule) = KeySet::parse(&json!({ "keys": [key] }), 1) {
        return Err(invalid_attestation(format!("has a `cnf.jwk` that {rule}")));
    }
    Ok(Attested {
        issuer: attester.issuer.clone(),
        subject: verified.text("sub").unwrap_or_default().to_owned(),
        key: key.clone(),
    })
}

/// A valid proof.
pub(super) struct PossessionProof {
    pub(super) challenge: Option<String>,
    pub(super) uses: Use,
}

/// Verifies a proof with the attested key.
pub(super) fn verify_proof(
    cx: &Context<'_>,
    text: &str,
    key: &Value,
) -> Result<PossessionProof, RegisterError> {
    let token = Compact::parse(text).map_err(invalid_proof)?;
    let keys = json!({ "keys": [named(key, token.kid())] });
    let keys = KeySet::parse(&keys, 1).map_err(invalid_proof)?;
    let now = cx.service.clock.now();
    let verified = jose::verify(&token, &keys, &proof_expectations(cx), now);
    let verified = verified.map_err(invalid_proof)?;
    let jti = verified.text("jti").unwrap_or_default();
    let owner = jose::thumbprint(key).unwrap_or_default();
    let until = now.plus(MAXIMUM_AGE + SKEW + 1);
    Ok(PossessionProof {
        challenge: verified.text("challenge").map(str::to_owned),
        uses: Use::of_proof(&owner, jti, until),
    })
}

fn proof_expectations<'a>(cx: &'a Context<'_>) -> Expectations<'a> {
    Expectations {
        algorithms: Algorithm::STATEMENTS,
        audiences: &cx.snapshot.audiences,
        typ: TypRule::Required(PROOF_TYP),
        required: &["aud", "jti", "iat"],
        max_age: Some(MAXIMUM_AGE),
        ..Expectations::default()
    }
}

/// Returns the one key that may have signed the proof, under the `kid` of the proof. A `kid` only
/// distinguishes several keys.
fn named(key: &Value, kid: Option<&str>) -> Value {
    let mut key = key.clone();
    if let (Some(members), Some(kid)) = (key.as_object_mut(), kid) {
        members.insert("kid".to_owned(), kid.into());
    }
    key
}

/// Returns what is wrong with the challenge of a proof, or with its absence. A challenge is valid once.
pub(super) async fn check_challenge(
    cx: &Context<'_>,
    challenge: Option<&str>,
) -> Result<Option<RegisterError>, RegisterError> {
    let (nonces, now) = (&cx.service.store.nonces, cx.service.clock.now());
    let is_valid = match challenge {
        Some(challenge) => nonces.consume(challenge, now).await?,
        None => !cx.settings().client_attestation_challenge_required,
    };
    if is_valid {
        return Ok(None);
    }
    let next = evidence::new_nonce(cx).await?;
    Ok(Some(ClientAttestationError::Challenge(next).into()))
}

fn invalid_attestation(rule: impl Display) -> RegisterError {
    ClientAttestationError::Invalid(format!("the client attestation {rule}")).into()
}

fn invalid_proof(rule: impl Display) -> RegisterError {
    let text = format!("the proof of the client attestation {rule}");
    ClientAttestationError::Invalid(text).into()
}
