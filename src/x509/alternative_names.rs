//! The subject alternative names of a certificate (RFC 5280 section 4.2.1.6).

use std::net::IpAddr;

use openssl::x509::X509Ref;

/// The alternative names that can identify a client (RFC 8705 section 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlternativeNames {
    /// `dNSName`
    pub dns: Vec<String>,
    /// `uniformResourceIdentifier`
    pub uri: Vec<String>,
    /// `iPAddress`
    pub ip: Vec<IpAddr>,
    /// `rfc822Name`
    pub email: Vec<String>,
}

impl AlternativeNames {
    pub(super) fn of(certificate: &X509Ref) -> Self {
        let mut found = Self::default();
        for name in certificate.subject_alt_names().iter().flatten() {
            found.dns.extend(name.dnsname().map(str::to_owned));
            found.uri.extend(name.uri().map(str::to_owned));
            found.ip.extend(name.ipaddress().and_then(address));
            found.email.extend(name.email().map(str::to_owned));
        }
        found
    }

    /// Whether `name` is one of the DNS names. Case is ignored, and a wildcard matches only itself.
    pub fn has_dns(&self, name: &str) -> bool {
        self.dns.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether `uri` is one of the URIs, byte for byte.
    pub fn has_uri(&self, uri: &str) -> bool {
        self.uri.iter().any(|own| own == uri)
    }

    /// Whether `address` is one of the IP addresses.
    pub fn has_ip(&self, address: IpAddr) -> bool {
        self.ip.contains(&address)
    }

    /// Whether `mailbox` is one of the e-mail addresses. Case matters only before the `@` (RFC 5280
    /// section 7.5).
    pub fn has_email(&self, mailbox: &str) -> bool {
        self.email.iter().any(
            |own| match (own.rsplit_once('@'), mailbox.rsplit_once('@')) {
                (Some((local, host)), Some((other, other_host))) => {
                    local == other && host.eq_ignore_ascii_case(other_host)
                }
                _ => false,
            },
        )
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
