//! One certificate and its contents: names (RFC 5280 section 4.2.1.6), times, key, and the uses of the key.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::{X509, X509NameRef, X509Ref};
use serde_json::{Map, Value, json};

use crate::base::{Timestamp, hex};
use crate::x509::{
    Dn, der::Element, der::OBJECT_IDENTIFIER, der::SEQUENCE, der::element, der::elements,
    der::identifier, key,
};

/// The maximum size of one certificate in bytes, as PEM or DER: four times the usual size.
pub(crate) const MAXIMUM_BYTES: usize = 16 * 1024;

/// A parsed certificate. Parsing does not make it trusted.
#[derive(Clone)]
pub(crate) struct Certificate {
    x509: X509,
    /// Its subject.
    pub(crate) subject: Dn,
    /// Its issuer.
    pub(crate) issuer: Dn,
    /// The alternative names of its subject.
    pub(crate) sans: AlternativeNames,
    /// The beginning of its validity period.
    pub(crate) not_before: Timestamp,
    /// The end of its validity period.
    pub(crate) not_after: Timestamp,
    sha256: [u8; 32],
    pem: String,
}

impl Certificate {
    /// Parses the first certificate in `pem`.
    ///
    /// # Errors
    /// If there is none, or it cannot be parsed.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(CertificateError::Missing);
        }
        if pem.len() > MAXIMUM_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let x509 = X509::from_pem(pem.as_bytes()).map_err(|_| CertificateError::Malformed)?;
        Self::from_x509(x509)
    }

    /// Parses the DER of one certificate.
    ///
    /// # Errors
    /// If it cannot be parsed, or other bytes follow it.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAXIMUM_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let x509 = X509::from_der(der).map_err(|_| CertificateError::Malformed)?;
        match x509.to_der() {
            Ok(own) if own == der => Self::from_x509(x509),
            _ => Err(CertificateError::Malformed),
        }
    }

    /// Converts a certificate that the library has parsed.
    ///
    /// # Errors
    /// If a name or a time in it cannot be read.
    pub(crate) fn from_x509(x509: X509) -> Result<Self, CertificateError> {
        let Some((sha256, pem)) = digest_and_pem(&x509) else {
            return Err(CertificateError::Malformed);
        };
        Ok(Self {
            subject: name(x509.subject_name(), "subject")?,
            issuer: name(x509.issuer_name(), "issuer")?,
            sans: AlternativeNames::of(&x509),
            not_before: time(x509.not_before(), "notBefore")?,
            not_after: time(x509.not_after(), "notAfter")?,
            sha256,
            pem,
            x509,
        })
    }

    /// Returns the certificate in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether `now` is within its validity period.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether its key may sign tokens: it has the key usage digitalSignature, or no key usages.
    pub(crate) fn may_sign_tokens(&self) -> bool {
        self.x509.to_der().is_ok_and(|der| may_sign(&der))
    }

    /// Returns the SHA-256 of its DER, in hex.
    pub(crate) fn sha256(&self) -> String {
        hex(&self.sha256)
    }

    /// Returns the `x5t#S256` (RFC 8705 section 3.1).
    pub(crate) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha256)
    }

    /// Returns its public key as a JWK, or `None` if JWK does not define its type.
    pub(crate) fn jwk(&self) -> Option<Map<String, Value>> {
        key::jwk(&*self.x509.public_key().ok()?)
    }

    /// Whether its public key is in the JWK Set `jwks` (RFC 8705 section 2.2).
    pub(crate) fn key_is_in(&self, jwks: &Value) -> bool {
        match (self.jwk(), jwks.get("keys")) {
            (Some(own), Some(Value::Array(keys))) => {
                keys.iter().any(|other| key::is_same(&own, other))
            }
            _ => false,
        }
    }

    /// Returns what scripts see of it: `context.certificate` and `x509::parse(pem)`.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let addresses: Vec<String> = self.sans.ip.iter().map(ToString::to_string).collect();
        let members = json!({
            "subject": self.subject.to_string(),
            "attributes": self.subject.attributes(),
            "issuer": self.issuer.to_string(),
            "serialNumber": self.serial_number().unwrap_or_default(),
            "sans": {
                "dns": self.sans.dns, "uri": self.sans.uri, "ip": addresses, "email": self.sans.email,
            },
            "sha256": self.sha256(),
            "thumbprint": self.thumbprint(),
            "pem": self.pem,
            "validity": { "notBefore": self.not_before, "notAfter": self.not_after },
            "jwk": self.jwk(),
        });
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// Returns its serial number in hex.
    fn serial_number(&self) -> Result<String, ErrorStack> {
        let number = self.x509.serial_number().to_bn()?;
        Ok(number.to_hex_str()?.to_lowercase())
    }

    pub(super) fn x509(&self) -> &X509Ref {
        &self.x509
    }
}

/// Prints only the digest. Other contents must not appear in logs.
impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("sha256", &self.sha256())
            .finish_non_exhaustive()
    }
}

/// Returns the SHA-256 of the DER, and the PEM text.
fn digest_and_pem(x509: &X509Ref) -> Option<([u8; 32], String)> {
    let digest = x509.digest(MessageDigest::sha256()).ok()?;
    let sha256 = <[u8; 32]>::try_from(&*digest).ok()?;
    let pem = String::from_utf8(x509.to_pem().ok()?).ok()?;
    Some((sha256, pem))
}

fn name(name: &X509NameRef, which: &'static str) -> Result<Dn, CertificateError> {
    if let Ok(der) = name.to_der()
        && let Some(name) = Dn::from_der(&der)
    {
        return Ok(name);
    }
    Err(CertificateError::Unreadable(which))
}

pub(super) fn time(time: &Asn1TimeRef, which: &'static str) -> Result<Timestamp, CertificateError> {
    timestamp(time).map_err(|_| CertificateError::Unreadable(which))
}

/// Times before 1970 become 1970.
fn timestamp(time: &Asn1TimeRef) -> Result<Timestamp, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(Timestamp::from_unix(u64::try_from(seconds).unwrap_or(0)))
}

/// The alternative names that can identify a client (RFC 8705 section 2.1.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AlternativeNames {
    /// `dNSName`
    pub(crate) dns: Vec<String>,
    /// `uniformResourceIdentifier`
    pub(crate) uri: Vec<String>,
    /// `iPAddress`
    pub(crate) ip: Vec<IpAddr>,
    /// `rfc822Name`
    pub(crate) email: Vec<String>,
}

impl AlternativeNames {
    pub(super) fn of(certificate: &X509Ref) -> Self {
        let mut found = Self::default();
        let Some(names) = certificate.subject_alt_names() else {
            return found;
        };
        for name in names {
            if let Some(dns) = name.dnsname() {
                found.dns.push(dns.to_owned());
            }
            if let Some(uri) = name.uri() {
                found.uri.push(uri.to_owned());
            }
            if let Some(address) = name.ipaddress() {
                found.ip.extend(ip_address(address));
            }
            if let Some(email) = name.email() {
                found.email.push(email.to_owned());
            }
        }
        found
    }

    /// Whether `name` is one of the DNS names. Case is ignored, and a wildcard matches only itself.
    pub(crate) fn has_dns(&self, name: &str) -> bool {
        self.dns.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether `uri` is one of the URIs, byte for byte.
    pub(crate) fn has_uri(&self, uri: &str) -> bool {
        self.uri.iter().any(|own| own == uri)
    }

    /// Whether `address` is one of the IP addresses.
    pub(crate) fn has_ip(&self, address: IpAddr) -> bool {
        self.ip.contains(&address)
    }

    /// Whether `mailbox` is one of the e-mail addresses. Case matters only before the `@` (RFC 5280
    /// section 7.5).
    pub(crate) fn has_email(&self, mailbox: &str) -> bool {
        let Some((local, host)) = mailbox.rsplit_once('@') else {
            return false;
        };
        let is_same = |own: &String| match own.rsplit_once('@') {
            Some((own, own_host)) => own == local && own_host.eq_ignore_ascii_case(host),
            None => false,
        };
        self.email.iter().any(is_same)
    }
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(v6.into())
}

/// `keyUsage`
const KEY_USAGE: &str = "2.5.29.15";
/// The extensions of a certificate, in its signed part.
const EXTENSIONS: u8 = 0xa3;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
/// The first bit, `digitalSignature`.
const DIGITAL_SIGNATURE: u8 = 0x80;

/// Whether the key of the certificate in `der` may sign data other than certificates (RFC 5280 section 4.2.1.3).
/// It may if the certificate has no key usage. If the certificate cannot be read, it may not.
fn may_sign(der: &[u8]) -> bool {
    matches!(key_usage(der), Some(bits) if bits & DIGITAL_SIGNATURE != 0)
}

/// Returns the first eight key usages: all if there is no such extension, or `None` if the
/// certificate cannot be read.
fn key_usage(der: &[u8]) -> Option<u8> {
    let signed = *within(der)?.first()?;
    for part in elements(signed.content)? {
        if part.tag == EXTENSIONS {
            return key_usage_in(part.content);
        }
    }
    Some(u8::MAX)
}

fn key_usage_in(extensions: &[u8]) -> Option<u8> {
    for extension in within(extensions)? {
        let parts = elements(extension.content)?;
        let (name, value) = (parts.first()?, parts.last()?);
        if name.tag != OBJECT_IDENTIFIER {
            return None;
        }
        if identifier(name.content)? == KEY_USAGE {
            let (bits, _) = element(value.content)?;
            if value.tag != OCTET_STRING || bits.tag != BIT_STRING {
                return None;
            }
            // The first octet is the number of unused bits.
            return match bits.content {
                [_, first, ..] => Some(*first),
                _ => Some(0),
            };
        }
    }
    Some(u8::MAX)
}

/// Returns the elements of the single sequence in `der`.
fn within(der: &[u8]) -> Option<Vec<Element<'_>>> {
    let (outer, _) = element(der)?;
    if outer.tag == SEQUENCE {
        elements(outer.content)
    } else {
        None
    }
}

/// Why bytes are not a certificate. The text repeats none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    /// There is no certificate.
    #[error("no certificate found; PEM begins with -----BEGIN CERTIFICATE-----")]
    Missing,
    /// It is larger than a certificate needs to be.
    #[error("the certificate is too large; the maximum is {} bytes", MAXIMUM_BYTES)]
    TooLarge,
    /// It is neither PEM nor DER of a certificate.
    #[error("not an X.509 certificate")]
    Malformed,
    /// A name or a time in it cannot be read.
    #[error("the {0} of the certificate cannot be read")]
    Unreadable(&'static str),
}
