//! Hooks that say something: keys, secrets, nonces, what evidence proves.

use std::sync::Arc;

use rhai::Dynamic;
use serde_json::Value;

use super::facts::Facts;
use super::hook::Hook;
use super::load::Script;
use super::members::{Access, weight};
use super::outcome::{Answered, Fault, HookError};
use super::run::Asking;
use super::set::ScriptSet;
use super::value::{to_json, to_script};
use crate::client::Metadata;
use crate::model::json;

/// Characters of a nonce that a script may name.
const NONCE_CHARACTERS: usize = 1_024;

impl ScriptSet {
    /// Asks every script that has `hook`, in their order, until one returns something other than
    /// `()`. None when no script does.
    ///
    /// What is returned has the type that `hook` asks for: a JWK Set as an object with `keys`, a
    /// secret or a nonce as a string, the appraisal of evidence as `true` or an object, whether a
    /// certificate is valid as a Boolean. `client` is `context.client`, read-only; the certificate
    /// of `isCertValidForClient` is that of `facts`.
    ///
    /// # Errors
    /// When a script answers, fails, or does not accept evidence; when none can be asked at
    /// present.
    pub async fn ask(
        self: &Arc<Self>,
        hook: Hook,
        facts: Arc<Facts>,
        client: Metadata,
    ) -> Result<Option<Answered>, HookError> {
        if !self.has(hook) {
            return Ok(None);
        }
        self.on_a_thread(hook, facts, move |asking| {
            let client = asking.members(client, Access::ReadOnly);
            for (index, script) in asking.set.with(hook) {
                let first = asking.first_argument(script)?;
                let returned = asking.call(index, script, first, &client)?;
                if let Some(value) = asking.said(script, &returned)? {
                    return Ok(Some(Answered { value, by: script.id.clone() }));
                }
            }
            Ok(None)
        })
        .await
    }
}

impl Asking {
    /// The certificate, for the hook that is asked about one.
    fn first_argument(&self, script: &Script) -> Result<Option<Dynamic>, HookError> {
        if self.hook != Hook::IsCertValidForClient {
            return Ok(None);
        }
        let certificate = self.round.facts.certificate.as_ref().unwrap_or(&Value::Null);
        let certificate = to_script(certificate).map_err(|error| self.wrong(script, error.to_string()))?;
        Ok(Some(certificate))
    }

    /// What `script` said, in the type that the hook asks for; none when it said nothing.
    fn said(&self, script: &Script, returned: &Dynamic) -> Result<Option<Value>, HookError> {
        if returned.is_unit() {
            return Ok(None);
        }
        let due = due(self.hook);
        let mistyped = || self.mistyped(script, due, returned.type_name());
        let value = to_json(returned).map_err(|_| mistyped())?;
        let said = match self.hook {
            Hook::GetSoftwareStatementJwks | Hook::GetDcrJwks => jwks(value),
            Hook::GetSoftwareStatementHmacSecret | Hook::GetDcrHmacSecret => {
                Some(value).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()))
            }
            Hook::GetEvidenceNonce => Some(value).filter(|value| value.as_str().is_some_and(is_nonce)),
            Hook::VerifyEvidence if value == Value::Bool(false) => {
                return Err(HookError::Refused { script: script.id.name.clone() });
            }
            Hook::VerifyEvidence => Some(value).filter(|value| value.is_object() || value.is_boolean()),
            _ => Some(value).filter(Value::is_boolean),
        };
        let said = said.ok_or_else(mistyped)?;
        let bytes = said.as_object().map_or(0, weight);
        if bytes > self.round.frame.bytes {
            let message = format!("it returned {bytes} bytes of JSON (scripts.limits.resultBytes)");
            return Err(self.wrong(script, message));
        }
        Ok(Some(said))
    }

    fn wrong(&self, script: &Script, message: String) -> HookError {
        HookError::Fault(Fault::new(&script.id.name, self.hook, message))
    }
}

/// What `hook` asks for, for messages.
fn due(hook: Hook) -> &'static str {
    match hook {
        Hook::GetSoftwareStatementJwks | Hook::GetDcrJwks => {
            "a JWK Set, as a map with `keys` or as JSON text, or ()"
        }
        Hook::GetSoftwareStatementHmacSecret | Hook::GetDcrHmacSecret => "a string that is not empty, or ()",
        Hook::GetEvidenceNonce => "a string of 1 to 1024 visible ASCII characters, or ()",
        Hook::VerifyEvidence => "true, false, a map, or ()",
        _ => "true, false, or ()",
    }
}

/// A JWK Set, whether it came as a map or as text.
fn jwks(value: Value) -> Option<Value> {
    let set = match value {
        Value::String(text) => json::parse(text.as_bytes()).ok()?,
        other => other,
    };
    set.get("keys").is_some_and(Value::is_array).then_some(set)
}

fn is_nonce(text: &str) -> bool {
    (1..=NONCE_CHARACTERS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
