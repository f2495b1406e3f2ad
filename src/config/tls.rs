//! `[server.tls]`, and what a proxy may say of client certificates.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Live;
use super::check::Verdict;
use super::settings::ServerSettings;

/// `[server.tls]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate of the server in PEM, followed by those between it and a known authority;
    /// none: plain HTTP.
    pub certificate: Option<PathBuf>,
    /// The private key of that certificate in PEM.
    pub key: Option<PathBuf>,
    /// The authorities in PEM whose client certificates are trusted.
    pub client_ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate.
    pub client_certificates: ClientCertificates,
}

impl TlsSettings {
    /// Whether the server speaks TLS itself.
    pub const fn is_on(&self) -> bool {
        self.certificate.is_some()
    }
}

/// `server.tls.clientCertificates`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientCertificates {
    /// No client is asked for one.
    #[default]
    Off,
    /// Who has one may show it.
    Optional,
    /// Nobody connects without one.
    Required,
}

/// One of `server.certificateHeaders`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateHeader {
    /// `Client-Cert` (RFC 9440).
    #[serde(rename = "Client-Cert")]
    ClientCert,
    /// `X-Forwarded-Client-Cert`, as Envoy writes it.
    #[serde(rename = "X-Forwarded-Client-Cert")]
    XForwardedClientCert,
    /// `X-ClientCert`: PEM or DER in one of the codings of nginx, Apache and `HAProxy`.
    #[serde(rename = "X-ClientCert")]
    XClientCert,
}

/// What can not stand together.
pub(super) fn check(server: &ServerSettings, live: &Live, verdict: &mut Verdict) {
    let tls = &server.tls;
    let asks = tls.client_certificates != ClientCertificates::Off;
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => {
            verdict.refuse("server.tls.key", "is needed: the private key of server.tls.certificate");
        }
        (None, Some(_)) => {
            verdict.refuse("server.tls.certificate", "is needed: the certificate of server.tls.key");
        }
        (None, None) if asks => {
            verdict
                .refuse("server.tls.clientCertificates", "needs server.tls.certificate and server.tls.key");
        }
        _ => {}
    }
    if !server.trusted_proxies.is_empty() && server.certificate_headers.len() > 1 {
        let reason = "more than one: a header that your proxy does not set, it does not remove either; keep the one it sets";
        verdict.warn("server.certificateHeaders", reason);
    }
    let is_known = (asks && tls.client_ca.is_some()) || !server.trusted_proxies.is_empty();
    if live.registration.dcr_authorization_with_mtls && !is_known {
        let reason = "nobody can register: no client certificate is trusted without server.tls.clientCa \
                      and clientCertificates, or a proxy in server.trustedProxies";
        verdict.warn("registration.dcrAuthorizationWithMTLS", reason);
    }
}
