//! Why the store did not do what it was asked.

use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// What a change expected is not so any more; nothing of it is stored.
    #[error("the record was changed by somebody else")]
    Conflict,
    /// Too many changes are waiting already.
    #[error("too many changes are waiting to be written; try again")]
    Busy,
    /// The disk or the database does not take or give anything.
    #[error("the store can not be reached: {0}")]
    Unavailable(String),
    /// A record can not be read.
    #[error(
        "the record {key} can not be read: {reason}; restore the store from a backup, or delete this record"
    )]
    Corrupt {
        /// Its key, in printable form.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something is gone that was acknowledged, or can not be read any more.
    #[error(
        "the store is damaged: {0}. A registrar of an older version that wrote to it in between, which keeps \
         no tally, gives the same picture: if that is all, 'registrar store accept' goes on and nothing is \
         lost. Otherwise restore it from a backup; or see how far it goes with 'registrar store check', \
         save the clients that can be read with 'registrar store export', or go on with what is there after \
         'registrar store accept'"
    )]
    Damaged(String),
    /// Something has another form than this registrar reads.
    #[error(
        "{what} is of version {version}, and this registrar reads version {known}: run the registrar that wrote \
         it. If there was no other one, it was changed, and 'registrar store accept' goes on without it"
    )]
    Version {
        /// What.
        what: String,
        /// The version that it says.
        version: u64,
        /// The one that is known.
        known: u64,
    },
    /// Another process has the folder open.
    #[error("another registrar has the folder {} open; stop it, or name another folder in store.url", .0.display())]
    Locked(PathBuf),
    /// Whoever asked for long work had it ended.
    #[error("it was ended before it was done; its copy of the store is removed")]
    Ended,
    /// `store.url` names no store.
    #[error("store.url: '{0}' names no store; use sled:FOLDER, postgres://..., or memory: for a test")]
    Url(String),
    /// An option of the store can not be as it is.
    #[error("{key}: {reason}")]
    Setting {
        /// The option.
        key: &'static str,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The key of the secrets is not to be had.
    #[error("the key file {}: {reason}", .file.display())]
    KeyFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}

impl StoreError {
    /// That the record under `key` can not be read.
    pub(super) fn corrupt(key: &[u8], reason: &str) -> Self {
        Self::Corrupt { key: key.escape_ascii().to_string(), reason: reason.to_owned() }
    }
}
