//! Why a server does not start, with advice for the operator.

use std::io::ErrorKind;
use std::net::SocketAddr;

use super::watch::WatchError;
use crate::config::StoreUrl;
use crate::fetch;
use crate::http::tls::TlsFault;
use crate::script::{LoadErrors, SecretError};
use crate::store::StoreError;
use crate::token::administrator::AdministratorError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}: {source}; {}", advice(.source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A certificate or a key cannot be used.
    #[error("{place}{key}: {fault}", key = .fault.key)]
    Tls {
        /// The location of the option in the configuration, with a colon and a space.
        place: String,
        /// What is wrong.
        fault: TlsFault,
    },
    /// The configuration is invalid.
    #[error("invalid configuration:\n{0}")]
    Configuration(String),
    /// The store cannot be opened.
    #[error("cannot open the store {url}: {source}{}", remedy(.source, .url))]
    Store {
        /// `store.url`
        url: StoreUrl,
        /// The reason.
        source: StoreError,
    },
    /// A secret for scripts is missing.
    #[error("invalid configuration: {0}")]
    Secret(#[from] SecretError),
    /// The configuration patch in the store is no longer valid.
    #[error(
        "the configuration patch in the store, which was made while the server ran, is no longer \
         valid:\n{0}\nfix the configuration file, or remove the patch: registrar config reset [KEY...]"
    )]
    Patch(String),
    /// The scripts cannot be loaded.
    #[error("cannot load the scripts:\n{0}")]
    Scripts(#[from] LoadErrors),
    /// The client for outgoing requests cannot be created.
    #[error("{0}")]
    Fetcher(#[from] fetch::BuildError),
    /// The files cannot be watched.
    #[error("cannot watch the files for changes: {0}")]
    Watch(#[from] WatchError),
    /// The signal handlers cannot be installed.
    #[error("cannot install the signal handlers: {0}")]
    Signals(std::io::Error),
    /// The administrator cannot be created.
    #[error("startup failed: {0}")]
    Administrator(#[from] AdministratorError),
    /// A startup task was aborted.
    #[error("startup was interrupted: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// Returns advice for an address that is unavailable.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "stop the process that uses it, or set another port with --listen or server.listen \
             (admin.listen for administrators)"
        }
        ErrorKind::PermissionDenied => {
            "set a port from 1024 up with --listen or server.listen (admin.listen for administrators)"
        }
        _ => {
            "set an address of this machine with --listen or server.listen (admin.listen for administrators)"
        }
    }
}

/// Returns advice for a store error that contains only a system error.
fn remedy(error: &StoreError, url: &StoreUrl) -> &'static str {
    match error {
        StoreError::Unavailable(_) if url.is_postgres() => {
            "; check that the database is running, and that store.url names it and a user with access to it"
        }
        StoreError::Unavailable(_) => {
            "; give this user write access to the folder, or set another one with --data or store.url"
        }
        _ => "",
    }
}
