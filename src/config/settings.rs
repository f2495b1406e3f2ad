//! The part of the configuration that needs a restart.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::admin::AdminSettings;
use super::paths::Paths;
use super::tls::{CertificateHeader, TlsSettings};
use super::{FetchSettings, ScriptSettings, StoreSettings};

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
    /// `[fetch]`
    pub fetch: FetchSettings,
    /// `[limits]`
    pub limits: Limits,
    /// `[discovery]`: members of the metadata documents for what is not ours, and `upstream`.
    pub discovery: Map<String, Value>,
    /// `[admin]`
    pub admin: AdminSettings,
    /// `[telemetry]`
    pub telemetry: TelemetrySettings,
}

impl Settings {
    /// `discovery.upstream`: the authorization server whose metadata is published with ours.
    pub fn upstream(&self) -> Option<&str> {
        self.discovery.get(UPSTREAM).and_then(Value::as_str)
    }
}

/// The one key of `[discovery]` that is no member of a metadata document.
pub const UPSTREAM: &str = "upstream";

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The issuer identifier (RFC 8414 section 2); none: `http://`, or `https://` with TLS, and
    /// the listen address.
    pub issuer: Option<String>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Proxies whose `Forwarded`, `X-Forwarded-For` and certificate headers are believed: networks
    /// or single addresses.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The headers in which they name the certificate of a client.
    pub certificate_headers: Vec<CertificateHeader>,
    /// `[server.tls]`
    pub tls: TlsSettings,
    /// `[server.paths]`
    pub paths: Paths,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            issuer: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            trusted_proxies: Vec::new(),
            certificate_headers: vec![
                CertificateHeader::ClientCert,
                CertificateHeader::XForwardedClientCert,
                CertificateHeader::XClientCert,
            ],
            tls: TlsSettings::default(),
            paths: Paths::default(),
        }
    }
}

/// Networks, of which one of a single address needs no length.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: String| match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address.to_canonical())),
        Err(_) => text.parse::<IpNet>().map_err(|_| {
            let reason = "must be an address or a network, such as 10.0.0.1 or 10.0.0.0/8";
            D::Error::custom(format!("{text:?} {reason}"))
        }),
    };
    texts.into_iter().map(network).collect()
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
    /// Milliseconds in which a caller must take what it is sent.
    pub write_timeout_ms: u64,
    /// Bytes of answers that callers have not taken yet, of all of them together; beyond that, the
    /// caller that holds most loses its oldest.
    pub answer_bytes: usize,
    /// Connections at the same time; for one more, the one that has waited longest gives way.
    pub connections: usize,
    /// Connections of one address, or of one IPv6 network of 64 bits; trusted proxies have no
    /// such bound.
    pub connections_per_address: usize,
    /// Requests at the same time; more are answered with 503.
    pub requests: usize,
    /// Redirect URIs of one client; also of each other list of URIs.
    pub redirect_uris: usize,
    /// Bytes of one URI.
    pub uri_bytes: usize,
    /// Characters of one text for people.
    pub text_characters: usize,
    /// Bytes of one text for programs, such as `software_id`, and of one item of a list of texts.
    pub text_bytes: usize,
    /// Bytes of `scope`.
    pub scope_bytes: usize,
    /// Bytes of one custom attribute, as JSON.
    pub custom_attribute_bytes: usize,
    /// Items of one list of a client's metadata.
    pub list_items: usize,
    /// Language tags of one member.
    pub language_tags: usize,
    /// Keys in one JWK Set.
    pub jwks_keys: usize,
    /// Nonces for attestation evidence that may be out at the same time.
    pub evidence_nonces: u64,
    /// Milliseconds that open requests are given when the server stops.
    pub shutdown_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 65_536,
            header_timeout_ms: 10_000,
            body_timeout_ms: 10_000,
            write_timeout_ms: 10_000,
            answer_bytes: 33_554_432,
            connections: 4_096,
            connections_per_address: 1_024,
            requests: 1_024,
            redirect_uris: 32,
            uri_bytes: 2_048,
            text_characters: 1_024,
            text_bytes: 2_048,
            scope_bytes: 16_384,
            custom_attribute_bytes: 16_384,
            list_items: 64,
            language_tags: 64,
            jwks_keys: 20,
            evidence_nonces: 10_000,
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
    /// Where traces are sent, by OTLP over HTTP; none: nowhere.
    pub otlp: Option<String>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto, otlp: None }
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
