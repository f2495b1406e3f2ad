//! The part of the configuration that needs a restart.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoreSettings;

/// Everything that is read once, when the server starts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// `[server]`
    pub server: ServerSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[scripts]`
    pub scripts: ScriptSettings,
    /// `[limits]`
    pub limits: Limits,
    /// `[discovery]`: members of the metadata documents for what is not ours.
    pub discovery: Map<String, Value>,
    /// `[telemetry]`
    pub telemetry: TelemetrySettings,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The issuer identifier (RFC 8414 section 2); none: `http://` and the listen address.
    pub issuer: Option<String>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Proxies whose `Forwarded` and certificate headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `[server.paths]`
    pub paths: Paths,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            issuer: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            trusted_proxies: Vec::new(),
            paths: Paths::default(),
        }
    }
}

/// `[server.paths]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Paths {
    /// The registration and management endpoint.
    pub registration: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self { registration: "/register".to_owned() }
    }
}

/// `[scripts]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScriptSettings {
    /// The folder of the scripts.
    pub directory: PathBuf,
    /// `[scripts.limits]`
    pub limits: ScriptLimits,
    /// `[scripts.attributes]`: `context.configurationAttributes`.
    pub attributes: Map<String, Value>,
}

impl Default for ScriptSettings {
    fn default() -> Self {
        Self { directory: PathBuf::from("scripts"), limits: ScriptLimits::default(), attributes: Map::new() }
    }
}

/// `[scripts.limits]`: what one call of one hook may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScriptLimits {
    /// Operations, as Rhai counts them.
    pub operations: u64,
    /// Milliseconds of wall-clock time, from the moment the call is queued.
    pub deadline_ms: u64,
    /// Function calls inside one another.
    pub call_depth: usize,
    /// Expressions inside one another, in the text of a script.
    pub expression_depth: usize,
    /// Bytes of one string.
    pub string_bytes: usize,
    /// Items of one array, those of arrays in it counted.
    pub array_items: usize,
    /// Members of one map, those of maps in it counted.
    pub map_items: usize,
    /// Variables at the same time.
    pub variables: usize,
    /// Scripts that run at the same time.
    pub concurrent: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            operations: 200_000,
            deadline_ms: 100,
            call_depth: 32,
            expression_depth: 64,
            string_bytes: 65_536,
            array_items: 4_096,
            map_items: 4_096,
            variables: 256,
            concurrent: 64,
        }
    }
}

/// `[limits]`: what one request may use, and how many there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Milliseconds in which the head of a request must arrive.
    pub header_timeout_ms: u64,
    /// Milliseconds in which the body of a request must arrive.
    pub body_timeout_ms: u64,
    /// Connections at the same time.
    pub connections: usize,
    /// Requests at the same time; more are answered with 503.
    pub requests: usize,
    /// Redirect URIs of one client; also of each other list of URIs.
    pub redirect_uris: usize,
    /// Bytes of one URI.
    pub uri_bytes: usize,
    /// Characters of one text for people.
    pub text_characters: usize,
    /// Items of one list of a client's metadata.
    pub list_items: usize,
    /// Language tags of one member.
    pub language_tags: usize,
    /// Keys in one JWK Set.
    pub jwks_keys: usize,
    /// Milliseconds that open requests are given when the server stops.
    pub shutdown_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 65_536,
            header_timeout_ms: 10_000,
            body_timeout_ms: 10_000,
            connections: 4_096,
            requests: 1_024,
            redirect_uris: 32,
            uri_bytes: 2_048,
            text_characters: 1_024,
            list_items: 64,
            language_tags: 64,
            jwks_keys: 20,
            shutdown_ms: 10_000,
        }
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// What is logged, as in `info,registrar::script=debug`.
    pub level: String,
    /// How it is logged.
    pub format: LogFormat,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// `telemetry.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}
