//! The files of `[server.tls]`.

use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use crate::base::Timestamp;
use crate::config::TlsSettings;
use crate::x509::{Anchors, Certificate};

/// What is wrong with a file of `[server.tls]`, and what is required.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}", file = .file.display())]
pub(crate) struct TlsFault {
    /// The option in the configuration, such as `server.tls.certificate`.
    pub(crate) key: &'static str,
    /// The file that the option names.
    pub(crate) file: PathBuf,
    /// What is wrong.
    pub(crate) reason: String,
}

const CERTIFICATE: &str = "server.tls.certificate";
const KEY: &str = "server.tls.key";
const CLIENT_CA: &str = "server.tls.clientCa";

/// The maximum length of a file in bytes, enough for some hundred certificates.
const MAXIMUM_BYTES: u64 = 1 << 20;

impl TlsFault {
    fn new(key: &'static str, file: &Path, reason: impl Into<String>) -> Self {
        Self {
            key,
            file: file.to_owned(),
            reason: reason.into(),
        }
    }

    /// OpenSSL rejects a certificate and key that are well-formed.
    pub(super) fn unusable(settings: &TlsSettings, error: &ErrorStack) -> Self {
        let file = settings.certificate.clone().unwrap_or_default();
        let reason = error
            .errors()
            .first()
            .and_then(openssl::error::Error::reason)
            .unwrap_or("no reason given");
        Self::new(CERTIFICATE, &file, format!("cannot be used: {reason}"))
    }
}

/// The contents of the files.
pub(super) struct Files {
    pub(super) identity: Option<ServerIdentity>,
    pub(super) anchors: Option<Anchors>,
    leaf: Option<(PathBuf, Certificate)>,
}

/// The certificate and key of the server.
pub(super) struct ServerIdentity {
    pub(super) certificate: X509,
    /// The certificates between it and an authority.
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
}

impl Files {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, TlsFault> {
        let anchors = match &settings.client_ca {
            Some(file) => Some(read_anchors(file)?),
            None => None,
        };
        let identity = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => Some(ServerIdentity::read(certificate, key)?),
            (Some(certificate), None) => {
                let reason = "needs its private key: set server.tls.key";
                return Err(TlsFault::new(CERTIFICATE, certificate, reason));
            }
            (None, _) => None,
        };
        let leaf = match (&identity, &settings.certificate) {
            (Some(identity), Some(file)) => {
                Some((file.clone(), read(identity.certificate.clone(), file)?))
            }
            _ => None,
        };
        Ok(Self {
            identity,
            anchors,
            leaf,
        })
    }

    /// Returns the options that name files of certificates, and when the first certificate in each file expires.
    pub(super) fn ends(&self) -> Vec<(&'static str, Timestamp)> {
        let mut ends = Vec::new();
        if let (Some(identity), Some((_, leaf))) = (&self.identity, &self.leaf) {
            let between = Anchors::of(identity.chain.clone()).first_end();
            let end = between.map_or(leaf.not_after, |end| end.min(leaf.not_after));
            ends.push((CERTIFICATE, end));
        }
        if let Some(end) = self.anchors.as_ref().and_then(Anchors::first_end) {
            ends.push((CLIENT_CA, end));
        }
        ends
    }

    /// Returns the end of the server certificate.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.leaf.as_ref().map(|(_, leaf)| leaf.not_after)
    }

    /// Returns faults that are well-formed, but that clients will not accept at `now`.
    pub(super) fn oddities(&self, now: Timestamp) -> Vec<TlsFault> {
        let Some((file, leaf)) = &self.leaf else {
            return Vec::new();
        };
        if leaf.is_valid_at(now) {
            return Vec::new();
        }
        let state = if leaf.not_after < now {
            "has expired"
        } else {
            "is not valid yet"
        };
        vec![TlsFault::new(
            CERTIFICATE,
            file,
            format!("the certificate {state}; clients will reject it"),
        )]
    }
}

impl ServerIdentity {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsFault> {
        let chain = X509::stack_from_pem(&content(CERTIFICATE, certificate)?);
        let chain = chain.map_err(|_| {
            TlsFault::new(
                CERTIFICATE,
                certificate,
                "a certificate in it cannot be read",
            )
        })?;
        let mut chain = chain.into_iter();
        let leaf = chain.next().ok_or_else(|| {
            let reason = "contains no certificate; PEM begins with -----BEGIN CERTIFICATE-----";
            TlsFault::new(CERTIFICATE, certificate, reason)
        })?;
        let secret = private_key(key)?;
        let public = leaf.public_key();
        if !public.is_ok_and(|public| public.public_eq(&secret)) {
            let certificate = certificate.display();
            let reason = format!("is not the key of the first certificate in {certificate}");
            return Err(TlsFault::new(KEY, key, reason));
        }
        Ok(Self {
            certificate: leaf,
            chain: chain.collect(),
            key: secret,
        })
    }
}

/// Returns when the first certificate in `file` expires; none if there is none that can be read. For the files of
/// authorities that others read.
pub(crate) fn first_end(file: &Path) -> Option<Timestamp> {
    Anchors::from_pem(&content("", file).ok()?)
        .ok()?
        .first_end()
}

fn read(x509: X509, file: &Path) -> Result<Certificate, TlsFault> {
    Certificate::from_x509(x509)
        .map_err(|error| TlsFault::new(CERTIFICATE, file, error.to_string()))
}

fn read_anchors(file: &Path) -> Result<Anchors, TlsFault> {
    let pem = content(CLIENT_CA, file)?;
    Anchors::from_pem(&pem).map_err(|error| TlsFault::new(CLIENT_CA, file, error.to_string()))
}

fn private_key(file: &Path) -> Result<PKey<Private>, TlsFault> {
    let pem = content(KEY, file)?;
    // Without the callback, OpenSSL would prompt for a passphrase on the terminal.
    PKey::private_key_from_pem_callback(&pem, |_| Err(ErrorStack::get())).map_err(|_| {
        let reason = "contains no PEM private key that can be read without a passphrase";
        TlsFault::new(KEY, file, reason)
    })
}

fn content(key: &'static str, file: &Path) -> Result<Vec<u8>, TlsFault> {
    let failed =
        |error: std::io::Error| TlsFault::new(key, file, format!("cannot be read: {error}"));
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > MAXIMUM_BYTES {
        return Err(TlsFault::new(
            key,
            file,
            format!("is larger than {MAXIMUM_BYTES} bytes"),
        ));
    }
    std::fs::read(file).map_err(failed)
}
