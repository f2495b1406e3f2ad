//! The HTTP client, without its automatic features such as redirects and proxies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

use super::resolver::Guarded;
use crate::config::FetchSettings;

/// The maximum time for a connection to be established, including TLS.
const CONNECT: Duration = Duration::from_secs(2);

/// The maximum number of idle connections to one host, and how long they are kept.
const IDLE_CONNECTIONS: usize = 4;
const IDLE: Duration = Duration::from_secs(30);

/// Why no fetcher can be created.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file of trust anchors cannot be read.
    #[error("{name}: cannot read {}: {source}", path.display())]
    Read {
        /// The option or flag that names the file.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file of trust anchors contains no certificates.
    #[error("{name}: {} is not a PEM file of certificates", path.display())]
    NotCertificates {
        /// The option or flag that names the file.
        name: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// TLS cannot be set up.
    #[error("cannot set up the client for outgoing requests: {0}")]
    Client(#[source] reqwest::Error),
}

/// Builds a client that connects only to addresses that `names` returns and `settings` allows.
pub(super) fn build(
    settings: &FetchSettings,
    names: Arc<dyn Resolve>,
) -> Result<Client, BuildError> {
    let guarded = Guarded::new(settings.clone(), names);
    let anchors = match &settings.ca_file {
        Some(path) => certificates("fetch.caFile", path)?,
        None => Vec::new(),
    };
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
        .tls_certs_merge(anchors)
        .build()
        .map_err(BuildError::Client)
}

/// Reads the certificates in the PEM file of the option or flag `name`.
pub(super) fn certificates(
    name: &'static str,
    path: &Path,
) -> Result<Vec<Certificate>, BuildError> {
    let text = std::fs::read(path).map_err(|source| BuildError::Read {
        name,
        path: path.to_owned(),
        source,
    })?;
    match Certificate::from_pem_bundle(&text) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(BuildError::NotCertificates {
            name,
            path: path.to_owned(),
        }),
    }
}
