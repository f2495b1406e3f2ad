//! `OAuth-Client-Attestation-PoP`: the client proves that it holds the attested key, with a recent proof made
//! for this server.

use serde_json::{Value, json};

use super::ClientAttestationError;
use crate::jose::{self, Algorithm, Compact, Expectations, KeySet, TypRule};
use crate::registration::RegisterError;
use crate::registration::proof::evidence;
use crate::registration::single_use::Use;
use crate::service::Context;

const TYP: &str = "oauth-client-attestation-pop+jwt";

/// Seconds for which a proof is valid.
const MAXIMUM_AGE: u64 = 300;
/// The permitted clock difference, in seconds.
const SKEW: u64 = 60;

/// A valid proof.
pub(super) struct PossessionProof {
    pub(super) challenge: Option<String>,
    pub(super) uses: Use,
}

/// Verifies a proof with the attested key.
pub(super) fn verify(
    cx: &Context<'_>,
    text: &str,
    key: &Value,
) -> Result<PossessionProof, RegisterError> {
    let token = Compact::parse(text).map_err(|error| invalid(error.to_string()))?;
    let key_set = json!({ "keys": [named(key, token.kid())] });
    let keys = KeySet::parse(&key_set, 1).map_err(invalid)?;
    let now = cx.service.clock.now();
    let expected = Expectations {
        algorithms: Algorithm::STATEMENTS,
        audiences: &cx.snapshot.audiences,
        typ: TypRule::Required(TYP),
        required: &["aud", "jti", "iat"],
        max_age: Some(MAXIMUM_AGE),
        ..Expectations::default()
    };
    let verified = jose::verify(&token, &keys, &expected, now);
    let verified = verified.map_err(|error| invalid(error.to_string()))?;
    let jti = verified.text("jti").unwrap_or_default();
    let owner = jose::thumbprint(key).unwrap_or_default();
    let until = now.plus(MAXIMUM_AGE + SKEW + 1);
    Ok(PossessionProof {
        challenge: verified.text("challenge").map(str::to_owned),
        uses: Use::of_proof(&owner, jti, until),
    })
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
    let is_good = match challenge {
        Some(challenge) => {
            cx.service
                .store
                .nonces
                .consume(challenge, cx.service.clock.now())
                .await?
        }
        None => !cx.settings().client_attestation_challenge_required,
    };
    if is_good {
        return Ok(None);
    }
    let next = evidence::new_nonce(cx).await?;
    Ok(Some(ClientAttestationError::Challenge(next).into()))
}

fn invalid(rule: impl AsRef<str>) -> RegisterError {
    ClientAttestationError::Invalid(format!(
        "the proof of the client attestation {}",
        rule.as_ref()
    ))
    .into()
}
