//! The host functions of scripts, as a server provides them: the guarded fetcher and the store.
//!
//! Scripts call them on threads that may block. The work itself runs on the runtime of the server.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::base::{Clock, Timestamp};
use crate::config::{Live, ScriptLimits, Settings};
use crate::fetch::{FetchError, Fetcher, Refusal, Request, Response};
use crate::jose::KeySet;
use crate::script::{CallingScript, Host, HttpAnswer, HttpCall};
use crate::service::ScriptHttp;
use crate::store::{Indexed, KeyValueLimits, ScriptValues, Store};
use crate::trust::Verifier;

/// The parts of a server that scripts reach.
pub(crate) struct HostParts {
    pub(crate) store: Store,
    pub(crate) fetcher: Arc<Fetcher>,
    /// The key sets of other servers.
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The live configuration in force.
    pub(crate) live: Arc<ArcSwap<Live>>,
}

/// The host functions for the scripts of one server.
pub(crate) struct Outside {
    runtime: Handle,
    parts: HostParts,
    /// How much each script may store.
    key_values: KeyValueLimits,
    /// The maximum number of outstanding nonces.
    nonces: u64,
    /// What answers the calls of `http`.
    http: ScriptHttp,
}

impl Outside {
    /// Host functions on these parts, within the limits of `settings`. Must be called on the runtime of the
    /// server.
    pub(crate) fn new(settings: &Settings, parts: HostParts) -> Self {
        Self {
            runtime: Handle::current(),
            parts,
            key_values: key_values(&settings.scripts.limits),
            nonces: settings.limits.evidence_nonces,
            http: ScriptHttp::Live,
        }
    }

    /// Returns the same functions, of which `http` is answered by `http`.
    pub(super) fn with_http(self, http: ScriptHttp) -> Self {
        Self { http, ..self }
    }

    /// Waits for `work`, but no longer than `timeout`.
    fn wait<T, E: ToString>(
        &self,
        timeout: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, String> {
        let outcome = self
            .runtime
            .block_on(async { tokio::time::timeout(timeout, work).await });
        match outcome {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("timed out".to_owned()),
        }
    }

    async fn send(&self, request: Request) -> Result<Response, String> {
        let url = request.url.clone();
        let sent = self.parts.fetcher.send(request).await;
        sent.map_err(|error| explained(&error, &url))
    }

    /// Performs `work` on the key-value store of the script.
    fn kept<T, E: ToString>(
        &self,
        by: &CallingScript<'_>,
        work: impl AsyncFnOnce(ScriptValues<'_>, Timestamp) -> Result<T, E>,
    ) -> Result<T, String> {
        let values = self.parts.store.key_values.of(by.script, self.key_values);
        self.wait(by.timeout, work(values, self.parts.clock.now()))
    }
}

/// Says which host a script may not call, and which option allows it. Clients do not see faults of scripts, so this can
/// be more than [`FetchError`] tells them.
fn explained(error: &FetchError, url: &str) -> String {
    let advice = match error {
        FetchError::Refused(Refusal::Scheme) => "set fetch.allowHttp to call it with http",
        FetchError::Refused(Refusal::NotListed) => "add it there",
        FetchError::Refused(Refusal::NotPublic) => "add it to fetch.allowedHosts to call it",
        error => return error.to_string(),
    };
    format!("{error}: {}; {advice}", authority(url))
}

/// Returns the host and the port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // What is before an `@` may be a secret.
    authority.rsplit('@').next().unwrap_or(authority)
}

impl Host for Outside {
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        match &self.http {
            ScriptHttp::Live => {}
            ScriptHttp::LiveReads if call.method == "GET" => {}
            ScriptHttp::LiveReads => return Err(ONLY_READS.to_owned()),
            ScriptHttp::Refused => return Err(REFUSED.to_owned()),
            ScriptHttp::Fake(host) => return host.http(call),
        }
        let request = Request {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: call.headers.clone(),
            body: call.body.clone(),
            timeout: Some(call.timeout.saturating_sub(call.after)),
            limit: Some(call.answer_bytes),
            is_body_ignored: false,
            is_error_body_ignored: false,
        };
        let answer = self.wait(call.timeout, async {
            tokio::time::sleep(call.after).await;
            self.send(request).await
        })?;
        Ok(HttpAnswer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }

    fn simulated_wait(&self) -> Duration {
        match &self.http {
            ScriptHttp::Fake(host) => host.simulated_wait(),
            ScriptHttp::Live | ScriptHttp::LiveReads | ScriptHttp::Refused => Duration::ZERO,
        }
    }

    fn kv_get(&self, by: &CallingScript<'_>, key: &str) -> Result<Option<Value>, String> {
        self.kept(by, async |values, now| values.get(key, now).await)
    }

    fn kv_set(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        value: &Value,
        seconds: u64,
    ) -> Result<(), String> {
        self.kept(by, async |values, now| {
            values.set(key, value, now.plus(seconds), now).await
        })
    }

    fn kv_delete(&self, by: &CallingScript<'_>, key: &str) -> Result<bool, String> {
        self.kept(by, async |values, now| values.delete(key, now).await)
    }

    fn kv_increment(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        amount: i64,
        seconds: u64,
    ) -> Result<i64, String> {
        self.kept(by, async |values, now| {
            values.increment(key, amount, now.plus(seconds), now).await
        })
    }

    fn kv_count(&self, by: &CallingScript<'_>, key: &str, seconds: u64) -> Result<i64, String> {
        self.kept(by, async |values, now| {
            values.counter(key, now.plus(seconds), now).await
        })
    }

    fn key_set(
        &self,
        url: &str,
        seen: Option<&Arc<KeySet>>,
        timeout: Duration,
    ) -> Result<Option<Arc<KeySet>>, String> {
        match &self.http {
            ScriptHttp::Fake(host) => host.key_set(url, seen, timeout),
            // As the server fetches keys itself, whatever `http` may do.
            ScriptHttp::Live | ScriptHttp::LiveReads | ScriptHttp::Refused => {
                self.wait(timeout, self.parts.verifier.key_set(url, seen))
            }
        }
    }

    fn count_clients(
        &self,
        by: &CallingScript<'_>,
        members: &Map<String, Value>,
    ) -> Result<u64, String> {
        self.wait(
            by.timeout,
            self.parts.store.clients.count(indexed(members)?),
        )
    }

    fn new_nonce(&self, by: &CallingScript<'_>) -> Result<String, String> {
        let lifetime = self.parts.live.load().registration.evidence_nonce_lifetime;
        let nonces = &self.parts.store.nonces;
        self.wait(
            by.timeout,
            nonces.issue(self.parts.clock.now(), lifetime, self.nonces),
        )
    }

    fn consume_nonce(&self, by: &CallingScript<'_>, nonce: &str) -> Result<bool, String> {
        let nonces = &self.parts.store.nonces;
        self.wait(by.timeout, nonces.consume(nonce, self.parts.clock.now()))
    }
}

/// The error of a call of `http` for a request that is only judged.
const REFUSED: &str = "http calls no server for a request that is only tried; give fake responses, or allow calls \
                       with `live`";

/// The error of another method than `GET` for such a request.
const ONLY_READS: &str = "http sends only GET for a request that is judged without effect";

/// Returns how much each script may store.
pub(crate) const fn key_values(limits: &ScriptLimits) -> KeyValueLimits {
    KeyValueLimits {
        entries: limits.kv_entries,
        key_bytes: limits.kv_key_bytes,
        value_bytes: limits.kv_value_bytes,
    }
}

/// Returns the single indexed member in `members`.
fn indexed(members: &Map<String, Value>) -> Result<Indexed<'_>, String> {
    let known = "clients are counted by either `software_id` or `org_id`";
    let mut named = members.iter();
    let (Some((name, value)), None) = (named.next(), named.next()) else {
        return Err(known.to_owned());
    };
    let text = value
        .as_str()
        .ok_or_else(|| format!("`{name}` must be a string"))?;
    match name.as_str() {
        "software_id" => Ok(Indexed::SoftwareId(text)),
        "org_id" => Ok(Indexed::OrgId(text)),
        _ => Err(format!("`{name}` is not indexed; {known}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_call_names_its_host_and_the_option_that_allows_it() {
        for (refusal, url, expected) in [
            (
                Refusal::Scheme,
                "http://user:secret@a.example:8080/x?y",
                "the URL must use https: a.example:8080; set fetch.allowHttp to call it with http",
            ),
            (
                Refusal::NotPublic,
                "https://127.0.0.1",
                "the host must be on the public internet: 127.0.0.1; add it to fetch.allowedHosts to call it",
            ),
            (
                Refusal::NotListed,
                "https://b.example?x",
                "this host is not in fetch.allowedHosts: b.example; add it there",
            ),
            (
                Refusal::Fragment,
                "https://b.example/#x",
                "the URL must not contain a fragment (#...)",
            ),
        ] {
            assert_eq!(explained(&refusal.into(), url), expected);
        }
    }
}
