//! The text of a backup: the manifest, the entries in the order in which they are applied, and their number.

use std::collections::VecDeque;
use std::io::Read;

use serde::{Deserialize, Serialize};

use super::sealed::{Envelope, OpenedBackup, Sealer, Segments};
use crate::base::{SealError, SegmentKey, Timestamp};
use crate::store::backup::BackupFault;
use crate::store::keys;
use crate::store::sealing::{key_file::KeyFile, key_proof};

/// Begins the manifest.
const MANIFEST: u8 = b'M';
/// Begins a key with its value.
const STORED: u8 = b'+';
/// Begins a key that was removed.
const REMOVED: u8 = b'-';
/// Begins the number of entries.
const END: u8 = b'E';
/// The maximum length of a key, in bytes.
const MOST_KEY: usize = 64 << 10;
/// The maximum length of a value, in bytes. The longest are the files of a set of scripts.
const MOST_VALUE: usize = 256 << 20;
/// The maximum length of the manifest and of the end, in bytes.
const MOST_JSON: usize = 64 << 10;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The version of the server.
    pub(crate) version: String,
    /// When the backup began, in seconds since the epoch.
    pub(crate) created_at: Timestamp,
    /// The issuer of the server.
    pub(crate) issuer: String,
    /// The content of the key file, only if the backup is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyText>,
}

/// The key of the secrets in a store, in base64. It cannot be printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct KeyText(String);

impl std::fmt::Debug for KeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyText(..)")
    }
}

impl Manifest {
    /// Describes a backup that the server `issuer` begins at `created_at`.
    pub(crate) fn new(issuer: &str, created_at: Timestamp) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            issuer: issuer.to_owned(),
            key: None,
        }
    }

    /// Adds the keys of the store.
    pub(super) fn with_key(self, keys: &KeyFile) -> Self {
        let key = Some(KeyText(keys.to_text().expose().to_owned()));
        Self { key, ..self }
    }

    /// Whether the backup contains the key of the secrets in the store.
    pub(crate) const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Returns the keys of the secrets in the store.
    pub(super) fn key(&self) -> Result<Option<KeyFile>, BackupFault> {
        let Some(KeyText(text)) = &self.key else {
            return Ok(None);
        };
        let key = KeyFile::from_text(text).ok_or(BackupFault::Altered("the key in it"))?;
        Ok(Some(key))
    }
}

/// How many entries there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Contents {
    /// Values that were stored. A record that changed while the backup was made counts more than once.
    pub(crate) stored: u64,
    /// Records that were removed while the backup was made.
    pub(crate) removed: u64,
}

/// Writes a backup.
pub(super) struct BackupText {
    sealer: Sealer,
    contents: Contents,
}

impl BackupText {
    /// Begins a backup with `manifest`, which is encrypted if there is an `envelope`.
    pub(super) fn new(envelope: Option<Envelope>, manifest: &Manifest) -> Result<Self, TextError> {
        let mut text = Self {
            sealer: Sealer::new(envelope)?,
            contents: Contents::default(),
        };
        text.json(MANIFEST, manifest)?;
        Ok(text)
    }

    /// Adds the value of `key`; `None` if it was removed.
    pub(super) fn entry(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), TextError> {
        let count = match value {
            Some(_) => &mut self.contents.stored,
            None => &mut self.contents.removed,
        };
        *count += 1;
        self.sealer
            .add(&[if value.is_some() { STORED } else { REMOVED }])?;
        self.part(key, MOST_KEY)?;
        match value {
            Some(value) => self.part(value, MOST_VALUE),
            None => Ok(()),
        }
    }

    /// Returns the bytes of the file that are complete and were not returned before.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.sealer.take()
    }

    /// Returns the last bytes of the file.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, TextError> {
        let contents = self.contents;
        self.json(END, &contents)?;
        Ok(self.sealer.finish()?)
    }

    fn json(&mut self, kind: u8, value: &impl Serialize) -> Result<(), TextError> {
        self.sealer.add(&[kind])?;
        let json = serde_json::to_vec(value)?;
        self.part(&json, MOST_JSON)
    }

    fn part(&mut self, bytes: &[u8], most: usize) -> Result<(), TextError> {
        let length = u32::try_from(bytes.len()).ok();
        let length = length.filter(|_| bytes.len() <= most);
        let length = length.ok_or(TextError::TooLong(bytes.len()))?;
        self.sealer.add(&length.to_be_bytes())?;
        self.sealer.add(bytes)?;
        Ok(())
    }
}

/// Why a backup cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextError {
    /// A value is longer than any that is read back.
    #[error("a record with {0} bytes is too long")]
    TooLong(usize),
    /// The cipher failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A part cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// A key, and its value or `None` if the key was removed.
pub(super) type BackupEntry = (Vec<u8>, Option<Vec<u8>>);

/// A backup while its text is read.
pub(crate) struct Backup<R> {
    segments: Segments<R>,
    text: VecDeque<u8>,
    manifest: Manifest,
    contents: Contents,
}

impl<R: Read> Backup<R> {
    /// Reads the manifest of `opened`. `key` decrypts the backup if it is encrypted.
    ///
    /// # Errors
    /// When the backup is damaged, or `key` does not decrypt it.
    pub(crate) fn read(
        opened: OpenedBackup<R>,
        key: Option<SegmentKey>,
    ) -> Result<Self, BackupFault> {
        if opened.encrypted_key().is_some() && key.is_none() {
            return Err(BackupFault::Encrypted);
        }
        let mut backup = Self {
            segments: opened.segments(key),
            text: VecDeque::new(),
            manifest: Manifest::new("", Timestamp::default()),
            contents: Contents::default(),
        };
        if backup.byte()? != MANIFEST {
            return Err(BackupFault::Altered("its manifest is missing"));
        }
        let manifest = backup.part(MOST_JSON)?;
        backup.manifest =
            serde_json::from_slice(&manifest).map_err(|_| BackupFault::Altered("its manifest"))?;
        Ok(backup)
    }

    /// Returns what it is a backup of.
    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads everything, and returns how much it is. If the key in the backup is to be used, it must open the secrets.
    ///
    /// # Errors
    /// When the backup is damaged or cannot be read, or has another key.
    pub(crate) fn check(mut self, uses_key: bool) -> Result<Contents, BackupFault> {
        let mut proof = None;
        while let Some((key, value)) = self.advance()? {
            if key == keys::KEY_PROOF {
                proof = value;
            }
        }
        if let (Some(found), Some(proof)) = (self.manifest.key()?, proof)
            && uses_key
        {
            let opening = key_proof::opening(&found, &proof);
            let opening = opening.map_err(|_| BackupFault::Altered("the proof of its key"))?;
            opening.ok_or(BackupFault::OtherKey)?;
        }
        Ok(self.contents)
    }

    /// Returns how many entries were read.
    pub(super) const fn contents(&self) -> Contents {
        self.contents
    }

    /// Returns the next entry. Returns `None` after the last one, when the whole backup is what was written.
    pub(super) fn advance(&mut self) -> Result<Option<BackupEntry>, BackupFault> {
        match self.byte()? {
            STORED => {
                let (key, value) = (self.part(MOST_KEY)?, self.part(MOST_VALUE)?);
                self.contents.stored += 1;
                Ok(Some((key, Some(value))))
            }
            REMOVED => {
                let key = self.part(MOST_KEY)?;
                self.contents.removed += 1;
                Ok(Some((key, None)))
            }
            END => self.end().map(|()| None),
            _ => Err(BackupFault::Altered("an entry")),
        }
    }

    fn end(&mut self) -> Result<(), BackupFault> {
        let stated = self.part(MOST_JSON)?;
        let stated: Contents =
            serde_json::from_slice(&stated).map_err(|_| BackupFault::Altered("its end"))?;
        if stated != self.contents {
            return Err(BackupFault::Altered("its number of entries"));
        }
        match (self.text.is_empty(), self.segments.advance()?) {
            (true, None) => Ok(()),
            _ => Err(BackupFault::Altered("something follows its end")),
        }
    }

    fn byte(&mut self) -> Result<u8, BackupFault> {
        loop {
            if let Some(byte) = self.text.pop_front() {
                return Ok(byte);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), BackupFault> {
        match self.segments.advance()? {
            Some(text) => {
                self.text.extend(text);
                Ok(())
            }
            None => Err(BackupFault::Altered("its end is missing")),
        }
    }

    /// Returns the next part of the text, which begins with its length. No more is held in memory than was read.
    fn part(&mut self, most: usize) -> Result<Vec<u8>, BackupFault> {
        let mut length = [0; 4];
        for byte in &mut length {
            *byte = self.byte()?;
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > most {
            return Err(BackupFault::Altered("the length of an entry"));
        }
        while self.text.len() < length {
            self.fill()?;
        }
        Ok(self.text.drain(..length).collect())
    }
}
