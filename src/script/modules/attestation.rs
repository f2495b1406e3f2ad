//! `attestation::new_nonce()`, `consume_nonce(nonce)`, `verify_ear(token, jwks, expected)`,
//! `key_is_in(key, jwks)`.

use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, ImmutableString, Map as ScriptMap, Position};
use serde_json::{Map, Value};

use super::super::host::Host;
use super::super::value::{Outcome, failure, to_json};
use super::functions::Functions;
use super::jwt::key_set;
use super::{members, store};
use crate::config::ScriptLimits;
use crate::ear;

pub(super) fn module(host: &Arc<dyn Host>, limits: &ScriptLimits) -> Functions {
    let mut module = Functions::default();
    let (outside, most) = (Arc::clone(host), limits.store_calls);
    module.add0("new_nonce", move |cx| {
        store(cx, most, |by| outside.new_nonce(by))
    });
    let outside = Arc::clone(host);
    module.add1("consume_nonce", move |cx, nonce: ImmutableString| {
        store(cx, most, |by| outside.consume_nonce(by, &nonce))
    });
    let outside = Arc::clone(host);
    module.add3(
        "verify_ear",
        move |_, token: ImmutableString, jwks: Dynamic, expected: Dynamic| {
            let (jwks, expected) = (key_set(&jwks)?, expectations(&expected)?);
            let found = outside
                .verify_ear(&token, &jwks, &expected)
                .map_err(|failure| told(&failure))?;
            rhai::serde::to_dynamic(found)
        },
    );
    module.add2("key_is_in", |_, key: Dynamic, set: Dynamic| {
        key_is_in(&key, &set)
    });
    module
}

/// Reads the expectations. A member that is `()` counts as absent.
fn expectations(expected: &Dynamic) -> Outcome<ear::Expectations> {
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
fn told(failure: &ear::Failure) -> Box<EvalAltResult> {
    let told = ScriptMap::from([
        ("check".into(), failure.check.as_str().into()),
        ("message".into(), failure.message.clone().into()),
    ]);
    Box::new(EvalAltResult::ErrorRuntime(told.into(), Position::NONE))
}

/// Returns whether `set` contains the public key `key`, compared by the members of the thumbprint (RFC
/// 7638 section 3.2). `key` is a JWK, or a `SubjectPublicKeyInfo` in base64 such as `akpub`.
fn key_is_in(key: &Dynamic, set: &Dynamic) -> Outcome<bool> {
    let key = match to_json(key)? {
        Value::String(text) => {
            let read = ear::jwk_of_text(&text);
            read.ok_or_else(|| failure("the text is not a SubjectPublicKeyInfo in base64"))?
        }
        jwk => jwk,
    };
    let key = key
        .as_object()
        .ok_or_else(|| failure("a JWK must be a map"))?;
    let wanted = thumbprint_members(key).map_err(failure)?;
    let set = key_set(set)?;
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    Ok(keys
        .filter_map(Value::as_object)
        .any(|key| thumbprint_members(key).is_ok_and(|members| members == wanted)))
}

/// Returns the values of the members that identify a public key.
fn thumbprint_members(key: &Map<String, Value>) -> Result<Vec<&str>, String> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
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
