//! `jwt::decode(text)`, `jwt::verify(text, jwks, expected)`, `jwt::sign(claims, secret_name)`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rhai::{Dynamic, ImmutableString, NativeCallContext};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::base::{Clock, Secret, Timestamp, json};
use crate::config::ScriptLimits;
use crate::jose::{
    self, Algorithm, Claims, Compact, DecodeError, Expectations, KeySet, MAXIMUM_TOKEN_BYTES,
    MOST_KEYS, MOST_KEYS_TRIED, TypRule, Unverified, Verified,
};
use crate::script::{
    Host, HostResult, Secrets, WaitsFor, failure, modules::Functions, modules::HostFunction,
    modules::function, modules::hook, modules::http::USUAL_TIME, modules::http::http_call,
    modules::members, to_json,
};

/// The size limit of the claims to sign, in bytes of JSON.
const CLAIMS_BYTES: usize = 16_384;

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "jwt",
        "decode(token: string) -> map",
        "Returns `#{ header, claims }` of a JWT in compact form without verifying it, so the claims prove \
         nothing. Fails when the token is not a JWT or has more than 65536 bytes.",
        "jwt::decode(\"eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.\").claims.iss == \"a\"",
    ),
    function(
        "jwt",
        "verify(token: string, jwks: map or string, expected: map) -> map",
        "The same, verified with one of the keys: a JWK Set as a map or JSON text, or its `https` URL. The server \
         caches sets of URLs as it does for statements, and fetches a set again for a key that it lacks; this \
         counts towards `httpCalls` and `httpMs`, and `[fetch]` applies. `expected` is `#{ algorithms, issuer, audience, maxAge }`, \
         and each member is optional. By default, all asymmetric algorithms are accepted. `maxAge` is in \
         seconds since `iat`. A token with an `aud` requires an `audience` that is in it. Fails when the \
         token does not verify, is expired, or does not match `expected`.",
        "let keys = #{ keys: [#{ kty: \"oct\", k: base64::encode_url(secrets::get(\"key\")) }] }; let token \
         = jwt::sign(#{ iss: \"a\" }, \"key\"); jwt::verify(token, keys, #{ algorithms: [\"HS256\"], issuer: \
         \"a\" }).claims.iss == \"a\"",
    ),
    function(
        "jwt",
        "sign(claims: map, secret: string) -> string",
        "Returns a JWT with these claims, at most 16384 bytes, signed with the named secret: a private key \
         as JWK or PEM, or the text of an HMAC key. Fails when the secret is not a signing key.",
        "jwt::decode(jwt::sign(#{ iss: \"a\" }, \"key\")).claims == #{ iss: \"a\" }",
    ),
];

pub(super) fn module(
    secrets: &Arc<Secrets>,
    clock: &Arc<dyn Clock>,
    host: &Arc<dyn Host>,
    limits: &ScriptLimits,
) -> Functions {
    let mut module = Functions::default();
    module.add1(
        "decode",
        |_, token: ImmutableString| match jose::decode_unverified(&token) {
            Ok(decoded) => shown_unverified(decoded),
            Err(error) => Err(failure(error.to_string())),
        },
    );
    let remote = RemoteKeys {
        host: Arc::clone(host),
        calls: limits.http_calls,
    };
    add_verify(&mut module, remote, Arc::clone(clock));
    let secrets = Arc::clone(secrets);
    module.add2("sign", move |_, claims: Dynamic, name: ImmutableString| {
        sign_with(&secrets, &name, &claims)
    });
    module
}

fn add_verify(module: &mut Functions, remote: RemoteKeys, clock: Arc<dyn Clock>) {
    module.add3(
        "verify",
        move |cx, token: ImmutableString, jwks: Dynamic, expected: Dynamic| {
            let expected = expectations(&expected)?;
            let verified = match url(&jwks) {
                Some(url) => remote.verify(cx, (&token, &url), &expected, clock.now())?,
                None => {
                    verify(&token, &key_set(&jwks)?, &expected, clock.now()).map_err(failure)?
                }
            };
            shown(verified.into_inner())
        },
    );
}

/// Returns the map `#{ header, claims }` of a token that is not verified.
pub(in crate::script) fn shown_unverified(token: Unverified) -> HostResult<Dynamic> {
    let Unverified { header, claims } = token;
    rhai::serde::to_dynamic(BTreeMap::from([("header", header), ("claims", claims)]))
}

/// Returns the map `#{ header, claims }` of a verified token.
fn shown(token: Claims) -> HostResult<Dynamic> {
    let (header, claims) = token.into_parts();
    shown_unverified(Unverified { header, claims })
}

/// Reads a JWK Set, given as a map or as JSON text.
pub(super) fn key_set(set: &Dynamic) -> HostResult<Value> {
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

/// The requirements that a script has for a JWT, besides a valid signature.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Expected {
    /// The accepted algorithms; by default, all asymmetric algorithms.
    algorithms: Vec<String>,
    /// The required `iss`.
    issuer: Option<String>,
    /// The audience that `aud` must contain.
    audience: Option<String>,
    /// The maximum number of seconds since `iat`, which is then required.
    max_age: Option<u64>,
}

impl Default for Expected {
    fn default() -> Self {
        let names = [
            "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384",
            "RS512",
        ];
        Self {
            algorithms: names.map(str::to_owned).to_vec(),
            issuer: None,
            audience: None,
            max_age: None,
        }
    }
}

impl Expected {
    /// Returns the names of the claims that must be present.
    fn required_claims(&self) -> Vec<&'static str> {
        let mut required = Vec::new();
        if self.issuer.is_some() {
            required.push("iss");
        }
        if self.audience.is_some() {
            required.push("aud");
        }
        required
    }
}

fn expectations(expected: &Dynamic) -> HostResult<Expected> {
    let expected: Expected = serde_json::from_value(to_json(expected)?)
        .map_err(|error| failure(format!("invalid expectations: {error}")))?;
    if expected.algorithms.is_empty() {
        return Err(failure("algorithms must list at least one algorithm"));
    }
    Ok(expected)
}

/// Returns the URL of a JWK Set, if `jwks` is one and not the set itself.
fn url(jwks: &Dynamic) -> Option<ImmutableString> {
    let text = jwks.read_lock::<ImmutableString>()?.clone();
    is_url(&text).then_some(text)
}

/// Whether a text that stands for a JWK Set is the URL of one.
pub(in crate::script) fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The key sets of other servers.
struct RemoteKeys {
    host: Arc<dyn Host>,
    /// The maximum number of calls per call of a hook.
    calls: u32,
}

impl RemoteKeys {
    /// Verifies `token` with a key of the set at `url`, which is fetched again if it lacks the key.
    fn verify(
        &self,
        cx: &NativeCallContext<'_>,
        (token, url): (&str, &str),
        expected: &Expected,
        now: Timestamp,
    ) -> HostResult<Verified<Claims>> {
        let token = parse(token).map_err(failure)?;
        if token.algorithm().is_symmetric() {
            let reason = "the JWT is signed with a shared secret, and a URL has public keys only";
            return Err(failure(reason));
        }
        let checked = expected.with(&token, |expected| {
            let missing = || failure("no JWK Set is known for this URL");
            let set = self.get(cx, url, None)?.ok_or_else(missing)?;
            let mut outcome = jose::verify(&token, &set, expected, now);
            if let Err(error) = &outcome
                && error.is_unknown_key()
                && let Some(newer) = self.get(cx, url, Some(&set))?
            {
                outcome = jose::verify(&token, &newer, expected, now);
            }
            outcome.map_err(|error| failure(format!("the JWT {error}")))
        });
        checked.map_err(failure)?
    }

    fn get(
        &self,
        cx: &NativeCallContext<'_>,
        url: &str,
        seen: Option<&Arc<KeySet>>,
    ) -> HostResult<Option<Arc<KeySet>>> {
        http_call(cx, self.calls)?;
        let permit = hook(cx)?.permit().clone();
        let found = permit.wait(WaitsFor::Far, USUAL_TIME, |timeout| {
            self.host.key_set(url, seen, timeout)
        });
        permit.add_waited(self.host.simulated_wait());
        match found {
            Ok(Ok(set)) => Ok(set),
            Ok(Err(error)) | Err(error) => Err(failure(format!("the keys: {error}"))),
        }
    }
}

fn parse(token: &str) -> Result<Compact, String> {
    if token.len() > MAXIMUM_TOKEN_BYTES {
        return Err(DecodeError::TooLong.to_string());
    }
    Compact::parse(token).map_err(|error| format!("the JWT {error}"))
}

impl Expected {
    /// Calls `work` with the expectations of `token`.
    fn with<T>(
        &self,
        token: &Compact,
        work: impl FnOnce(&Expectations<'_>) -> T,
    ) -> Result<T, String> {
        let algorithms = algorithms(&self.algorithms)?;
        let required = self.required_claims();
        Ok(work(&Expectations {
            algorithms: &algorithms,
            audiences: self.audience.as_slice(),
            issuer: self.issuer.as_deref(),
            // Only the script knows which type of token this is. It sees the header.
            typ: token.typ().map_or(TypRule::Any, TypRule::Required),
            required: &required,
            max_age: self.max_age,
            ..Expectations::default()
        }))
    }
}

/// Verifies `token` with one of the keys of `jwks`.
fn verify(
    token: &str,
    jwks: &Value,
    expected: &Expected,
    now: Timestamp,
) -> Result<Verified<Claims>, String> {
    let token = parse(token)?;
    expected.with(&token, |expected| {
        if token.algorithm().is_symmetric() {
            return verify_with_secrets(&token, jwks, expected, now);
        }
        let keys = KeySet::parse(jwks, MOST_KEYS).map_err(|rule| format!("the JWK Set {rule}"))?;
        verify_with(&keys, &token, expected, now)
    })?
}

fn verify_with(
    keys: &KeySet,
    token: &Compact,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<Verified<Claims>, String> {
    jose::verify(token, keys, expected, now).map_err(|error| format!("the JWT {error}"))
}

/// Returns the algorithms with these names.
pub(super) fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, String> {
    let mut algorithms = Vec::new();
    for name in names {
        let Some(algorithm) = Algorithm::parse(name) else {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|one| one.as_str()).collect();
            return Err(format!(
                "unsupported algorithm '{name}'; the supported ones are {}",
                known.join(", ")
            ));
        };
        algorithms.push(algorithm);
    }
    Ok(algorithms)
}

/// Verifies with the symmetric keys of `jwks` (RFC 7518 section 6.4). Public keys are ignored, so that none
/// is ever used as a secret.
fn verify_with_secrets(
    token: &Compact,
    jwks: &Value,
    expected: &Expectations<'_>,
    now: Timestamp,
) -> Result<Verified<Claims>, String> {
    let mut failure =
        "the JWT is signed with a shared secret, but the JWK Set contains no matching key"
            .to_owned();
    let keys = secret_keys(jwks, token.kid());
    for key in keys.into_iter().take(MOST_KEYS_TRIED) {
        let verified =
            shared_secret(key).and_then(|secret| verify_with(&secret, token, expected, now));
        match verified {
            Ok(verified) => return Ok(verified),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Returns the symmetric keys of `jwks` that can be the key called `kid`.
fn secret_keys<'a>(jwks: &'a Value, kid: Option<&str>) -> Vec<&'a Value> {
    let mut found = Vec::new();
    let Some(Value::Array(keys)) = jwks.get("keys") else {
        return found;
    };
    for key in keys {
        let text = |name: &str| key.get(name)?.as_str();
        let (is_secret, own) = (text("kty") == Some("oct"), text("kid"));
        if is_secret && (own.is_none() || kid.is_none() || own == kid) {
            found.push(key);
        }
    }
    found
}

/// Returns the secret in a symmetric key.
fn shared_secret(key: &Value) -> Result<KeySet, String> {
    let Some(text) = key.get("k").and_then(text_in_base64url) else {
        return Err("`k` of a symmetric key must be a string in base64url".to_owned());
    };
    KeySet::from_secret(&Secret::new(text)).map_err(|rule| format!("the key {rule}"))
}

fn text_in_base64url(encoded: &Value) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded.as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// Signs `claims` with the secret called `name`.
fn sign_with(secrets: &Secrets, name: &str, claims: &Dynamic) -> HostResult<String> {
    let claims = claims_to_sign(claims)?;
    let key = secrets.get(name).map_err(failure)?;
    sign(&claims, &key).map_err(failure)
}

fn claims_to_sign(claims: &Dynamic) -> HostResult<Map<String, Value>> {
    let claims = members(claims, "the claims")?;
    let bytes = Value::Object(claims.clone()).to_string().len();
    if bytes > CLAIMS_BYTES {
        return Err(failure(format!(
            "the claims must not exceed {CLAIMS_BYTES} bytes of JSON"
        )));
    }
    Ok(claims)
}

/// Signs `claims` with a configured secret: a private key as JWK or PEM, or the text of an HMAC key.
fn sign(claims: &Map<String, Value>, secret: &Secret) -> Result<String, String> {
    let key = jose::signing_key(secret).map_err(|error| format!("the secret {error}"))?;
    let header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
    jose::sign(&header, claims, &key).map_err(|error| format!("the secret {error}"))
}

#[cfg(test)]
mod tests;
