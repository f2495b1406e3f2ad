//! Why a certificate can not be read.

/// Why bytes are not a certificate. No text repeats any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is none.
    #[error("there is no certificate; PEM begins with -----BEGIN CERTIFICATE-----")]
    Missing,
    /// There is more than a certificate needs.
    #[error("a certificate has {} bytes at most", super::MAXIMUM_BYTES)]
    TooLarge,
    /// It is neither PEM nor DER of a certificate.
    #[error("this is not an X.509 certificate")]
    Malformed,
    /// A name or a time in it can not be read.
    #[error("the {0} of the certificate can not be read")]
    Unreadable(&'static str),
}
