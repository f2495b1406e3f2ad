//! Why a server does not start, and what somebody can do about it.

use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::config::StoreUrl;
use crate::fetch;
use crate::http::tls::TlsFault;
use crate::script::{LoadErrors, SecretError};
use crate::store::StoreError;
use crate::token::administrator::AdministratorError;
use crate::watch::WatchError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can not be listened on.
    #[error("can not listen on {address}: {source}; {}", advice(.source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A certificate or a key can not be used.
    #[error("{place}{key}: {fault}", key = .fault.key)]
    Tls {
        /// Where the configuration names it, with a colon and a space.
        place: String,
        /// What is wrong.
        fault: TlsFault,
    },
    /// The configuration can not be in force.
    #[error("the configuration is not right:\n{0}")]
    Configuration(String),
    /// The store does not open.
    #[error("the store {url} does not open: {source}{}", remedy(.source, .url))]
    Store {
        /// `store.url`
        url: StoreUrl,
        /// Why.
        source: StoreError,
    },
    /// A secret for scripts is not there.
    #[error("the configuration is not right: {0}")]
    Secret(#[from] SecretError),
    /// The patch of the configuration that the store keeps can not be in force any more.
    #[error(
        "what was patched while the server ran, and is kept in the store, does not fit any more:\n{0}\n\
         mend the file, or let go of it: registrar config reset [KEY...]"
    )]
    Patch(String),
    /// The scripts do not load.
    #[error("the scripts do not load:\n{0}")]
    Scripts(#[from] LoadErrors),
    /// Nothing could be fetched from others.
    #[error("{0}")]
    Fetcher(#[from] fetch::BuildError),
    /// The files can not be watched.
    #[error("the files can not be watched: {0}")]
    Watch(#[from] WatchError),
    /// The process can not hear its signals.
    #[error("the process can not hear its signals: {0}")]
    Signals(std::io::Error),
    /// There is no administrator.
    #[error("the start can not go on: {0}")]
    Administrator(#[from] AdministratorError),
    /// A task of the start was lost.
    #[error("the start was cut off: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// What somebody can do about an address that is not to be had.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => {
            "stop who has it, or name another port with --listen or server.listen, for administrators with \
             admin.listen"
        }
        ErrorKind::PermissionDenied => {
            "name a port from 1024 up with --listen or server.listen, for administrators with admin.listen"
        }
        _ => {
            "name an address of this machine with --listen or server.listen, for administrators with \
             admin.listen"
        }
    }
}

/// What somebody can do about a store that says only what the system said.
fn remedy(error: &StoreError, url: &StoreUrl) -> &'static str {
    match error {
        StoreError::Unavailable(_) if url.is_postgres() => {
            "; see that the database runs, and that store.url names it and a user whom it lets in"
        }
        StoreError::Unavailable(_) => {
            "; let this user write to its folder, or name another one with --data or store.url"
        }
        _ => "",
    }
}
