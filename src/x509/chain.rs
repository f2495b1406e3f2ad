//! The certificate chain in the `x5c` header of a token (RFC 7515 section 4.1.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::x509::X509;
use serde_json::Value;

use crate::base::Timestamp;
use crate::x509::Certificate;

/// The maximum number of certificates in one chain: the signer's, and those below an anchor.
pub(crate) const MAXIMUM_CERTIFICATES: usize = 4;

/// Why a certificate chain is rejected. Each text continues a sentence that begins with the name of
/// a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainError {
    /// It is missing or too long, or a certificate in it cannot be read.
    #[error(
        "must have 1 to {MAXIMUM_CERTIFICATES} certificates in the `x5c` of its header: \
         DER in base64, the signer's certificate first"
    )]
    Form,
    /// The signer's certificate is for another purpose.
    #[error("is signed with a certificate whose key usage does not include digitalSignature")]
    Usage,
    /// The signer's certificate has expired, or is not valid yet.
    #[error("is signed with a certificate that has expired or is not valid yet")]
    NotValidNow,
    /// No anchor issued it.
    #[error("is signed with a certificate that no trusted authority issued")]
    Untrusted,
}

/// A parsed chain. [`super::Anchors`] decide whether it is trusted.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    signer: Certificate,
    intermediates: Vec<Certificate>,
}

impl Chain {
    /// Parses the value of `x5c`.
    ///
    /// # Errors
    /// [`ChainError::Form`].
    pub(crate) fn from_x5c(x5c: &Value) -> Result<Self, ChainError> {
        let certificates = match x5c {
            Value::Array(items) if items.len() <= MAXIMUM_CERTIFICATES => items,
            _ => return Err(ChainError::Form),
        };
        let mut read = Vec::new();
        for one in certificates {
            read.push(of_base64(one).ok_or(ChainError::Form)?);
        }
        Self::of_certificates(read)
    }

    /// Parses the certificates in `pem`, the signer's first.
    ///
    /// # Errors
    /// [`ChainError::Form`].
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, ChainError> {
        let found = match X509::stack_from_pem(pem) {
            Ok(found) if found.len() <= MAXIMUM_CERTIFICATES => found,
            _ => return Err(ChainError::Form),
        };
        let mut read = Vec::new();
        for one in found {
            read.push(Certificate::from_x509(one).map_err(|_| ChainError::Form)?);
        }
        Self::of_certificates(read)
    }

    fn of_certificates(certificates: Vec<Certificate>) -> Result<Self, ChainError> {
        let mut certificates = certificates.into_iter();
        Ok(Self {
            signer: certificates.next().ok_or(ChainError::Form)?,
            intermediates: certificates.collect(),
        })
    }

    /// Returns when the first of its certificates expires.
    pub(crate) fn first_end(&self) -> Timestamp {
        let ends = self.intermediates.iter().map(|one| one.not_after);
        ends.fold(self.signer.not_after, Ord::min)
    }

    /// Returns the value of `x5c`.
    pub(crate) fn to_x5c(&self) -> Value {
        let mut items = Vec::new();
        for one in std::iter::once(&self.signer).chain(&self.intermediates) {
            if let Ok(der) = one.x509().to_der() {
                items.push(Value::from(STANDARD.encode(der)));
            }
        }
        Value::Array(items)
    }

    /// Returns the certificate of the signing key.
    pub(crate) const fn signer(&self) -> &Certificate {
        &self.signer
    }

    pub(super) fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }
}

/// Parses one item of `x5c`.
fn of_base64(item: &Value) -> Option<Certificate> {
    let der = STANDARD.decode(item.as_str()?).ok()?;
    Certificate::from_der(&der).ok()
}
