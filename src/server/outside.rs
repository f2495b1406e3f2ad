//! The host functions of scripts, as a server provides them: the guarded fetcher and the store.
//!
//! Scripts call them on threads that may block. The work itself runs on the runtime of the server.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::base::clock::Timestamp;
use crate::fetch::Request;
use crate::script::host::{Caller, Host, HttpAnswer, HttpCall};
use crate::service::Service;
use crate::store::Indexed;
use crate::store::expiring::key_values::{KeyValueLimits, ScriptValues};

/// The host functions for the scripts of one server.
pub struct Outside {
    runtime: Handle,
    /// The server, once it exists; scripts are loaded before it.
    service: OnceLock<Weak<Service>>,
}

impl Outside {
    /// Host functions without a server. Must be called on the runtime of the server.
    pub fn new() -> Self {
        Self {
            runtime: Handle::current(),
            service: OnceLock::new(),
        }
    }

    /// Connects the host functions with `service`.
    pub fn belongs_to(&self, service: &Arc<Service>) {
        // Only the start of the server calls this, and only once.
        let _ = self.service.set(Arc::downgrade(service));
    }

    fn service(&self) -> Result<Arc<Service>, String> {
        let service = self.service.get().and_then(Weak::upgrade);
        service.ok_or_else(|| "not available while scripts are loaded".to_owned())
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

    /// Performs `work` on the key-value store of the script.
    fn kept<T, E: ToString>(
        &self,
        by: &Caller<'_>,
        work: impl AsyncFnOnce(ScriptValues<'_>, Timestamp) -> Result<T, E>,
    ) -> Result<T, String> {
        let service = self.service()?;
        let limits = &service.settings.scripts.limits;
        let limits = KeyValueLimits {
            entries: limits.kv_entries,
            key_bytes: limits.kv_key_bytes,
            value_bytes: limits.kv_value_bytes,
        };
        let values = service.store.key_values.of(by.script, limits);
        self.wait(by.timeout, work(values, service.clock.now()))
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for Outside {
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        let service = self.service()?;
        let request = Request {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: call.headers.clone(),
            body: call.body.clone(),
            timeout: Some(call.timeout.saturating_sub(call.after)),
            limit: Some(call.answer_bytes),
        };
        let answer = self.wait(call.timeout, async {
            tokio::time::sleep(call.after).await;
            service.fetcher.send(request).await
        })?;
        Ok(HttpAnswer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }

    fn kv_get(&self, by: &Caller<'_>, key: &str) -> Result<Option<Value>, String> {
        self.kept(by, async |values, now| values.get(key, now).await)
    }

    fn kv_set(
        &self,
        by: &Caller<'_>,
        key: &str,
        value: &Value,
        seconds: u64,
    ) -> Result<(), String> {
        self.kept(by, async |values, now| {
            values.set(key, value, now.plus(seconds), now).await
        })
    }

    fn kv_delete(&self, by: &Caller<'_>, key: &str) -> Result<bool, String> {
        self.kept(by, async |values, now| values.delete(key, now).await)
    }

    fn kv_increment(
        &self,
        by: &Caller<'_>,
        key: &str,
        amount: i64,
        seconds: u64,
    ) -> Result<i64, String> {
        self.kept(by, async |values, now| {
            values.increment(key, amount, now.plus(seconds), now).await
        })
    }

    fn count_clients(&self, by: &Caller<'_>, members: &Map<String, Value>) -> Result<u64, String> {
        let service = self.service()?;
        self.wait(by.timeout, service.store.clients.count(indexed(members)?))
    }

    fn new_nonce(&self, by: &Caller<'_>) -> Result<String, String> {
        let service = self.service()?;
        let lifetime = service.snapshot().live.registration.evidence_nonce_lifetime;
        let most = service.settings.limits.evidence_nonces;
        self.wait(
            by.timeout,
            service
                .store
                .nonces
                .issue(service.clock.now(), lifetime, most),
        )
    }

    fn consume_nonce(&self, by: &Caller<'_>, nonce: &str) -> Result<bool, String> {
        let service = self.service()?;
        self.wait(
            by.timeout,
            service.store.nonces.consume(nonce, service.clock.now()),
        )
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
