//! The client certificate of a caller: from the TLS handshake, or from a header that a trusted proxy set.
//!
//! Any other caller could also send such a header, so these headers are removed before the request is
//! processed (RFC 9440 section 4).

mod header;

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::config::CertificateHeader;
use crate::http::{peer, tls::Tls};
use crate::x509::Certificate;
use header::ForwardedCertificate;

/// A certificate whose key the caller holds.
#[derive(Debug, Clone)]
pub(crate) struct ClientCertificate {
    /// The certificate.
    pub(crate) certificate: Arc<Certificate>,
    /// Whether the certificate has not expired and is trusted: an authority of `server.tls.clientCa` signed
    /// it, or a trusted proxy verified it where no authority is configured. An untrusted certificate is a
    /// credential only of the client that registered its key.
    pub(crate) is_trusted: bool,
}

/// The proxies that may forward the certificates of their clients, and the headers that they use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    /// Their addresses.
    pub(crate) trusted: Vec<IpNet>,
    /// The headers that they set.
    pub(crate) headers: Vec<CertificateHeader>,
}

impl Proxies {
    /// Whether `peer` is one of these proxies.
    pub(crate) fn are(&self, peer: IpAddr) -> bool {
        peer::is_one_of(peer, &self.trusted)
    }
}

/// Returns the certificate of the caller, and removes the certificate headers from `headers`.
///
/// `shown` is the certificate that `peer` presented in the handshake. A trusted proxy calls for its clients,
/// so the certificate in its handshake is its own and never a client's.
pub(super) fn take(
    headers: &mut HeaderMap,
    peer: IpAddr,
    shown: Option<&ClientCertificate>,
    proxies: &Proxies,
    tls: &Tls,
) -> Option<ClientCertificate> {
    let from_proxy = proxies.are(peer);
    let named = if from_proxy {
        header::read(headers, &proxies.headers)
    } else {
        Ok(None)
    };
    remove(headers);
    match named {
        Ok(Some(presented)) => Some(forwarded(presented, tls)),
        Ok(None) if from_proxy => None,
        Ok(None) => shown.map(|shown| renewed(shown, tls)),
        Err(reason) => {
            tracing::warn!(%peer, reason, "a proxy forwarded an unreadable client certificate");
            None
        }
    }
}

/// A certificate that a proxy forwarded. If this server has no authorities, the certificate is trusted
/// because the proxy verified it, unless it is self-issued.
fn forwarded(
    ForwardedCertificate { certificate, chain }: ForwardedCertificate,
    tls: &Tls,
) -> ClientCertificate {
    let is_own_issuer = certificate.subject.is_same(&certificate.issuer);
    let word = certificate.is_valid_at(tls.now()) && !is_own_issuer;
    let is_trusted = tls.vouch_for(&certificate, &chain).unwrap_or(word);
    ClientCertificate {
        certificate: Arc::new(certificate),
        is_trusted,
    }
}

/// Checks the certificate again, since a connection can outlive the certificate that was presented when it
/// began.
fn renewed(shown: &ClientCertificate, tls: &Tls) -> ClientCertificate {
    let is_trusted = shown.is_trusted && shown.certificate.is_valid_at(tls.now());
    ClientCertificate {
        certificate: Arc::clone(&shown.certificate),
        is_trusted,
    }
}

/// Removes every header that could be read as the certificate of a client, including the headers of other
/// products.
fn remove(headers: &mut HeaderMap) {
    let names = |name: &&HeaderName| {
        ["client-cert", "clientcert"]
            .iter()
            .any(|mark| name.as_str().contains(mark))
    };
    let found: Vec<HeaderName> = headers.keys().filter(names).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Reads `bytes` as the value of each certificate header, for the fuzz target `certificate_header`.
#[doc(hidden)]
pub(crate) fn fuzz_header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let names = [
        "client-cert",
        "client-cert-chain",
        "x-forwarded-client-cert",
        "x-clientcert",
    ];
    let headers: HeaderMap = names
        .into_iter()
        .map(|name| (HeaderName::from_static(name), value.clone()))
        .collect();
    for enabled in [
        CertificateHeader::ClientCert,
        CertificateHeader::XForwardedClientCert,
        CertificateHeader::XClientCert,
    ] {
        let _ = header::read(&headers, &[enabled]);
    }
}
