//! The HTTP client, without its automatic features such as redirects and proxies, and its resolver, which checks
//! each address before a connection is made.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use tokio::sync::Semaphore;

use crate::base::address;
use crate::config::FetchSettings;
use crate::fetch::Refusal;

/// The maximum time for a connection to be established, including TLS.
const CONNECT: Duration = Duration::from_secs(2);

/// The maximum number of idle connections to one host, and how long they are kept.
const IDLE_CONNECTIONS: usize = 4;
const IDLE: Duration = Duration::from_secs(30);

/// The maximum number of concurrent lookups. A hanging lookup holds a thread until the system gives up,
/// however short the timeout of its fetch is.
const LOOKUPS: usize = 32;

/// Why no fetcher can be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// A file of trust anchors cannot be read.
    #[error("{name}: cannot read {}: {source}", path.display())]
    Read {
        /// The option or flag that names the file.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
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

/// A resolver that returns only permitted addresses. The connection uses exactly the addresses that were
/// checked, so a name that resolves differently a moment later (DNS rebinding) changes nothing.
struct Guarded {
    settings: Arc<FetchSettings>,
    names: Arc<dyn Resolve>,
}

impl Guarded {
    fn new(settings: FetchSettings, names: Arc<dyn Resolve>) -> Self {
        Self {
            settings: Arc::new(settings),
            names,
        }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let settings = Arc::clone(&self.settings);
        let names = Arc::clone(&self.names);
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let addresses: Vec<SocketAddr> = names.resolve(name).await?.collect();
            let may_be_special = settings.allow_private_addresses || settings.lists_name(&host);
            // One bad address invalidates the answer: only an attacker mixes such addresses.
            if !may_be_special && addresses.iter().any(|one| address::is_special(one.ip())) {
                return Err(Refusal::SpecialAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The resolver of the operating system.
pub(super) struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let held = lookups.acquire_owned().await?;
            let lookup = move || -> io::Result<Vec<SocketAddr>> {
                let _held = held;
                Ok((name.as_str(), 0).to_socket_addrs()?.collect())
            };
            let addresses = tokio::task::spawn_blocking(lookup).await??;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
