//! `[scripts]`: where the scripts are, and what they may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `[scripts]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScriptSettings {
    /// The folder of the scripts.
    pub directory: PathBuf,
    /// Milliseconds before a hook that runs after the answer is tried again; as many pauses, as
    /// many further tries.
    pub retry_pauses_ms: Vec<u64>,
    /// `[scripts.limits]`
    pub limits: ScriptLimits,
    /// `[scripts.attributes]`: `context.configurationAttributes`.
    pub attributes: Map<String, Value>,
    /// `[scripts.secrets]`: what `secrets::get` may read.
    pub secrets: BTreeMap<String, SecretSource>,
}

impl Default for ScriptSettings {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("scripts"),
            retry_pauses_ms: vec![1_000, 10_000],
            limits: ScriptLimits::default(),
            attributes: Map::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// Where a secret for scripts comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a line break at its end does not count.
    File(PathBuf),
}

/// `[scripts.limits]`: what one call of one hook may use, and how many there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScriptLimits {
    /// Operations, as Rhai counts them.
    pub operations: u64,
    /// Milliseconds that all scripts of one hook may work. Waiting does not count: for a place, for a
    /// processor that others use, for answers from outside.
    pub deadline_ms: u64,
    /// Milliseconds that a request may wait for a place for its scripts; then it is answered with 503.
    pub queue_ms: u64,
    /// Function calls inside one another.
    pub call_depth: usize,
    /// Expressions inside one another, in the text of a script.
    pub expression_depth: usize,
    /// Bytes of one string; also of what `http` sends and receives.
    pub string_bytes: usize,
    /// Items of one array, those of arrays in it counted.
    pub array_items: usize,
    /// Members of one map, those of maps in it counted.
    pub map_items: usize,
    /// Variables at the same time.
    pub variables: usize,
    /// Scripts that run at the same time.
    pub concurrent: usize,
    /// Scripts that wait for `http` at the same time.
    pub waiting: usize,
    /// Calls of `http` in one call of a hook.
    pub http_calls: u32,
    /// Milliseconds that all scripts of one hook may wait for answers from outside.
    pub http_ms: u64,
    /// Calls of `kv`, `clients` and nonces in one call of a hook.
    pub store_calls: u32,
    /// Values that one script may keep with `kv` at the same time.
    pub kv_entries: u64,
    /// Bytes of a key of `kv`.
    pub kv_key_bytes: usize,
    /// Bytes of a value of `kv`, as JSON.
    pub kv_value_bytes: usize,
    /// Bytes of JSON that a script may leave behind: the client, an answer, a returned value.
    pub result_bytes: usize,
    /// What waits for a hook that runs after the answer, in units of 8192 bytes of metadata.
    pub waiting_notifications: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            operations: 200_000,
            deadline_ms: 100,
            queue_ms: 10_000,
            call_depth: 32,
            expression_depth: 64,
            string_bytes: 65_536,
            array_items: 4_096,
            map_items: 4_096,
            variables: 256,
            concurrent: 64,
            waiting: 256,
            http_calls: 8,
            http_ms: 10_000,
            store_calls: 64,
            kv_entries: 10_000,
            kv_key_bytes: 256,
            kv_value_bytes: 16_384,
            result_bytes: 262_144,
            waiting_notifications: 10_000,
        }
    }
}
