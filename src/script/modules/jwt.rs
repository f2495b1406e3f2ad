//! `jwt::decode(text)`, `jwt::verify(text, jwks, expected)`, `jwt::sign(claims, secret_name)`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rhai::{Dynamic, ImmutableString};
use serde_json::{Map, Value};

use super::super::host::{Host, Jwt, JwtExpectations};
use super::super::value::{Outcome, failure, to_json};
use super::functions::Functions;
use super::members;
use crate::base::model::json;
use crate::script::load::secrets::Secrets;

/// The size limit of a JWT, in bytes.
const TOKEN_BYTES: usize = 65_536;
/// The size limit of the claims to sign, in bytes of JSON.
const CLAIMS_BYTES: usize = 16_384;

pub(super) fn module(host: &Arc<dyn Host>, secrets: &Arc<Secrets>) -> Functions {
    let mut module = Functions::default();
    module.add1("decode", |_, token: ImmutableString| {
        rhai::serde::to_dynamic(decode(&token).map_err(failure)?)
    });
    let outside = Arc::clone(host);
    module.add3(
        "verify",
        move |_, token: ImmutableString, jwks: Dynamic, expected: Dynamic| {
            let (jwks, expected) = (key_set(&jwks)?, expectations(&expected)?);
            bounded(&token).map_err(failure)?;
            let verified = outside
                .verify_jwt(&token, &jwks, &expected)
                .map_err(failure)?;
            rhai::serde::to_dynamic(verified)
        },
    );
    let (outside, secrets) = (Arc::clone(host), Arc::clone(secrets));
    module.add2(
        "sign",
        move |_, claims: Dynamic, secret: ImmutableString| {
            let claims = members(&claims, "the claims")?;
            if Value::Object(claims.clone()).to_string().len() > CLAIMS_BYTES {
                return Err(failure(format!(
                    "the claims must not exceed {CLAIMS_BYTES} bytes of JSON"
                )));
            }
            let key = secrets.get(&secret).map_err(failure)?;
            outside.sign_jwt(&claims, &key).map_err(failure)
        },
    );
    module
}

/// Reads a JWT in compact form without verifying it.
pub(in crate::script) fn decode(token: &str) -> Result<Jwt, String> {
    bounded(token)?;
    let parts: Vec<&str> = token.split('.').collect();
    let &[header, claims, _signature] = parts.as_slice() else {
        return Err("a JWT in compact form must have three parts separated by dots".to_owned());
    };
    Ok(Jwt {
        header: object(header, "header")?,
        claims: object(claims, "payload")?,
    })
}

fn object(part: &str, what: &str) -> Result<Map<String, Value>, String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| format!("the {what} of the JWT is not base64url"))?;
    json::parse_object(&bytes).map_err(|_| format!("the {what} of the JWT is not a JSON object"))
}

fn bounded(token: &str) -> Result<(), String> {
    let fits = token.len() <= TOKEN_BYTES;
    if fits {
        Ok(())
    } else {
        Err(format!("the JWT must not exceed {TOKEN_BYTES} bytes"))
    }
}

/// Reads a JWK Set, given as a map or as JSON text.
pub(super) fn key_set(set: &Dynamic) -> Outcome<Value> {
    let value = match to_json(set)? {
        Value::String(text) => {
            json::parse(text.as_bytes()).map_err(|error| failure(error.to_string()))?
        }
        other => other,
    };
    if value.get("keys").is_some_and(Value::is_array) {
        return Ok(value);
    }
    Err(failure(
        "a JWK Set must be a map, or JSON text, with an array as its member `keys`",
    ))
}

fn expectations(expected: &Dynamic) -> Outcome<JwtExpectations> {
    let expected: JwtExpectations = serde_json::from_value(to_json(expected)?)
        .map_err(|error| failure(format!("invalid expectations: {error}")))?;
    if expected.algorithms.is_empty() {
        return Err(failure("algorithms must list at least one algorithm"));
    }
    Ok(expected)
}
