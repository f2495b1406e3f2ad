//! A backup of an embedded store: made while a server works with it, checked, and restored into an empty folder.
//!
//! The layers of the file, from the outside:
//!
//! | Layer | Content |
//! |---|---|
//! | [file](sealed) | a line of JSON with the version and, if the backup is encrypted, its key as a JWE; segments; SHA-256 of everything before |
//! | segment | its length, 4 bytes, big-endian, with the highest bit set in the last one; a part of the text, encrypted if there is a key |
//! | [text](entries) | the manifest; entries; the number of entries |
//! | entry | a key and its value, or a key that was removed |
//!
//! Entries are applied in their order, and a later one replaces an earlier one of the same key. That makes the backup
//! [the store at one moment](copy), although all of it was not read at one moment.

mod copy;
mod entries;
mod restore;
mod sealed;

pub(crate) use crate::store::backend::journal::Recording;
pub(crate) use copy::{BackupError, BackupRefusal};
pub(crate) use entries::{Backup, Contents, Manifest};
pub(in crate::store) use restore::refuse_unfinished;
pub(crate) use restore::restore;
pub(crate) use sealed::{Envelope, OpenedBackup};

/// Why a backup cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupFault {
    /// It is not a backup.
    #[error("is not a backup of a store; name a file that 'registrar store backup' wrote")]
    NotABackup,
    /// A newer Registrar wrote it.
    #[error("has version {0}, which this registrar does not read; use the registrar that wrote it")]
    Version(u64),
    /// Its end is missing.
    #[error("is truncated; use another backup")]
    Truncated,
    /// It is not what was written.
    #[error("was altered after it was written: {0}; use another backup")]
    Altered(&'static str),
    /// It is encrypted.
    #[error("is encrypted; name the private key of its recipient with --identity")]
    Encrypted,
    /// Its key is another one.
    #[error("cannot be decrypted: its key does not fit, or it was altered after it was written")]
    Undecryptable,
    /// The key in it does not open its secrets.
    #[error(
        "has another key than the one that its secrets are sealed with, which was put in force while the backup was made; \
         restore it with --key and a key file that has that key, or use another backup"
    )]
    OtherKey,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
}

impl From<std::io::Error> for BackupFault {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Unreadable(error),
        }
    }
}

#[cfg(test)]
mod tests;
