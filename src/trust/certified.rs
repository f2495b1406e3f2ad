//! Signers that are identified by certificates of configured authorities.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::Timestamp;
use crate::config::CertificateSan;
use crate::jose::{Compact, KeySet};
use crate::x509::{Anchors, Certificate, Chain, ChainError};

/// Maximum size of a file, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// Trusted authorities, and the name that a certificate must have.
#[derive(Debug, Clone)]
pub(crate) struct Certified {
    anchors: Arc<Anchors>,
    name: Name,
}

/// The name that a URI of the certificate must be.
#[derive(Debug, Clone)]
enum Name {
    /// Any name: each certificate of the authorities is accepted.
    Any,
    /// The `iss` of the token.
    Issuer,
    /// This name.
    Known(String),
}

/// Why a token with a certificate is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertifiedError {
    /// The certificate chain is invalid or not trusted.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The key type of the certificate is not supported.
    #[error(
        "is signed with a certificate whose key type is not supported: use an RSA, EC or Ed25519 key"
    )]
    Key,
    /// The certificate belongs to another issuer.
    #[error(
        "is signed with a certificate of another issuer: a URI in its subjectAltName must equal `iss`"
    )]
    Name,
}

impl CertifiedError {
    /// Whether the only problem is that no trusted authority issued the certificate.
    pub(crate) const fn is_untrusted(self) -> bool {
        matches!(self, Self::Chain(ChainError::Untrusted))
    }
}

impl Certified {
    /// Reads the trust anchors in `file`. Errors are added to `faults` for `key`.
    pub(super) fn read(
        file: &Path,
        san: Option<CertificateSan>,
        key: &str,
        faults: &mut Vec<(String, String)>,
    ) -> Option<Self> {
        let name = match san {
            Some(CertificateSan::Iss) => Name::Issuer,
            None => Name::Any,
        };
        match read_anchors(file) {
            Ok(anchors) => Some(Self {
                anchors: Arc::new(anchors),
                name,
            }),
            Err(reason) => {
                faults.push((format!("registration.{key}.trustAnchors"), reason));
                None
            }
        }
    }

    /// Returns when the first certificate of the authorities expires.
    pub(super) fn first_end(&self) -> Option<Timestamp> {
        self.anchors.first_end()
    }

    /// Returns the same authorities, restricted to certificates with the URI `name`.
    pub(super) fn of(&self, name: &str) -> Self {
        Self {
            name: Name::Known(name.to_owned()),
            ..self.clone()
        }
    }

    /// Returns the key of the certificate in `token`, as a set with one key, if the certificate is trusted
    /// at `now`.
    pub(super) fn key(
        &self,
        token: &Compact,
        iss: Option<&str>,
        now: Timestamp,
    ) -> Result<KeySet, CertifiedError> {
        let x5c = token
            .unverified_header()
            .get("x5c")
            .ok_or(ChainError::Form)?;
        let chain = Chain::from_x5c(x5c)?;
        self.anchors.vouch_for_signer(&chain, now)?;
        if !self.is_named(chain.signer(), iss) {
            return Err(CertifiedError::Name);
        }
        let mut key = chain.signer().jwk().ok_or(CertifiedError::Key)?;
        // There is only one key, so any `kid` of the token refers to it.
        if let Some(kid) = token.kid() {
            key.insert("kid".to_owned(), kid.into());
        }
        KeySet::parse(&json!({ "keys": [Value::Object(key)] }), 1).map_err(|_| CertifiedError::Key)
    }

    fn is_named(&self, signer: &Certificate, iss: Option<&str>) -> bool {
        match &self.name {
            Name::Any => true,
            Name::Issuer => iss.is_some_and(|iss| signer.sans.has_uri(iss)),
            Name::Known(name) => signer.sans.has_uri(name),
        }
    }
}

fn read_anchors(file: &Path) -> Result<Anchors, String> {
    Anchors::from_pem(&read_file(file)?).map_err(|_| {
        format!(
            "'{}' contains no valid certificates; use a PEM file",
            file.display()
        )
    })
}

/// Reads `file`, which must be a regular file. Otherwise a change of the configuration could name a device
/// with endless content.
///
/// # Errors
/// Returns the reason if the file cannot be read or is too large. Reading only its beginning would silently
/// ignore the certificates at its end.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let failed = |error: std::io::Error| format!("'{name}' cannot be read: {error}");
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("'{name}' is not a regular file; name a PEM file"));
    }
    // The length of the metadata need not be what can be read.
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed)?;
    let bounded = opened.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    if bounded.map_err(failed)? as u64 > MOST_BYTES {
        return Err(format!(
            "'{name}' is larger than {MOST_BYTES} bytes; remove certificates that are not needed"
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_end_or_rejected() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("ca.pem");
        let mut content = vec![b' '; 1024 * 1024];
        std::fs::write(&path, &content).unwrap();
        assert_eq!(read_file(&path).unwrap(), content);
        content.push(b' ');
        std::fs::write(&path, &content).unwrap();
        let error = read_file(&path).unwrap_err();
        assert!(error.contains("is larger than 1048576 bytes"), "{error}");
        let error = read_file(folder.path()).unwrap_err();
        assert!(error.contains("is not a regular file"), "{error}");
    }
}
