//! Hooks that return a value: keys, secrets, nonces, the appraisal of evidence.

use std::sync::Arc;

use rhai::Dynamic;
use serde_json::Value;

use crate::base::json;
use crate::client::Metadata;
use crate::script::{
    Answered, Asking, Facts, Hook, HookError, MemberAccess, Script, ScriptFault, ScriptSet, is_url,
    json_size, to_json, to_script,
};

/// The maximum number of characters of a nonce that a script returns.
const NONCE_CHARACTERS: usize = 1_024;

impl ScriptSet {
    /// Calls every script that has `hook`, in order, until one returns a value other than `()`. Returns
    /// `None` when no script does.
    ///
    /// The value has the type that `hook` requires: a JWK Set as an object with `keys`, a secret or a
    /// nonce as a string, the appraisal of evidence as `true` or an object, the validity of a certificate
    /// as a Boolean. `client` is `context.client`, read-only. The certificate of `isCertValidForClient` is
    /// the certificate of `facts`.
    ///
    /// # Errors
    /// When a script sets a response, fails, or rejects the evidence; when no slot for scripts is free.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        hook: Hook,
        facts: Arc<Facts>,
        client: Metadata,
    ) -> Result<Option<Answered>, HookError> {
        if !self.has(hook) {
            return Ok(None);
        }
        self.on_a_thread(hook, facts, move |asking| {
            let client = asking.members(client, MemberAccess::ReadOnly);
            for (index, script) in asking.set.with(hook) {
                let first = asking.first_argument(script)?;
                let returned = asking.call(index, script, first, &client)?;
                if let Some(value) = asking.said(script, &returned)? {
                    return Ok(Some(Answered {
                        value,
                        by: script.id.clone(),
                    }));
                }
            }
            Ok(None)
        })
        .await
    }
}

impl Asking {
    /// Returns the certificate, for the hook that checks one.
    fn first_argument(&self, script: &Script) -> Result<Option<Dynamic>, HookError> {
        if self.hook != Hook::IsCertValidForClient {
            return Ok(None);
        }
        let Some(certificate) = &self.round.facts.request.certificate else {
            return Ok(Some(Dynamic::UNIT));
        };
        match to_script(certificate) {
            Ok(certificate) => Ok(Some(certificate)),
            Err(error) => Err(self.wrong(script, error.to_string())),
        }
    }

    /// Returns the value of `script` in the type that the hook requires; `None` when it returned `()`.
    fn said(&self, script: &Script, returned: &Dynamic) -> Result<Option<Value>, HookError> {
        if returned.is_unit() {
            return Ok(None);
        }
        let due = due(self.hook);
        let mistyped = || self.mistyped(script, due, returned.type_name());
        let value = to_json(returned).map_err(|_| mistyped())?;
        if self.hook == Hook::VerifyEvidence && value == Value::Bool(false) {
            return Err(HookError::Refused {
                script: script.id.name.clone(),
            });
        }
        let said = as_required(self.hook, value).ok_or_else(mistyped)?;
        let bytes = said.as_object().map_or(0, json_size);
        if bytes > self.round.frame.bytes {
            let message =
                format!("the result has {bytes} bytes of JSON (scripts.limits.resultBytes)");
            return Err(self.wrong(script, message));
        }
        Ok(Some(said))
    }

    fn wrong(&self, script: &Script, message: String) -> HookError {
        HookError::Fault(ScriptFault::new(&script.id.name, self.hook, message))
    }
}

/// Describes the type that `hook` requires, for messages.
fn due(hook: Hook) -> &'static str {
    match hook {
        Hook::GetSoftwareStatementJwks | Hook::GetDcrJwks => {
            "a JWK Set, as a map with `keys`, as JSON text or as its URL, or ()"
        }
        Hook::GetSoftwareStatementHmacSecret | Hook::GetDcrHmacSecret => {
            "a non-empty string, or ()"
        }
        Hook::GetEvidenceNonce => "a string of 1 to 1024 visible ASCII characters, or ()",
        Hook::VerifyEvidence => "true, false, a map, or ()",
        _ => "true, false, or ()",
    }
}

/// Returns `value` in the type that `hook` requires; `None` when it has another type.
fn as_required(hook: Hook, value: Value) -> Option<Value> {
    let is_required = match hook {
        Hook::GetSoftwareStatementJwks | Hook::GetDcrJwks => return jwks(value),
        Hook::GetSoftwareStatementHmacSecret | Hook::GetDcrHmacSecret => {
            value.as_str().is_some_and(|text| !text.is_empty())
        }
        Hook::GetEvidenceNonce => value.as_str().is_some_and(is_nonce),
        Hook::VerifyEvidence => value.is_object() || value.is_boolean(),
        _ => value.is_boolean(),
    };
    is_required.then_some(value)
}

/// Reads a JWK Set, given as a map, as text, or by its URL.
fn jwks(value: Value) -> Option<Value> {
    let set = match value {
        Value::String(url) if is_url(&url) => return Some(Value::String(url)),
        Value::String(text) => json::parse(text.as_bytes()).ok()?,
        other => other,
    };
    set.get("keys").is_some_and(Value::is_array).then_some(set)
}

fn is_nonce(text: &str) -> bool {
    (1..=NONCE_CHARACTERS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
