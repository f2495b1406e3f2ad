//! Resolves names to addresses, and checks each address before a connection is made.
//!
//! The connection uses exactly the addresses that were checked, so a name that resolves differently a moment
//! later (DNS rebinding) changes nothing.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::error::Refusal;
use crate::base::address;
use crate::config::FetchSettings;

/// The maximum number of concurrent lookups. A hanging lookup holds a thread until the system gives up,
/// however short the timeout of its fetch is.
const LOOKUPS: usize = 32;

/// A resolver that returns only permitted addresses.
pub(super) struct Guarded {
    settings: Arc<FetchSettings>,
    names: Arc<dyn Resolve>,
}

impl Guarded {
    pub(super) fn new(settings: FetchSettings, names: Arc<dyn Resolve>) -> Self {
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
pub(super) struct System {
    lookups: Arc<Semaphore>,
}

impl Default for System {
    fn default() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }
}

impl Resolve for System {
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
