//! `attestation::new_nonce()`, `consume_nonce(nonce)`, `verify_ear(token, jwks, expected)`,
//! `key_is_in(key, jwks)`.

use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, ImmutableString, Map as ScriptMap, Position};
use serde_json::{Map, Value};

use crate::base::{Clock, Timestamp};
use crate::config::ScriptLimits;
use crate::ear::{self, AppraisalFailure, AttestationResult, Check};
use crate::jose::{self, Compact, Expectations, JwsError, KeySet, MOST_KEYS, TypRule};
use crate::script::{
    Host, HostResult, failure, modules::Functions, modules::HostFunction, modules::algorithms,
    modules::function, modules::key_set, modules::members, modules::store, to_json,
};

/// The permitted values of `typ` of an attestation result besides `JWT`; the header may also have none.
const RESULT_TYPES: &[&str] = &["eat+jwt", "ear+jwt"];

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "attestation",
        "new_nonce() -> string",
        "Issues a nonce for evidence: 43 characters, valid once and for `evidenceNonceLifetime` seconds. \
         Counts towards `storeCalls`. Fails when too many nonces are outstanding.",
        "attestation::new_nonce().len() == 43",
    ),
    function(
        "attestation",
        "consume_nonce(nonce: string) -> bool",
        "Consumes a nonce. Returns whether this server issued it, it is not expired, and it was not consumed \
         before. Counts towards `storeCalls`.",
        "attestation::consume_nonce(attestation::new_nonce()) && !attestation::consume_nonce(\"another\")",
    ),
    function(
        "attestation",
        "verify_ear(token: string, jwks: map or string, expected: map) -> map",
        "Verifies an EAR attestation result with one of the keys, and checks it against `#{ nonce, \
         timestampOnly, maxAge, algorithms, status, requiredSubmods, claims, verifiers, policies, boundTo \
         }`. Either `nonce`, in any variant of base64, or `timestampOnly: true` is required. The defaults \
         are 300 seconds for `maxAge` and `\"affirming\"` for `status`, which can also be `\"warning\"`. \
         `claims` sets the least acceptable status of single claims. `boundTo` is a JWK Set that must \
         contain the attested key. Returns `#{ status, profile, issued_at, verifier, policies, keys, submods \
         }`. Fails with `#{ check, message }`, where `check` is `token`, `algorithm`, `signature`, `claims`, \
         `form`, `nonce`, `submodules`, `status`, `trust`, `verifier`, `policy`, `key` or `expectations`.",
        "let check = \"\"; let keys = #{ keys: [#{ kty: \"EC\" }] }; try { attestation::verify_ear(\"a.b\", \
         keys, #{ nonce: \"AAAA\" }); } catch (error) { check = error.check; } check == \"token\"",
    ),
    function(
        "attestation",
        "key_is_in(key: map or string, jwks: map or string) -> bool",
        "Returns whether the public key is in the set, compared by the members of its thumbprint (RFC 7638). \
         The key is a JWK, or a SubjectPublicKeyInfo in base64 such as `akpub`. Fails when the key is not a \
         public key of type EC, OKP or RSA, or when `jwks` is not a JWK Set.",
        "attestation::key_is_in(context.client.jwks.keys[0], context.client.jwks)",
    ),
];

pub(super) fn module(
    host: &Arc<dyn Host>,
    clock: &Arc<dyn Clock>,
    limits: &ScriptLimits,
) -> Functions {
    let mut module = Functions::default();
    add_nonces(&mut module, host, limits.store_calls);
    let clock = Arc::clone(clock);
    module.add3(
        "verify_ear",
        move |_, token: ImmutableString, jwks: Dynamic, expected: Dynamic| {
            let (jwks, expected) = (key_set(&jwks)?, expectations(&expected)?);
            match verify_ear(&token, &jwks, &expected, clock.now()) {
                Ok(found) => rhai::serde::to_dynamic(found),
                Err(failure) => Err(thrown(&failure)),
            }
        },
    );
    module.add2("key_is_in", |_, key: Dynamic, set: Dynamic| {
        key_is_in(&key, &set)
    });
    module
}

/// Adds the functions of nonces, each of which calls the store.
fn add_nonces(module: &mut Functions, host: &Arc<dyn Host>, most: u32) {
    let outside = Arc::clone(host);
    module.add0("new_nonce", move |cx| {
        store(cx, most, |by| outside.new_nonce(by))
    });
    let outside = Arc::clone(host);
    module.add1("consume_nonce", move |cx, nonce: ImmutableString| {
        store(cx, most, |by| outside.consume_nonce(by, &nonce))
    });
}

/// Reads the expectations. A member that is `()` counts as absent.
fn expectations(expected: &Dynamic) -> HostResult<ear::AppraisalExpectations> {
    let mut members = members(expected, "the expectations")?;
    members.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(members))
        .map_err(|error| failure(format!("invalid expectations: {error}")))
}

/// Returns the map `#{ check, message }` as an error, so that a script can distinguish the failed checks.
#[expect(
    clippy::unnecessary_box_returns,
    reason = "every error of a script is boxed"
)]
fn thrown(failure: &AppraisalFailure) -> Box<EvalAltResult> {
    let members = ScriptMap::from([
        ("check".into(), failure.check.as_str().into()),
        ("message".into(), failure.message.clone().into()),
    ]);
    Box::new(EvalAltResult::ErrorRuntime(members.into(), Position::NONE))
}

/// Verifies an attestation result: [`crate::jose`] its signature and its times, [`crate::ear`] its content.
fn verify_ear(
    token: &str,
    jwks: &Value,
    expected: &ear::AppraisalExpectations,
    now: Timestamp,
) -> Result<AttestationResult, AppraisalFailure> {
    let token = Compact::parse(token).map_err(|error| ear_failure(&error))?;
    let algorithms = algorithms(&expected.algorithms)
        .map_err(|rule| AppraisalFailure::new(Check::Expectations, rule))?;
    let keys = KeySet::parse(jwks, MOST_KEYS).map_err(|rule| {
        AppraisalFailure::new(Check::Expectations, format!("the JWK Set {rule}"))
    })?;
    let expectations = Expectations {
        algorithms: &algorithms,
        typ: TypRule::OneOf(RESULT_TYPES),
        required: &["iat"],
        max_age: Some(expected.max_age),
        ..Expectations::default()
    };
    match jose::verify(&token, &keys, &expectations, now) {
        Ok(verified) => ear::judge(verified.claims(), expected),
        Err(error) => Err(ear_failure(&error)),
    }
}

fn ear_failure(error: &JwsError) -> AppraisalFailure {
    let check = match error {
        JwsError::Malformed(_) => Check::Token,
        JwsError::Algorithm(_) => Check::Algorithm,
        JwsError::UnknownKey(_) | JwsError::Signature => Check::Signature,
        JwsError::Claims(_) => Check::Claims,
    };
    AppraisalFailure::new(check, format!("the result {error}"))
}

/// Returns whether `set` contains the public key `key`, compared by the members of the thumbprint (RFC
/// 7638 section 3.2). `key` is a JWK, or a `SubjectPublicKeyInfo` in base64 such as `akpub`.
fn key_is_in(key: &Dynamic, set: &Dynamic) -> HostResult<bool> {
    let key = jwk(key)?;
    let wanted = thumbprint_members(&key).map_err(failure)?;
    let set = key_set(set)?;
    let Some(Value::Array(keys)) = set.get("keys") else {
        return Ok(false);
    };
    for key in keys {
        let Value::Object(key) = key else { continue };
        if thumbprint_members(key).is_ok_and(|members| members == wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a public key, given as a JWK or as a `SubjectPublicKeyInfo` in base64.
fn jwk(key: &Dynamic) -> HostResult<Map<String, Value>> {
    let jwk = match to_json(key)? {
        Value::String(text) => match ear::jwk_of_text(&text) {
            Some(jwk) => jwk,
            None => return Err(failure("the text is not a SubjectPublicKeyInfo in base64")),
        },
        jwk => jwk,
    };
    match jwk {
        Value::Object(members) => Ok(members),
        _ => Err(failure("a JWK must be a map")),
    }
}

/// Returns the values of the members that identify a public key.
fn thumbprint_members(key: &Map<String, Value>) -> Result<Vec<&str>, String> {
    let text = |name: &str| key.get(name)?.as_str();
    let names: &[&str] = match text("kty") {
        Some("EC") => &["kty", "crv", "x", "y"],
        Some("OKP") => &["kty", "crv", "x"],
        Some("RSA") => &["kty", "n", "e"],
        _ => return Err("kty of a public key must be EC, OKP or RSA".to_owned()),
    };
    let found: Option<Vec<&str>> = names.iter().map(|name| text(name)).collect();
    found.ok_or_else(|| {
        format!(
            "a public key of this kty must have the members {}",
            names.join(", ")
        )
    })
}
