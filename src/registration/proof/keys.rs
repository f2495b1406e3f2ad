//! Keys for steps 6 and 7: from scripts and from claims, and the errors when there are none.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{Secret, absent};
use crate::client::{Metadata, ScriptRef};
use crate::jose::{Compact, KeySet};
use crate::registration::{Attempt, RegisterError};
use crate::script::{Answered, Hook, HookError, Proofs, ScriptFault};
use crate::trust::{Keys, Source, TrustError, key_set};

/// The hooks that return the keys of a kind of token.
#[derive(Clone, Copy)]
pub(in crate::registration) struct KeyHooks {
    /// For a token that is signed with a private key.
    pub(in crate::registration) jwks: Hook,
    /// For a token that is signed with a shared secret.
    pub(in crate::registration) hmac_secret: Hook,
}

/// Calls the scripts for the keys of `token`. Returns none if no script has keys.
pub(in crate::registration) async fn ask(
    attempt: Attempt<'_>,
    token: &Compact,
    hooks: KeyHooks,
    proofs: Proofs,
) -> Result<Option<(Source, ScriptRef)>, RegisterError> {
    let is_symmetric = token.algorithm().is_symmetric();
    let hook = if is_symmetric {
        hooks.hmac_secret
    } else {
        hooks.jwks
    };
    let scripts = &attempt.cx.snapshot.scripts;
    if !scripts.has(hook) {
        return Ok(None);
    }
    let facts = attempt.facts(&Arc::new(proofs), Metadata::default());
    let Some(Answered { value, by }) = scripts.ask(hook, facts, Metadata::default()).await? else {
        return Ok(None);
    };
    let read = source(attempt, is_symmetric, &value);
    match read {
        Ok(source) => Ok(Some((source, by))),
        Err(rule) => Err(unusable(&by, hook, &rule)),
    }
}

/// Returns the source for the `value` that a script returned.
fn source(attempt: Attempt<'_>, is_symmetric: bool, value: &Value) -> Result<Source, String> {
    match value {
        value if is_symmetric => secret(value),
        // The script may have taken parts of the URL from the token.
        Value::String(url) => Ok(Source::of(Keys::Claimed(url.clone()))),
        set => attempt.cx.snapshot.trust.given(set),
    }
}

/// A script returned keys that cannot be used.
fn unusable(by: &ScriptRef, hook: Hook, rule: &str) -> RegisterError {
    let fault = ScriptFault::new(&by.name, hook, format!("its keys: {rule}"));
    HookError::from(fault).into()
}

/// Returns the source for an HMAC secret that a script returned.
fn secret(value: &Value) -> Result<Source, String> {
    let text = value.as_str().ok_or("are not a string")?;
    let set = KeySet::from_secret(&Secret::new(text.to_owned()))?;
    Ok(Source {
        secret: Some(Arc::new(set)),
        ..Source::default()
    })
}

/// Returns the keys that the claim `name` contains, or those at its URL if it `is_url`; none if there is no
/// such claim.
pub(in crate::registration) fn of_claim(
    claims: &Map<String, Value>,
    name: &str,
    is_url: bool,
) -> Result<Option<Keys>, String> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) if absent::is_absent(value) => Ok(None),
        Some(Value::String(url)) if is_url => Ok(Some(Keys::Claimed(url.clone()))),
        Some(_) if is_url => Err(format!("must have a URL in the claim `{name}`")),
        Some(set) => match key_set(set) {
            Ok(set) => Ok(Some(Keys::Known(Arc::new(set)))),
            Err(rule) => Err(format!("has a claim `{name}` that {rule}")),
        },
    }
}

/// Converts a failed verification into an error. If the token is invalid, the sender is at fault and `refuse`
/// builds the error. If the operator's source of keys is unavailable, the error is temporary.
pub(in crate::registration) fn failed(
    error: TrustError,
    refuse: &dyn Fn(String) -> RegisterError,
) -> RegisterError {
    match error {
        TrustError::Fetch(cause) if cause.is_outage() => RegisterError::NoKeys(cause),
        other => refuse(other.to_string()),
    }
}
