//! Step 7: the signature of the request as a whole.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{keys, keys::KeyHooks, statement::Statement};
use crate::base::Violation;
use crate::client::{ScriptRef, TrustLevel};
use crate::jose::{Algorithm, Claims, Compact, Expectations, Verified};
use crate::registration::{Attempt, Parsed, RegisterError, hooks};
use crate::script::{Hook, Proofs};
use crate::service::Context;
use crate::trust::{Issuer, Source};

/// A signed request that was accepted.
#[derive(Clone)]
pub(in crate::registration) struct SignedRequest {
    pub(in crate::registration) header: Map<String, Value>,
    pub(in crate::registration) claims: Map<String, Value>,
    /// The token itself; it can register only once.
    pub(in crate::registration) token: String,
    /// The script that returned the keys.
    pub(in crate::registration) keys_by: Option<ScriptRef>,
}

/// Verifies a signed request, and rejects an unsigned one where a signature is required.
pub(in crate::registration) async fn verify(
    attempt: Attempt<'_>,
    parsed: &Parsed,
    statement: Option<&Statement>,
) -> Result<Option<SignedRequest>, RegisterError> {
    let required = attempt.cx.settings().dcr_signature_validation_enabled;
    let token = match (&parsed.signed, required) {
        (None, false) => return Ok(None),
        (None, true) => {
            return Err(refused(
                "the request must be signed: send it as application/jwt",
            ));
        }
        (Some(_), false) => {
            let rule = "signed requests are not accepted on this server; send the metadata as \
                        application/json";
            return Err(refused(rule));
        }
        (Some(token), true) => token,
    };
    let (verified, keys_by) = with_any_keys(attempt, token, &parsed.members, statement).await?;
    Ok(Some(SignedRequest {
        header: verified.header().clone(),
        claims: verified.claims().clone(),
        token: token.as_str().to_owned(),
        keys_by,
    }))
}

/// The token, and the script that returned its keys.
type WithKeys = (Verified<Claims>, Option<ScriptRef>);

/// Verifies the token with the first source that is configured: the entries of the issuer, then the claims of
/// the verified statement, then the keys for all requests, then scripts.
async fn with_any_keys(
    attempt: Attempt<'_>,
    token: &Compact,
    claims: &Map<String, Value>,
    statement: Option<&Statement>,
) -> Result<WithKeys, RegisterError> {
    let (cx, trust) = (attempt.cx, &attempt.cx.snapshot.trust);
    let iss: &str = match claims.get("iss") {
        Some(Value::String(iss)) => iss,
        _ => "",
    };
    let issuers = trust.request_issuers(iss);
    if !issuers.is_empty() {
        let verified = with_issuers(cx, token, issuers).await?;
        return Ok((verified, None));
    }
    let of_statement = of_statement(cx, statement)?;
    let source = of_statement.as_ref().or(trust.request_source.as_ref());
    if let Some(source) = source {
        let verified = with(cx, token, source, &trust.request_algorithms).await?;
        return Ok((verified, None));
    }
    with_script_keys(attempt, token, claims, statement).await
}

/// Verifies the token with the keys of one of `issuers`, of which there is at least one.
async fn with_issuers(
    cx: &Context<'_>,
    token: &Compact,
    issuers: Vec<Arc<Issuer>>,
) -> Result<Verified<Claims>, RegisterError> {
    let mut failure = refused("the request is not signed by a known issuer");
    for issuer in issuers {
        match with(cx, token, &issuer.source, &issuer.algorithms).await {
            Ok(verified) => return Ok(verified),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn with_script_keys(
    attempt: Attempt<'_>,
    token: &Compact,
    claims: &Map<String, Value>,
    statement: Option<&Statement>,
) -> Result<WithKeys, RegisterError> {
    let hooks = KeyHooks {
        jwks: Hook::GetDcrJwks,
        hmac_secret: Hook::GetDcrHmacSecret,
    };
    let proofs = Proofs {
        software_statement: statement.map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        // The claims are not verified yet; the script uses them to choose the keys.
        dcr: Some(hooks::jwt(token.unverified_header(), claims)),
        ..Proofs::none(TrustLevel::Open)
    };
    let Some((source, by)) = keys::ask(attempt, token, hooks, proofs).await? else {
        return Err(refused(
            "this server has no keys for the signer of this request",
        ));
    };
    let algorithms = &attempt.cx.snapshot.trust.request_algorithms;
    let verified = with(attempt.cx, token, &source, algorithms).await?;
    Ok((verified, Some(by)))
}

/// Returns the keys that the claims of a verified statement name.
fn of_statement(
    cx: &Context<'_>,
    statement: Option<&Statement>,
) -> Result<Option<Source>, RegisterError> {
    let claims = match statement {
        Some(statement) if statement.is_verified => &statement.claims,
        _ => return Ok(None),
    };
    let settings = cx.settings();
    let names = [
        (
            &settings.dcr_signature_validation_software_statement_jwks_uri_claim,
            true,
        ),
        (
            &settings.dcr_signature_validation_software_statement_jwks_claim,
            false,
        ),
    ];
    for (name, is_url) in names {
        let Some(name) = name else { continue };
        match keys::of_claim(claims, name, is_url) {
            Ok(None) => {}
            Ok(Some(keys)) => return Ok(Some(Source::of(keys))),
            Err(rule) => return Err(refused(format!("the software statement {rule}"))),
        }
    }
    Ok(None)
}

async fn with(
    cx: &Context<'_>,
    token: &Compact,
    source: &Source,
    algorithms: &[Algorithm],
) -> Result<Verified<Claims>, RegisterError> {
    let expected = Expectations {
        algorithms,
        audiences: &cx.snapshot.audiences,
        max_age: cx.settings().dcr_maximum_age,
        required: &[],
        ..Expectations::default()
    };
    let refuse = |rule: String| refused(format!("the signed request {rule}"));
    let verified = cx.service.verifier.verify(token, source, &expected).await;
    verified.map_err(|error| keys::failed(error, &refuse))
}

fn refused(rule: impl Into<String>) -> RegisterError {
    RegisterError::Unproven(Violation::metadata("", rule))
}
