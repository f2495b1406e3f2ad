//! Records what scripts do for a request that is only judged, and replaces what they reach meanwhile: such a
//! request must not reach the store or other systems as a request that is served does.
//!
//! The host functions of all engines are behind [`CallHost`] and [`CallClock`], so the scripts in force can be
//! called for both types of requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rhai::Dynamic;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Clock, Timestamp};
use crate::client::Metadata;
use crate::jose::KeySet;
use crate::script::{
    CallingScript, Ending, Hook, HookError, Host, HttpAnswer, HttpCall, Secrets, current_recorder,
    joined_headers, to_json,
};

/// What the scripts of one request reach, and what they did.
pub(crate) struct HookRecorder {
    host: Arc<dyn Host>,
    clock: Arc<dyn Clock>,
    running: Mutex<RunningCall>,
    calls: Mutex<Vec<RecordedCall>>,
}

impl std::fmt::Debug for HookRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookRecorder").finish_non_exhaustive()
    }
}

/// What the call that is running has done so far. The scripts of one request run one after the other.
#[derive(Default)]
struct RunningCall {
    log: Vec<String>,
    http: Vec<RecordedHttp>,
}

/// One call of one hook of one script.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RecordedCall {
    /// The hook.
    pub(crate) hook: &'static str,
    /// The file name of the script.
    pub(crate) script: String,
    /// How the call ended.
    pub(crate) result: Ending,
    /// What the script returned, for hooks that appraise something. Keys and secrets are not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Value>,
    /// The status of the response that the script set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The body of the response that the script set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Map<String, Value>>,
    /// Why the script failed, with its position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The members that the script changed.
    pub(crate) changed: Vec<MemberChange>,
    /// Operations, as Rhai counts them.
    pub(crate) operations: u64,
    /// The duration in microseconds.
    pub(crate) microseconds: u64,
    /// The log lines, as in `info: registering`.
    pub(crate) log: Vec<String>,
    /// The calls of `http`.
    pub(crate) http: Vec<RecordedHttp>,
}

impl RecordedCall {
    /// A call that passed and did nothing.
    fn new(hook: Hook, script: &str) -> Self {
        Self {
            hook: hook.name(),
            script: script.to_owned(),
            result: Ending::Passed,
            value: None,
            status: None,
            body: None,
            error: None,
            changed: Vec::new(),
            operations: 0,
            microseconds: 0,
            log: Vec::new(),
            http: Vec::new(),
        }
    }

    /// Returns whether the changes of the call are changes of the answer to the client.
    pub(crate) fn changed_the_answer(&self) -> bool {
        let hooks = [Hook::ModifyPostResponse, Hook::ModifyPutResponse];
        self.result == Ending::Passed && hooks.iter().any(|hook| hook.name() == self.hook)
    }
}

/// The change of one member. A missing value is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MemberChange {
    /// The member.
    pub(crate) member: String,
    /// The value before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    /// The value after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// A call of `http`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RecordedHttp {
    /// The method.
    pub(crate) method: String,
    /// The URL.
    pub(crate) url: String,
    /// The headers, with names in lower case.
    pub(crate) headers: Map<String, Value>,
    /// The body, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    /// The status of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Why there was no response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl RecordedHttp {
    fn of(call: &HttpCall, outcome: &Result<HttpAnswer, String>) -> Self {
        let body = call.body.as_deref().map(std::str::from_utf8);
        Self {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: joined_headers(call.headers.iter()),
            body: body.and_then(Result::ok).map(str::to_owned),
            status: outcome.as_ref().ok().map(|answer| answer.status),
            error: outcome.as_ref().err().cloned(),
        }
    }

    /// Replaces the secrets of `[scripts.secrets]`.
    fn redacted(self, secrets: &Secrets) -> Self {
        let mut headers = self.headers;
        headers
            .values_mut()
            .for_each(|value| secrets.redact_value(value));
        Self {
            url: secrets.redact(&self.url),
            body: self.body.map(|body| secrets.redact(&body)),
            headers,
            ..self
        }
    }
}

/// A call that has ended.
pub(in crate::script) struct EndedCall<'a> {
    pub(in crate::script) hook: Hook,
    pub(in crate::script) script: &'a str,
    pub(in crate::script) outcome: &'a Result<Dynamic, HookError>,
    /// The members that the script could change, before and after the call.
    pub(in crate::script) members: Option<(Metadata, Metadata)>,
    pub(in crate::script) operations: u64,
    pub(in crate::script) took: Duration,
}

impl HookRecorder {
    /// Creates a recorder for one request, whose scripts reach `host` and see the time of `clock`.
    pub(crate) fn new(host: Arc<dyn Host>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            host,
            clock,
            running: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    /// Returns the calls of scripts so far, in order.
    pub(crate) fn calls(&self) -> Vec<RecordedCall> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }

    fn running(&self) -> MutexGuard<'_, RunningCall> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a line that the running call writes to the log.
    pub(in crate::script) fn line(&self, level: &str, text: &str) {
        self.running().log.push(format!("{level}: {text}"));
    }

    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        let outcome = self.host.http(call);
        self.running().http.push(RecordedHttp::of(call, &outcome));
        outcome
    }

    /// Records the call that has ended, without the secrets of `[scripts.secrets]`.
    pub(in crate::script) fn record(&self, ended: &EndedCall<'_>, secrets: &Secrets) {
        let RunningCall { log, http } = std::mem::take(&mut *self.running());
        let mut sent = Vec::with_capacity(http.len());
        for call in http {
            sent.push(call.redacted(secrets));
        }
        let mut changed = ended.members.as_ref().map(changes).unwrap_or_default();
        for change in &mut changed {
            let sides = [&mut change.before, &mut change.after];
            let values = sides.into_iter().flatten();
            values.for_each(|value| secrets.redact_value(value));
        }
        let call = RecordedCall {
            changed,
            operations: ended.operations,
            microseconds: u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX),
            log,
            http: sent,
            ..result(ended)
        };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
    }
}

/// Returns how a call ended.
fn result(ended: &EndedCall<'_>) -> RecordedCall {
    let call = RecordedCall::new(ended.hook, ended.script);
    match ended.outcome {
        Ok(returned) => RecordedCall {
            result: match returned.as_bool() {
                Ok(false) => Ending::Refused,
                _ => Ending::Passed,
            },
            value: appraisal(ended.hook, returned),
            ..call
        },
        Err(HookError::Refused { .. }) => RecordedCall {
            result: Ending::Refused,
            ..call
        },
        Err(HookError::Answered { status, entity, .. }) => RecordedCall {
            result: Ending::Answered,
            status: Some(*status),
            body: Some(entity.clone()),
            ..call
        },
        Err(error @ (HookError::Fault(_) | HookError::Busy)) => RecordedCall {
            result: Ending::Fault,
            error: Some(error.to_string()),
            ..call
        },
    }
}

/// Returns what a hook returned that appraises something.
fn appraisal(hook: Hook, returned: &Dynamic) -> Option<Value> {
    match hook {
        Hook::VerifyEvidence | Hook::IsCertValidForClient | Hook::MayFetchDocument => {
            to_json(returned).ok()
        }
        _ => None,
    }
}

fn changes((before, after): &(Metadata, Metadata)) -> Vec<MemberChange> {
    let mut changes = Vec::new();
    for member in before.differences(after) {
        changes.push(MemberChange {
            before: before.get(&member).cloned(),
            after: after.get(&member).cloned(),
            member,
        });
    }
    changes
}

/// The clock of scripts: the clock of the recorder, if the request has one, else the usual clock.
pub(in crate::script) struct CallClock(pub(in crate::script) Arc<dyn Clock>);

impl Clock for CallClock {
    fn now(&self) -> Timestamp {
        match current_recorder() {
            Some(recorder) => recorder.clock.now(),
            None => self.0.now(),
        }
    }

    fn ticks(&self) -> Duration {
        self.0.ticks()
    }
}

/// The host of scripts: the host of the recorder, if the request has one, else the usual host. Each function of
/// [`Host`] must be here, or scripts would not reach it.
pub(in crate::script) struct CallHost(pub(in crate::script) Arc<dyn Host>);

impl CallHost {
    fn host(&self) -> Arc<dyn Host> {
        match current_recorder() {
            Some(recorder) => Arc::clone(&recorder.host),
            None => Arc::clone(&self.0),
        }
    }
}

impl Host for CallHost {
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        match current_recorder() {
            Some(recorder) => recorder.http(call),
            None => self.0.http(call),
        }
    }

    fn simulated_wait(&self) -> Duration {
        self.host().simulated_wait()
    }

    fn kv_get(&self, by: &CallingScript<'_>, key: &str) -> Result<Option<Value>, String> {
        self.host().kv_get(by, key)
    }

    fn kv_set(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        value: &Value,
        seconds: u64,
    ) -> Result<(), String> {
        self.host().kv_set(by, key, value, seconds)
    }

    fn kv_delete(&self, by: &CallingScript<'_>, key: &str) -> Result<bool, String> {
        self.host().kv_delete(by, key)
    }

    fn kv_increment(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        amount: i64,
        seconds: u64,
    ) -> Result<i64, String> {
        self.host().kv_increment(by, key, amount, seconds)
    }

    fn kv_count(&self, by: &CallingScript<'_>, key: &str, seconds: u64) -> Result<i64, String> {
        self.host().kv_count(by, key, seconds)
    }

    fn key_set(
        &self,
        url: &str,
        seen: Option<&Arc<KeySet>>,
        timeout: Duration,
    ) -> Result<Option<Arc<KeySet>>, String> {
        self.host().key_set(url, seen, timeout)
    }

    fn count_clients(
        &self,
        by: &CallingScript<'_>,
        members: &Map<String, Value>,
    ) -> Result<u64, String> {
        self.host().count_clients(by, members)
    }

    fn new_nonce(&self, by: &CallingScript<'_>) -> Result<String, String> {
        self.host().new_nonce(by)
    }

    fn consume_nonce(&self, by: &CallingScript<'_>, nonce: &str) -> Result<bool, String> {
        self.host().consume_nonce(by, nonce)
    }
}

#[cfg(test)]
mod tests {
    /// A function of the host that is missing here would fail for every script.
    #[test]
    fn scripts_reach_every_function_of_the_host() {
        let host = include_str!("host.rs");
        let functions = host.split("trait Host").nth(1).unwrap();
        let functions = functions.split("\n}\n").next().unwrap();
        let here = include_str!("record.rs");
        let here = here.split("impl Host for CallHost").nth(1).unwrap();
        let mut count = 0;
        for line in functions.lines() {
            if let Some(name) = line.strip_prefix("    fn ") {
                let name = name.split('(').next().unwrap();
                assert!(here.contains(&format!("fn {name}(")), "{name}");
                count += 1;
            }
        }
        assert!(count >= 8, "{count}");
    }
}
