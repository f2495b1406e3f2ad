//! Step 7: the signature of the request as a whole.

use serde_json::{Map, Value};

use super::keys;
use super::statement::Statement;
use crate::base::model::Violation;
use crate::client::ScriptRef;
use crate::jose::{Algorithm, Claims, Compact, Expectations, Verified};
use crate::registration::hooks::{Shown, jwt};
use crate::registration::metadata::parse::Parsed;
use crate::registration::{Caller, RegisterError};
use crate::script::Hook;
use crate::service::Context;
use crate::trust::Source;

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
    cx: &Context<'_>,
    caller: &Caller,
    parsed: &Parsed,
    statement: Option<&Statement>,
) -> Result<Option<SignedRequest>, RegisterError> {
    let required = cx.settings().dcr_signature_validation_enabled;
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
    let (verified, keys_by) =
        with_any_keys(cx, caller, (token, &parsed.members), statement).await?;
    let (header, claims) = (verified.header().clone(), verified.claims().clone());
    Ok(Some(SignedRequest {
        header,
        claims,
        token: token.as_str().to_owned(),
        keys_by,
    }))
}

type Outcome = Result<(Verified<Claims>, Option<ScriptRef>), RegisterError>;

/// Verifies the token with the first source that is configured: the entries of the issuer, then the claims of
/// the verified statement, then the keys for all requests, then scripts.
async fn with_any_keys(
    cx: &Context<'_>,
    caller: &Caller,
    (token, claims): (&Compact, &Map<String, Value>),
    statement: Option<&Statement>,
) -> Outcome {
    let iss = claims
        .get("iss")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let issuers = cx.snapshot.trust.request_issuers(iss);
    if !issuers.is_empty() {
        let mut failure = refused("the request is not signed by a known issuer");
        for issuer in issuers {
            match with(cx, token, &issuer.source, &issuer.algorithms).await {
                Ok(verified) => return Ok((verified, None)),
                Err(error) => failure = error,
            }
        }
        return Err(failure);
    }
    let general = &cx.snapshot.trust.request_algorithms;
    if let Some(source) = of_statement(cx, statement)? {
        return Ok((with(cx, token, &source, general).await?, None));
    }
    if let Some(source) = &cx.snapshot.trust.request_source {
        return Ok((with(cx, token, source, general).await?, None));
    }
    // The claims are not verified yet; the script uses them to choose the keys.
    let dcr = Some(jwt(token.unverified_header(), claims));
    let software_statement = statement.map(|statement| jwt(&statement.header, &statement.claims));
    let shown = Shown {
        software_statement,
        dcr,
        ..Shown::default()
    };
    let hooks = (Hook::GetDcrJwks, Hook::GetDcrHmacSecret);
    match keys::ask(cx, caller, token, hooks, &shown).await? {
        Some((source, by)) => Ok((with(cx, token, &source, general).await?, Some(by))),
        None => Err(refused(
            "this server has no keys for the signer of this request",
        )),
    }
}

/// Returns the keys that the claims of a verified statement name.
fn of_statement(
    cx: &Context<'_>,
    statement: Option<&Statement>,
) -> Result<Option<Source>, RegisterError> {
    let Some(statement) = statement.filter(|statement| statement.is_verified) else {
        return Ok(None);
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
        let keys = keys::of_claim(&statement.claims, name, is_url);
        if let Some(keys) =
            keys.map_err(|rule| refused(format!("the software statement {rule}")))?
        {
            return Ok(Some(Source::of(keys)));
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
