//! Signers that are known by certificates of authorities whom the operator named.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::file;
use crate::clock::Timestamp;
use crate::config::trust::CertificateSan;
use crate::jose::{Compact, KeySet};
use crate::x509::{Anchors, Certificate, Chain, ChainError};

/// Whose certificates are believed, and whose name must be in them.
#[derive(Debug, Clone)]
pub struct Certified {
    anchors: Arc<Anchors>,
    name: Name,
}

/// The name that a URI of the certificate must be.
#[derive(Debug, Clone)]
enum Name {
    /// None: each certificate of the authorities is good.
    Any,
    /// The `iss` of the token.
    Issuer,
    /// This one.
    Known(String),
}

/// What is wrong with a token that shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertifiedError {
    /// Its certificates prove nothing.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The key of the certificate cannot be used.
    #[error(
        "is signed with a certificate whose key cannot be used here: send one with an RSA, EC or Ed25519 key"
    )]
    Key,
    /// The certificate is of somebody else.
    #[error(
        "is signed with a certificate that is not its issuer's: a URI of its subjectAltName must equal `iss`"
    )]
    Name,
}

impl CertifiedError {
    /// Whether it is only that no authority trusted here has issued the certificate.
    pub const fn is_untrusted(self) -> bool {
        matches!(self, Self::Chain(ChainError::Untrusted))
    }
}

impl Certified {
    /// Reads the anchors in `file`; what is wrong goes into `faults`, for `key`.
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
        match read(file) {
            Ok(anchors) => Some(Self { anchors: Arc::new(anchors), name }),
            Err(reason) => {
                faults.push((format!("registration.{key}.trustAnchors"), reason));
                None
            }
        }
    }

    /// The same authorities, for the signer whose certificates have the URI `name`.
    pub(super) fn of(&self, name: &str) -> Self {
        Self { name: Name::Known(name.to_owned()), ..self.clone() }
    }

    /// The key that `token` shows in a certificate that is believed at `now`, as a set of one.
    pub(super) fn key(
        &self,
        token: &Compact,
        iss: Option<&str>,
        now: Timestamp,
    ) -> Result<KeySet, CertifiedError> {
        let x5c = token.unverified_header().get("x5c").ok_or(ChainError::Form)?;
        let chain = Chain::from_x5c(x5c)?;
        self.anchors.vouch_for_signer(&chain, now)?;
        if !self.is_named(chain.signer(), iss) {
            return Err(CertifiedError::Name);
        }
        let mut key = chain.signer().jwk().ok_or(CertifiedError::Key)?;
        // Whatever the token calls the one key that it may be signed with.
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

fn read(file: &Path) -> Result<Anchors, String> {
    Anchors::from_pem(&file::read(file)?)
        .map_err(|_| format!("'{}' has no certificates that can be read; it must be PEM", file.display()))
}
