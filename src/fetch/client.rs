//! The HTTP client, and all that it must not do by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

use super::resolver::Guarded;
use crate::config::FetchSettings;

/// The longest that a connection may take to be there, with TLS.
const CONNECT: Duration = Duration::from_secs(2);

/// Idle connections to one host, and how long they are kept.
const IDLE_CONNECTIONS: usize = 4;
const IDLE: Duration = Duration::from_secs(30);

/// Why there is no fetcher.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file of trust anchors can not be read.
    #[error("{name}: {} can not be read: {source}", path.display())]
    Read {
        /// Who names the file: an option or a flag.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of trust anchors has no certificates.
    #[error("{name}: {} is not a PEM file of certificates", path.display())]
    NotCertificates {
        /// Who names the file: an option or a flag.
        name: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// TLS can not be set up.
    #[error("the client for outgoing requests can not be made: {0}")]
    Client(#[source] reqwest::Error),
}

/// A client that connects only to addresses which `names` gives and `settings` allows.
pub(super) fn build(settings: &FetchSettings, names: Arc<dyn Resolve>) -> Result<Client, BuildError> {
    let guarded = Guarded::new(settings.clone(), names);
    Client::builder()
        .dns_resolver(Arc::new(guarded))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("registrar/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT.min(Duration::from_millis(settings.timeout_ms)))
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE)
        .tls_certs_merge(trust_anchors(settings)?)
        .build()
        .map_err(BuildError::Client)
}

fn trust_anchors(settings: &FetchSettings) -> Result<Vec<Certificate>, BuildError> {
    settings.ca_file.as_deref().map_or_else(|| Ok(Vec::new()), |path| certificates("fetch.caFile", path))
}

/// The certificates in a PEM file, which the option or flag `name` names.
pub(super) fn certificates(name: &'static str, path: &Path) -> Result<Vec<Certificate>, BuildError> {
    let text =
        std::fs::read(path).map_err(|source| BuildError::Read { name, path: path.to_owned(), source })?;
    match Certificate::from_pem_bundle(&text) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(BuildError::NotCertificates { name, path: path.to_owned() }),
    }
}
