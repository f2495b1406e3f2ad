//! `[store]`: where data is stored.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{StoreUrl, Verdict};

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct StoreSettings {
    /// `sled:FOLDER`, `fjall:FOLDER`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `memory:` (for tests).
    pub url: StoreUrl,
    /// File with the key that encrypts stored secrets. `None`: `registrar.key` in the folder of the store.
    /// Required with PostgreSQL; all servers on one database need the same key.
    pub key_file: Option<PathBuf>,
    /// Memory for the cache of the embedded store, in bytes.
    pub cache_bytes: u64,
    /// File with the database password. `None`: the password in the URL.
    pub password_file: Option<PathBuf>,
    /// PEM file of CAs trusted to sign the certificate of the database. `None`: the CAs of the system.
    pub ca_file: Option<PathBuf>,
    /// Maximum number of concurrent database connections.
    pub connections: usize,
    /// Timeout of a database operation, in milliseconds.
    pub timeout_ms: u64,
    /// Seconds between two sweeps for expired clients and other expired records.
    pub sweep_seconds: u64,
    /// Maximum number of seconds for which sweeps pause when the clock jumps ahead, or was ahead when the
    /// server started. 0: never.
    pub clock_jump_hold_seconds: u64,
    /// Maximum number of events in the audit log. The oldest are deleted first.
    pub audit_events: u64,
    /// Maximum number of events in the event log that every consumer has received; twice as many if one has not.
    /// The oldest are deleted first.
    pub events: u64,
    /// Days after which an event that every consumer has received is deleted.
    pub event_days: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: "sled:data".into(),
            key_file: None,
            cache_bytes: 16 * 1024 * 1024,
            password_file: None,
            ca_file: None,
            connections: 16,
            timeout_ms: 5_000,
            sweep_seconds: 30,
            clock_jump_hold_seconds: 86_400,
            audit_events: 1_000_000,
            events: 1_000_000,
            event_days: 30,
        }
    }
}

pub(super) fn check(store: &StoreSettings, verdict: &mut Verdict) {
    check_url(&store.url, verdict);
    if store.url.is_postgres() && store.key_file.is_none() {
        let reason =
            "is required with PostgreSQL; set it to a file that all servers on the database share";
        verdict.refuse("store.keyFile", reason);
    }
    for (key, is_zero) in [
        ("store.connections", store.connections == 0),
        ("store.timeoutMs", store.timeout_ms == 0),
        ("store.sweepSeconds", store.sweep_seconds == 0),
        ("store.events", store.events == 0),
        ("store.eventDays", store.event_days == 0),
    ] {
        if is_zero {
            verdict.refuse(key, "must be 1 or more");
        }
    }
    if store.cache_bytes < 1 << 20 {
        verdict.refuse("store.cacheBytes", "must be 1048576 or more");
    }
}

fn check_url(url: &StoreUrl, verdict: &mut Verdict) {
    let key = "store.url";
    let Some((database, folder)) = url.embedded() else {
        if !url.is_postgres() && !url.is_memory() {
            verdict.refuse(
                key,
                "must be sled:FOLDER, fjall:FOLDER, postgres://..., or memory: (for tests)",
            );
        }
        return;
    };
    let folder = folder.to_str().unwrap_or_default();
    if folder.starts_with("//") && !folder.starts_with("///") {
        let plain = folder.trim_start_matches('/');
        let name = database.name();
        let reason = format!(
            "must not contain // after {name}:, which would mean a folder at the root of the file system; for the \
             folder {plain} in the working directory write {name}:{plain}, and for /{plain} write {name}:/{plain}"
        );
        verdict.refuse(key, reason);
    }
}
