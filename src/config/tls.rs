//! `[server.tls]`, and the headers in which a proxy forwards client certificates.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Live, ServerSettings, Verdict};

/// `[server.tls]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file with the server certificate, followed by its intermediate certificates. `None`: plain HTTP.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key of the server certificate.
    pub key: Option<PathBuf>,
    /// PEM file of CAs trusted to sign client certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether the server requests client certificates.
    pub client_certificates: ClientCertificates,
}

impl TlsSettings {
    /// Whether the server uses TLS itself.
    pub(crate) const fn is_on(&self) -> bool {
        self.certificate.is_some()
    }
}

/// `server.tls.clientCertificates`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientCertificates {
    /// The server requests no certificate.
    #[default]
    Off,
    /// The server requests a certificate, and accepts connections without one.
    Optional,
    /// The server rejects connections without a certificate.
    Required,
}

/// An item of `server.certificateHeaders`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateHeader {
    /// `Client-Cert` (RFC 9440).
    #[serde(rename = "Client-Cert")]
    ClientCert,
    /// `X-Forwarded-Client-Cert`, as Envoy writes it.
    #[serde(rename = "X-Forwarded-Client-Cert")]
    XForwardedClientCert,
    /// `X-ClientCert`: PEM or DER in one of the encodings of nginx, Apache and `HAProxy`.
    #[serde(rename = "X-ClientCert")]
    XClientCert,
}

/// Checks for options that exclude each other.
pub(super) fn check(server: &ServerSettings, live: &Live, verdict: &mut Verdict) {
    let tls = &server.tls;
    let asks = tls.client_certificates != ClientCertificates::Off;
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => {
            verdict.refuse(
                "server.tls.key",
                "is missing: set it to the private key of server.tls.certificate",
            );
        }
        (None, Some(_)) => {
            verdict.refuse(
                "server.tls.certificate",
                "is missing: set it to the certificate of server.tls.key",
            );
        }
        (None, None) if asks => {
            verdict.refuse(
                "server.tls.clientCertificates",
                "needs server.tls.certificate and server.tls.key",
            );
        }
        _ => {}
    }
    if !server.trusted_proxies.is_empty() && server.certificate_headers.len() > 1 {
        let reason = "has more than one header: a proxy does not remove headers that it does not set, so clients \
                      can forge them; keep only the header that your proxy sets";
        verdict.warn("server.certificateHeaders", reason);
    }
    let is_known = (asks && tls.client_ca.is_some()) || !server.trusted_proxies.is_empty();
    if live.registration.dcr_authorization_with_mtls && !is_known {
        let reason = "no client can register, because no client certificate is trusted; set server.tls.clientCa \
                      and server.tls.clientCertificates, or server.trustedProxies";
        verdict.warn("registration.dcrAuthorizationWithMTLS", reason);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    /// Checks the errors or warnings of a configuration with these values.
    fn check(values: &[(&str, &str)], expected: &[&str]) {
        let overrides = values
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let loaded = load(&Sources {
            overrides,
            ..Sources::default()
        });
        let said = match loaded {
            Ok(configuration) => configuration.warnings,
            Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(
                said.contains(expected),
                "{said} does not contain {expected}"
            );
        }
    }

    #[test]
    fn a_certificate_needs_a_key_and_client_certificates_need_tls() {
        let certificate = ("server.tls.certificate", "a.pem");
        check(&[certificate], &["server.tls.key: is missing"]);
        check(
            &[("server.tls.key", "a.key")],
            &["server.tls.certificate: is missing"],
        );
        check(&[certificate, ("server.tls.key", "a.key")], &[]);
        check(
            &[("server.tls.clientCertificates", "optional")],
            &["server.tls.clientCertificates: needs"],
        );
        check(
            &[("server.tls.clientCertificates", "maybe")],
            &["must be one of `off`"],
        );
        check(&[("server.tls.clientCa", "ca.pem")], &[]);
    }

    #[test]
    fn unusable_and_spoofable_certificate_settings_cause_warnings() {
        let mtls = ("registration.dcrAuthorizationWithMTLS", "true");
        check(&[mtls], &["no client can register"]);
        let proxies = ("server.trustedProxies", "[\"10.0.0.0/8\"]");
        let one = ("server.certificateHeaders", "[\"Client-Cert\"]");
        check(&[mtls, proxies, one], &[]);
        check(&[proxies], &["keep only the header that your proxy sets"]);
        let ours = [
            ("server.tls.certificate", "a.pem"),
            ("server.tls.key", "a.key"),
            ("server.tls.clientCa", "ca.pem"),
            ("server.tls.clientCertificates", "required"),
        ];
        check(&[&ours[..], &[mtls]].concat(), &[]);
        check(&[&ours[..2], &[mtls]].concat(), &["no client can register"]);
    }
}
