//! The part of the configuration that needs a restart.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::base::below_issuer;
use crate::config::{
    ClientDocumentSettings, FetchSettings, ScriptSettings, StoreSettings, UpstreamRegistration,
    admin::AdminSettings, paths::Paths, tls::CertificateHeader, tls::TlsSettings,
};

/// The options that are read once, when the server starts.
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
    /// `[discovery]`: `upstream`, and members of the metadata documents that describe other servers.
    pub discovery: Map<String, Value>,
    /// `[documents]`
    pub documents: ClientDocumentSettings,
    /// `[upstreamRegistration]`
    pub upstream_registration: UpstreamRegistration,
    /// `[admin]`
    pub admin: AdminSettings,
    /// `[telemetry]`
    pub telemetry: TelemetrySettings,
}

impl Settings {
    /// Returns `discovery.upstream`: the authorization server whose metadata is published together with the
    /// metadata of this server.
    pub(crate) fn upstream(&self) -> Option<&str> {
        self.discovery.get(UPSTREAM).and_then(Value::as_str)
    }

    /// Returns the URL below which documents of clients are published by the server with this issuer, without a trailing
    /// slash.
    pub(crate) fn document_base(&self, issuer: &str) -> String {
        match &self.documents.base {
            Some(base) => base.clone(),
            None => below_issuer(issuer, &self.server.paths.client_documents),
        }
    }
}

/// The only key of `[discovery]` that is not a member of a metadata document.
pub(crate) const UPSTREAM: &str = "upstream";

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The issuer identifier (RFC 8414 section 2). `None`: the listen address, with `https` if TLS is
    /// configured and `http` otherwise.
    pub issuer: Option<String>,
    /// Address and port that the server listens on.
    pub listen: SocketAddr,
    /// Proxies whose `Forwarded`, `X-Forwarded-For` and certificate headers are trusted: networks or single
    /// addresses.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Headers in which trusted proxies forward the certificate of a client.
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

/// Reads a list of networks. A single address does not need a prefix length.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let mut networks = Vec::new();
    for text in texts {
        if let Ok(address) = text.parse::<IpAddr>() {
            networks.push(IpNet::from(address.to_canonical()));
        } else if let Ok(network) = text.parse::<IpNet>() {
            networks.push(network);
        } else {
            let reason = "is not an address or a network such as 10.0.0.1 or 10.0.0.0/8";
            return Err(D::Error::custom(format!("{text:?} {reason}")));
        }
    }
    Ok(networks)
}

/// `[limits]`: limits for one request, and for all requests together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Maximum size of a request body, in bytes.
    pub body_bytes: usize,
    /// Timeout for the head of a request, in milliseconds.
    pub header_timeout_ms: u64,
    /// Timeout for the body of a request, in milliseconds.
    pub body_timeout_ms: u64,
    /// Timeout for a caller to receive a response, in milliseconds.
    pub write_timeout_ms: u64,
    /// Maximum size of all responses that callers have not yet received, in bytes. Beyond it, the caller
    /// with the most unreceived bytes loses its oldest response.
    pub answer_bytes: usize,
    /// Maximum number of connections. When it is reached, the connection that has been idle longest is
    /// closed to admit a new one.
    pub connections: usize,
    /// Maximum number of connections from one IPv4 address or one IPv6 /64 network. Trusted proxies are
    /// exempt.
    pub connections_per_address: usize,
    /// Maximum number of concurrent requests. Further requests are answered with 503.
    pub requests: usize,
    /// Maximum number of redirect URIs of one client. It also applies to every other list of URIs.
    pub redirect_uris: usize,
    /// Maximum length of a URI, in bytes.
    pub uri_bytes: usize,
    /// Maximum length of a human-readable text, in characters.
    pub text_characters: usize,
    /// Maximum length of a machine-readable text such as `software_id`, and of one item in a list of texts,
    /// in bytes.
    pub text_bytes: usize,
    /// Maximum length of `scope`, in bytes.
    pub scope_bytes: usize,
    /// Maximum size of one custom attribute as JSON, in bytes.
    pub custom_attribute_bytes: usize,
    /// Maximum number of items in one list of client metadata.
    pub list_items: usize,
    /// Maximum number of language tags of one metadata member.
    pub language_tags: usize,
    /// Maximum number of keys in one JWK Set.
    pub jwks_keys: usize,
    /// Maximum number of outstanding nonces for attestation evidence.
    pub evidence_nonces: u64,
    /// Maximum number of registrations and updates that wait for approval.
    pub pending_registrations: u64,
    /// Maximum size of a client document (Client ID Metadata Document), in bytes.
    pub document_bytes: usize,
    /// Maximum length of the URL of a client document, in bytes.
    pub document_uri_bytes: usize,
    /// Maximum number of clients with a document whose URL is neither approved nor listed.
    pub documents: usize,
    /// Maximum number of client documents that wait for approval.
    pub document_candidates: usize,
    /// Maximum number of unknown URLs of one host that are fetched in an hour.
    pub document_fetches_per_host: u32,
    /// Maximum number of unknown URLs of all hosts that are fetched in a minute.
    pub document_fetches: u32,
    /// Time for open requests to finish when the server stops, in milliseconds.
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
            pending_registrations: 1_000,
            document_bytes: 5_120,
            document_uri_bytes: 512,
            documents: 10_000,
            document_candidates: 1_000,
            document_fetches_per_host: 30,
            document_fetches: 600,
            shutdown_ms: 10_000,
        }
    }
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Log level, for example `info,registrar::script=debug`.
    pub level: String,
    /// Log format.
    pub format: LogFormat,
    /// Whether each event of the audit log is also a line of the log.
    pub audit_log: bool,
    /// URL of the receiver of traces (OTLP over HTTP). `None`: no traces are sent.
    pub otlp: Option<String>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Auto,
            audit_log: false,
            otlp: None,
        }
    }
}

/// `telemetry.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Lines of text.
    Text,
    /// One JSON object per line.
    Json,
}
