//! Why a certificate cannot be read.

/// Why bytes are not a certificate. The text repeats none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no certificate.
    #[error("no certificate found; PEM begins with -----BEGIN CERTIFICATE-----")]
    Missing,
    /// It is larger than a certificate needs to be.
    #[error(
        "the certificate is too large; the maximum is {} bytes",
        super::MAXIMUM_BYTES
    )]
    TooLarge,
    /// It is neither PEM nor DER of a certificate.
    #[error("not an X.509 certificate")]
    Malformed,
    /// A name or a time in it cannot be read.
    #[error("the {0} of the certificate cannot be read")]
    Unreadable(&'static str),
}
