//! `attestation::new_nonce()`, `consume_nonce(nonce)`, `key_is_in(jwk, jwks)`.

use std::sync::Arc;

use rhai::{Dynamic, ImmutableString};
use serde_json::{Map, Value};

use super::super::host::Host;
use super::super::value::{Outcome, failure};
use super::functions::Functions;
use super::jwt::key_set;
use super::{members, store};
use crate::config::ScriptLimits;

pub(super) fn module(host: &Arc<dyn Host>, limits: &ScriptLimits) -> Functions {
    let mut module = Functions::default();
    let (outside, most) = (Arc::clone(host), limits.store_calls);
    module.add0("new_nonce", move |cx| store(cx, most, |by| outside.new_nonce(by)));
    let outside = Arc::clone(host);
    module.add1("consume_nonce", move |cx, nonce: ImmutableString| {
        store(cx, most, |by| outside.consume_nonce(by, &nonce))
    });
    module.add2("key_is_in", |_, key: Dynamic, set: Dynamic| key_is_in(&key, &set));
    module
}

/// Whether the public key `key` is one of `set`, by the members that make up a thumbprint (RFC
/// 7638 section 3.2).
fn key_is_in(key: &Dynamic, set: &Dynamic) -> Outcome<bool> {
    let key = members(key, "a JWK")?;
    let wanted = thumbprint_members(&key).map_err(failure)?;
    let set = key_set(set)?;
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    Ok(keys
        .filter_map(Value::as_object)
        .any(|key| thumbprint_members(key).is_ok_and(|members| members == wanted)))
}

/// The members that a public key is known by.
fn thumbprint_members(key: &Map<String, Value>) -> Result<Vec<&str>, String> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let names: &[&str] = match text("kty") {
        Some("EC") => &["kty", "crv", "x", "y"],
        Some("OKP") => &["kty", "crv", "x"],
        Some("RSA") => &["kty", "n", "e"],
        _ => return Err("a public key has a kty of EC, OKP or RSA".to_owned()),
    };
    let found: Option<Vec<&str>> = names.iter().map(|name| text(name)).collect();
    found.ok_or_else(|| format!("such a key has the members {}", names.join(", ")))
}
