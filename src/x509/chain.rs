//! The chain of certificates that a token shows in `x5c` of its header (RFC 7515 section 4.1.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::x509::X509;
use serde_json::Value;

use super::Certificate;

/// Certificates of one chain: that of the signer, and those between it and an anchor.
pub const MAXIMUM_CERTIFICATES: usize = 4;

/// Why a chain of certificates proves nothing. Each text reads on after the name of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is none, or it is too long, or one of it cannot be read.
    #[error(
        "must have in `x5c` of its header 1 to {MAXIMUM_CERTIFICATES} certificates: their DER in base64, that of its signer first"
    )]
    Form,
    /// The certificate of the signer has another purpose.
    #[error("is signed with a certificate whose key usage does not include digitalSignature")]
    Usage,
    /// The certificate of the signer is over, or not there yet.
    #[error("is signed with a certificate that has expired or is not valid yet")]
    NotValidNow,
    /// No anchor vouches for it.
    #[error("is signed with a certificate that no authority trusted here has issued")]
    Untrusted,
}

/// A chain that was read: who vouches for it, [`super::Anchors`] know.
#[derive(Debug, Clone)]
pub struct Chain {
    signer: Certificate,
    intermediates: Vec<Certificate>,
}

impl Chain {
    /// Reads the value of `x5c`.
    ///
    /// # Errors
    /// [`ChainError::Form`].
    pub fn from_x5c(x5c: &Value) -> Result<Self, ChainError> {
        let certificates = x5c.as_array().ok_or(ChainError::Form)?;
        if certificates.len() > MAXIMUM_CERTIFICATES {
            return Err(ChainError::Form);
        }
        let read = |one: &Value| Certificate::from_der(&STANDARD.decode(one.as_str()?).ok()?).ok();
        let mut read = certificates.iter().map(|one| read(one).ok_or(ChainError::Form));
        let signer = read.next().ok_or(ChainError::Form)??;
        Ok(Self { signer, intermediates: read.collect::<Result<_, _>>()? })
    }

    /// Reads the certificates in `pem`, that of the signer first.
    ///
    /// # Errors
    /// [`ChainError::Form`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, ChainError> {
        let found = X509::stack_from_pem(pem).map_err(|_| ChainError::Form)?;
        if found.len() > MAXIMUM_CERTIFICATES {
            return Err(ChainError::Form);
        }
        let mut read = found.into_iter().map(|one| Certificate::from_x509(one).map_err(|_| ChainError::Form));
        let signer = read.next().ok_or(ChainError::Form)??;
        Ok(Self { signer, intermediates: read.collect::<Result<_, _>>()? })
    }

    /// The value of `x5c`.
    pub fn to_x5c(&self) -> Value {
        let all = std::iter::once(&self.signer).chain(&self.intermediates);
        all.filter_map(|one| one.x509().to_der().ok()).map(|der| STANDARD.encode(der)).collect()
    }

    /// The certificate of the key that signed.
    pub const fn signer(&self) -> &Certificate {
        &self.signer
    }

    pub(super) fn intermediates(&self) -> &[Certificate] {
        &self.intermediates
    }
}
