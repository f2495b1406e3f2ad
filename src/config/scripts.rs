//! `[scripts]`: the folder of the scripts, and their limits.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `[scripts]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScriptSettings {
    /// Folder of the scripts.
    pub directory: PathBuf,
    /// Whether the folder is in force even if a version of the scripts is pinned.
    pub ignore_pin: bool,
    /// Milliseconds for which a script in force must be missing in the folder before the scripts without it are
    /// loaded.
    pub removal_quiet_ms: u64,
    /// Folder of the candidate, if there is one.
    pub candidate: Option<PathBuf>,
    /// Milliseconds to wait before the first retries of an event that scripts or a webhook could not receive. The
    /// pauses after them grow. Empty: no retries.
    pub retry_pauses_ms: Vec<u64>,
    /// Whether a comparison of values whose types do not fit is a fault, as in `"500" > 100` or `() > 5`.
    /// Otherwise it is false.
    pub strict_comparisons: bool,
    /// Whether changed scripts are only used when their tests pass.
    pub tests_before_reload: bool,
    /// `[scripts.limits]`
    pub limits: ScriptLimits,
    /// `[scripts.attributes]`: `context.configurationAttributes`.
    pub attributes: Map<String, Value>,
    /// `[scripts.secrets]`: secrets that `secrets::get` can read.
    pub secrets: BTreeMap<String, SecretSource>,
}

impl ScriptSettings {
    /// Returns the files of `[scripts.secrets]`.
    pub(crate) fn secret_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for source in self.secrets.values() {
            if let SecretSource::File(file) = source {
                files.push(file.clone());
            }
        }
        files
    }
}

impl Default for ScriptSettings {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("scripts"),
            ignore_pin: false,
            removal_quiet_ms: 5_000,
            candidate: None,
            retry_pauses_ms: vec![1_000, 10_000],
            strict_comparisons: true,
            tests_before_reload: false,
            limits: ScriptLimits::default(),
            attributes: Map::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// The source of a secret for scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file. A line break at its end is ignored.
    File(PathBuf),
}

/// `[scripts.limits]`: limits for one call of one hook, and for all scripts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScriptLimits {
    /// Maximum number of operations, as Rhai counts them.
    pub operations: u64,
    /// Maximum processor time of all scripts of one hook, in milliseconds. Waiting is not counted: for a
    /// script slot, for a busy processor, or for external responses.
    pub deadline_ms: u64,
    /// Maximum time that a request waits for a script slot, in milliseconds. Then it is answered with 503.
    pub queue_ms: u64,
    /// Maximum depth of nested function calls.
    pub call_depth: usize,
    /// Maximum depth of nested expressions in the source of a script.
    pub expression_depth: usize,
    /// Maximum length of one string, in bytes. It also limits what `http` sends and receives.
    pub string_bytes: usize,
    /// Maximum number of items in one array, including the items of nested arrays.
    pub array_items: usize,
    /// Maximum number of members in one map, including the members of nested maps.
    pub map_items: usize,
    /// Maximum number of variables at the same time.
    pub variables: usize,
    /// Maximum number of scripts that run at the same time.
    pub concurrent: usize,
    /// Maximum number of scripts that wait for `http` at the same time.
    pub waiting: usize,
    /// Maximum number of `http` calls in one call of a hook; hooks after the response may make four times as many.
    pub http_calls: u32,
    /// Maximum time that all scripts of one hook wait for external responses, in milliseconds.
    pub http_ms: u64,
    /// Maximum number of `kv`, `clients` and nonce calls in one call of a hook.
    pub store_calls: u32,
    /// Maximum number of `kv` values that one script can store at the same time.
    pub kv_entries: u64,
    /// Maximum length of a `kv` key, in bytes.
    pub kv_key_bytes: usize,
    /// Maximum size of a `kv` value as JSON, in bytes.
    pub kv_value_bytes: usize,
    /// Maximum size of a script result as JSON, in bytes: the client, a response, a returned value.
    pub result_bytes: usize,
    /// Without effect, since events are kept in the store. Accepted so that older configurations stay valid.
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
