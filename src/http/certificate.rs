//! The certificate of a caller: from the handshake, or from a header that a trusted proxy set.
//!
//! Whoever is no trusted proxy can write such a header too, so it is taken away before anything
//! else sees the request (RFC 9440 section 4).

mod header;

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::peer;
use super::tls::Tls;
use crate::config::CertificateHeader;
use crate::x509::Certificate;
use header::Presented;

/// A certificate whose key the caller holds.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Whether it is within its life, and somebody vouches for it: an authority of
    /// `server.tls.clientCa`, or a trusted proxy where none is configured. One that nobody
    /// vouches for is a credential only of the client that registered its key.
    pub is_trusted: bool,
}

/// Who may name the certificate of somebody else, and how.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// The headers that they set.
    pub headers: Vec<CertificateHeader>,
}

impl Proxies {
    /// Whether `peer` is one of them.
    pub fn are(&self, peer: IpAddr) -> bool {
        peer::is_one_of(peer, &self.trusted)
    }
}

/// The certificate of who asks, and `headers` without those that name one.
///
/// `shown` is what `peer` showed in the handshake. A trusted proxy speaks for others, so what it
/// showed there is its own and never theirs.
pub(super) fn take(
    headers: &mut HeaderMap,
    peer: IpAddr,
    shown: Option<&ClientCertificate>,
    (proxies, tls): (&Proxies, &Tls),
) -> Option<ClientCertificate> {
    let from_proxy = proxies.are(peer);
    let named = if from_proxy { header::read(headers, &proxies.headers) } else { Ok(None) };
    remove(headers);
    match named {
        Ok(Some(presented)) => Some(forwarded(presented, tls)),
        Ok(None) if from_proxy => None,
        Ok(None) => shown.map(|shown| renewed(shown, tls)),
        Err(reason) => {
            tracing::warn!(%peer, reason, "a proxy named a client certificate that can not be read");
            None
        }
    }
}

/// A certificate that a proxy names. Without authorities of our own its word counts, but nobody
/// vouches for a certificate that names itself as its issuer.
fn forwarded(Presented { certificate, chain }: Presented, tls: &Tls) -> ClientCertificate {
    let is_own_issuer = certificate.subject.is_same(&certificate.issuer);
    let word = certificate.is_valid_at(tls.now()) && !is_own_issuer;
    let is_trusted = tls.vouch_for(&certificate, &chain).unwrap_or(word);
    ClientCertificate { certificate: Arc::new(certificate), is_trusted }
}

/// A connection can outlive the certificate that was shown when it began.
fn renewed(shown: &ClientCertificate, tls: &Tls) -> ClientCertificate {
    let is_trusted = shown.is_trusted && shown.certificate.is_valid_at(tls.now());
    ClientCertificate { certificate: Arc::clone(&shown.certificate), is_trusted }
}

/// Takes away every header that could be read as the certificate of a client, those of other
/// products too.
fn remove(headers: &mut HeaderMap) {
    let names =
        |name: &&HeaderName| ["client-cert", "clientcert"].iter().any(|mark| name.as_str().contains(mark));
    let found: Vec<HeaderName> = headers.keys().filter(names).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Reads `bytes` as the value of each certificate header, for the fuzz target `certificate_header`.
#[doc(hidden)]
pub fn fuzz_header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let names = ["client-cert", "client-cert-chain", "x-forwarded-client-cert", "x-clientcert"];
    let headers: HeaderMap =
        names.into_iter().map(|name| (HeaderName::from_static(name), value.clone())).collect();
    for enabled in [
        CertificateHeader::ClientCert,
        CertificateHeader::XForwardedClientCert,
        CertificateHeader::XClientCert,
    ] {
        let _ = header::read(&headers, &[enabled]);
    }
}
