//! Why a store operation failed.

use std::path::PathBuf;

/// Why a store operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StoreError {
    /// A change expected a value that is no longer current; nothing of the change is stored.
    #[error("the record was changed concurrently; read it again, then retry")]
    Conflict,
    /// Too many changes are already queued.
    #[error("too many changes are waiting to be written; retry later")]
    Busy,
    /// The disk or the database cannot be read or written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A record cannot be read.
    #[error(
        "record {key} cannot be read: {reason}; restore the store from a backup, or delete this record"
    )]
    Corrupt {
        /// Its key, in printable form.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Acknowledged data is missing or can no longer be read.
    #[error(
        "the store is damaged: {0}. If an older registrar, which keeps no tally, wrote to the store in \
         between, the store looks the same: in that case 'registrar store accept' continues and nothing is \
         lost. Otherwise restore the store from a backup. Without a backup, run 'registrar store check' to \
         see the extent of the damage, save the readable clients with 'registrar store export', or \
         continue with what remains after 'registrar store accept'"
    )]
    Damaged(String),
    /// A format version that this registrar does not read.
    #[error(
        "{what} has version {version}, but this registrar reads version {known}: run the registrar that \
         wrote it. If no other registrar wrote it, it was altered, and 'registrar store accept' continues \
         without it"
    )]
    Version {
        /// What has the unsupported version.
        what: String,
        /// The version found.
        version: u64,
        /// The supported version.
        known: u64,
    },
    /// A backup was being restored into the folder.
    #[error(
        "the restore into {} was not finished; remove everything in the folder, and run 'registrar store restore' \
         again", .0.display()
    )]
    Unrestored(PathBuf),
    /// Another process has the folder open.
    #[error("another registrar has the folder {} open; stop it, or set another store.url", .0.display())]
    Locked(PathBuf),
    /// Long-running work was ended by its caller.
    #[error("interrupted before it finished; its copy of the store was removed")]
    Ended,
    /// `store.url` is not the URL of a store.
    #[error(
        "store.url: '{0}' is not the URL of a store; use sled:FOLDER, fjall:FOLDER, postgres://..., or memory: for tests"
    )]
    Url(String),
    /// An option of the store has an invalid value.
    #[error("{key}: {reason}")]
    Setting {
        /// The option.
        key: &'static str,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The key that seals the secrets is not available.
    #[error("the key file {}: {reason}", .file.display())]
    KeyFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}

impl StoreError {
    /// Returns the error for a record under `key` that cannot be read.
    pub(super) fn corrupt(key: &[u8], reason: &str) -> Self {
        Self::Corrupt {
            key: key.escape_ascii().to_string(),
            reason: reason.to_owned(),
        }
    }
}
