//! `OAuth-Client-Attestation`: which attester attests the client, and which key the client has.

use serde_json::{Value, json};

use super::ClientAttestationError;
use crate::jose::{Claims, Compact, Expectations, JwsError, KeySet, TypRule, Verified};
use crate::registration::RegisterError;
use crate::registration::proof::keys;
use crate::service::Context;
use crate::trust::{Attester, TrustError};

const TYP: &str = "oauth-client-attestation+jwt";

/// The content of an attestation.
pub(super) struct Attested {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) key: Value,
}

/// Verifies an attestation with the keys of its issuer.
pub(super) async fn verify(cx: &Context<'_>, text: &str) -> Result<Attested, RegisterError> {
    let token = Compact::parse(text).map_err(|error| invalid(error.to_string()))?;
    let claims = token.unverified_claims();
    let claims = claims.map_err(|error| invalid(error.to_string()))?;
    let iss = claims.get("iss").and_then(Value::as_str);
    let mut failure = invalid("has an `iss` that this server does not trust");
    for attester in &cx.snapshot.trust.attesters {
        // An attestation need not name its issuer. Without a name, the issuer is the attester whose key
        // verifies it.
        if iss.is_some_and(|iss| attester.issuer != iss) {
            continue;
        }
        match with(cx, &token, attester).await {
            Ok(verified) => return read(attester, &verified),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn with(
    cx: &Context<'_>,
    token: &Compact,
    attester: &Attester,
) -> Result<Verified<Claims>, RegisterError> {
    let expected = Expectations {
        algorithms: &attester.algorithms,
        audiences: &cx.snapshot.audiences,
        typ: TypRule::Required(TYP),
        required: &["sub", "exp", "cnf"],
        ..Expectations::default()
    };
    let verified = cx
        .service
        .verifier
        .verify(token, &attester.source, &expected)
        .await;
    verified.map_err(|error| match error {
        // The signature is already verified, so the same attester can issue a new attestation.
        TrustError::Token(JwsError::Claims(_)) if is_over(cx, token) => {
            ClientAttestationError::Expired.into()
        }
        other => keys::failed(other, &|rule| invalid(rule)),
    })
}

fn is_over(cx: &Context<'_>, token: &Compact) -> bool {
    let claims = token.unverified_claims().unwrap_or_default();
    let exp = claims.get("exp").and_then(Value::as_u64);
    exp.is_some_and(|exp| exp <= cx.service.clock.now().unix())
}

fn read(attester: &Attester, verified: &Verified<Claims>) -> Result<Attested, RegisterError> {
    let subject = verified.text("sub").unwrap_or_default().to_owned();
    let key = verified.claims().get("cnf").and_then(|cnf| cnf.get("jwk"));
    let key = key.ok_or_else(|| invalid("must have the key of the client in `cnf.jwk`"))?;
    // The key must be public, strong, and meant for signatures.
    KeySet::parse(&json!({ "keys": [key] }), 1)
        .map_err(|rule| invalid(format!("has a `cnf.jwk` that {rule}")))?;
    Ok(Attested {
        issuer: attester.issuer.clone(),
        subject,
        key: key.clone(),
    })
}

fn invalid(rule: impl AsRef<str>) -> RegisterError {
    ClientAttestationError::Invalid(format!("the client attestation {}", rule.as_ref())).into()
}
