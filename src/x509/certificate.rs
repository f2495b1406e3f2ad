//! One certificate and its contents.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::{X509, X509NameRef, X509Ref};
use serde_json::{Map, Value, json};

use super::{AlternativeNames, CertificateError, Dn, key, usage};
use crate::base::{Timestamp, hex};

/// The maximum size of one certificate in bytes, as PEM or DER: four times the usual size.
pub(crate) const MAXIMUM_BYTES: usize = 16 * 1024;

/// A parsed certificate. Parsing does not make it trusted.
#[derive(Clone)]
pub struct Certificate {
    x509: X509,
    /// Its subject.
    pub subject: Dn,
    /// Its issuer.
    pub issuer: Dn,
    /// The alternative names of its subject.
    pub sans: AlternativeNames,
    /// The beginning of its validity period.
    pub not_before: Timestamp,
    /// The end of its validity period.
    pub not_after: Timestamp,
    sha256: [u8; 32],
    pem: String,
}

impl Certificate {
    /// Parses the first certificate in `pem`.
    ///
    /// # Errors
    /// If there is none, or it cannot be parsed.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
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
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAXIMUM_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let x509 = X509::from_der(der).map_err(|_| CertificateError::Malformed)?;
        let is_all = x509.to_der().is_ok_and(|own| own == der);
        if is_all {
            Self::from_x509(x509)
        } else {
            Err(CertificateError::Malformed)
        }
    }

    /// Converts a certificate that the library has parsed.
    ///
    /// # Errors
    /// If a name or a time in it cannot be read.
    pub fn from_x509(x509: X509) -> Result<Self, CertificateError> {
        let digest = x509
            .digest(MessageDigest::sha256())
            .map_err(|_| CertificateError::Malformed)?;
        let pem = x509
            .to_pem()
            .ok()
            .and_then(|pem| String::from_utf8(pem).ok());
        Ok(Self {
            subject: name(x509.subject_name(), "subject")?,
            issuer: name(x509.issuer_name(), "issuer")?,
            sans: AlternativeNames::of(&x509),
            not_before: time(x509.not_before())
                .map_err(|_| CertificateError::Unreadable("notBefore"))?,
            not_after: time(x509.not_after())
                .map_err(|_| CertificateError::Unreadable("notAfter"))?,
            sha256: <[u8; 32]>::try_from(&*digest).map_err(|_| CertificateError::Malformed)?,
            pem: pem.ok_or(CertificateError::Malformed)?,
            x509,
        })
    }

    /// Whether `now` is within its validity period.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether its key may sign tokens: it has the key usage digitalSignature, or no key usages.
    pub fn may_sign_tokens(&self) -> bool {
        self.x509.to_der().is_ok_and(|der| usage::may_sign(&der))
    }

    /// Returns the SHA-256 of its DER, in hex.
    pub fn sha256(&self) -> String {
        hex(&self.sha256)
    }

    /// Returns the `x5t#S256` (RFC 8705 section 3.1).
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha256)
    }

    /// Returns its PEM text.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns its public key as a JWK, or `None` if JWK does not define its type.
    pub fn jwk(&self) -> Option<Map<String, Value>> {
        key::jwk(&*self.x509.public_key().ok()?)
    }

    /// Whether its public key is in the JWK Set `jwks` (RFC 8705 section 2.2).
    pub fn key_is_in(&self, jwks: &Value) -> bool {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let own = self.jwk();
        own.is_some_and(|own| {
            keys.into_iter()
                .flatten()
                .any(|other| key::is_same(&own, other))
        })
    }

    /// Returns what scripts see of it: `context.certificate` and `x509::parse(pem)`.
    pub fn to_json(&self) -> Map<String, Value> {
        let serial = self
            .x509
            .serial_number()
            .to_bn()
            .and_then(|number| number.to_hex_str());
        let addresses: Vec<String> = self.sans.ip.iter().map(ToString::to_string).collect();
        let members = json!({
            "subject": self.subject.to_string(),
            "attributes": self.subject.attributes(),
            "issuer": self.issuer.to_string(),
            "serialNumber": serial.map(|digits| digits.to_lowercase()).unwrap_or_default(),
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

fn name(name: &X509NameRef, which: &'static str) -> Result<Dn, CertificateError> {
    let der = name.to_der().ok();
    der.and_then(|der| Dn::from_der(&der))
        .ok_or(CertificateError::Unreadable(which))
}

/// Times before 1970 become 1970.
fn time(time: &Asn1TimeRef) -> Result<Timestamp, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(Timestamp::from_unix(u64::try_from(seconds).unwrap_or(0)))
}
