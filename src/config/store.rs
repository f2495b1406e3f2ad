//! `[store]`: where everything is kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::StoreUrl;
use super::check::Verdict;

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct StoreSettings {
    /// `sled:FOLDER`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `memory:` (for tests).
    pub url: StoreUrl,
    /// The file with the key that seals secrets; none: `registrar.key` in the store's folder.
    /// PostgreSQL needs it, and all servers on one database need the same.
    pub key_file: Option<PathBuf>,
    /// Bytes of memory for the page cache of sled.
    pub cache_bytes: u64,
    /// The file with the password of the database; none: the one in the URL.
    pub password_file: Option<PathBuf>,
    /// The file with the certificates that sign that of the database; none: those of the system.
    pub ca_file: Option<PathBuf>,
    /// Connections to the database at the same time, at most.
    pub connections: usize,
    /// Milliseconds for which the database may take to answer.
    pub timeout_ms: u64,
    /// Seconds between two sweeps for clients and other records that have ended.
    pub sweep_seconds: u64,
    /// Seconds for which a sweep waits at most when the clock jumps ahead, or was ahead at a start; 0: none.
    pub clock_jump_hold_seconds: u64,
    /// Events of the audit log that are kept; the oldest go first.
    pub audit_events: u64,
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
        }
    }
}

pub(super) fn check(store: &StoreSettings, verdict: &mut Verdict) {
    let url = &store.url;
    if !url.is_postgres() && !url.is_memory() && url.sled_folder().is_none() {
        verdict.refuse("store.url", "must be sled:FOLDER, postgres://..., or memory: for a test");
    }
    let folder = url.sled_folder().and_then(std::path::Path::to_str).unwrap_or_default();
    if folder.starts_with("//") && !folder.starts_with("///") {
        let plain = folder.trim_start_matches('/');
        let reason = format!(
            "is not a URL with //, which would be a folder at the root of the file system; for the folder {plain} \
             here write sled:{plain}, and for /{plain} write sled:/{plain}"
        );
        verdict.refuse("store.url", reason);
    }
    if url.is_postgres() && store.key_file.is_none() {
        let reason = "is needed with PostgreSQL: a file that is the same for all servers on the database";
        verdict.refuse("store.keyFile", reason);
    }
    let is_zero = [
        ("store.connections", store.connections == 0),
        ("store.timeoutMs", store.timeout_ms == 0),
        ("store.sweepSeconds", store.sweep_seconds == 0),
    ];
    for (key, _) in is_zero.into_iter().filter(|(_, is_zero)| *is_zero) {
        verdict.refuse(key, "must be 1 or more");
    }
    if store.cache_bytes < 1 << 20 {
        verdict.refuse("store.cacheBytes", "must be 1048576 or more");
    }
}
