//! Copies a store while it changes, to the store at one moment.
//!
//! The pairs are read in the order of their keys. What is written meanwhile is [kept](crate::store::backend::journal)
//! and follows in the copy. A pair that is read is at least as new as everything that was kept before, so the last
//! entry of each key is its value at the end. At the end, one more change is written: when it is answered, everything
//! that the copy may have read is kept too.

use std::ops::Range;
use std::sync::Arc;

use futures_util::stream::{Stream, try_unfold};

use super::entries::{BackupText, Manifest, TextError};
use super::sealed::Envelope;
use crate::store::backend::journal::{JournalFault, Recording};
use crate::store::sealing::{key_file::KeyFile, key_proof};
use crate::store::{Backend, Change, Store, StoreError, Values, keys, page};

/// The number of pairs that are read at a time.
const PAGE: usize = 500;

/// Why no backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BackupRefusal {
    /// Other servers write to the same database.
    #[error(
        "this server stores its data in a database of its own; back it up with the tools of the database, such as \
         pg_dump, together with the key file"
    )]
    Shared,
    /// Another backup is not finished.
    #[error("another backup is being made; retry when it is finished")]
    Running,
}

/// Why a backup ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that was written meanwhile is missing.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// Another key was put in force meanwhile.
    #[error(
        "the key of the secrets was replaced while the backup was made, so the backup lacks the new key; make another backup"
    )]
    KeyReplaced,
    /// The backup cannot be written.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// A backup that is being made.
struct Copying {
    backend: Arc<dyn Backend>,
    recording: Recording,
    /// The keys in the manifest.
    keys: Option<KeyFile>,
    /// `None` when it is complete.
    text: Option<BackupText>,
    /// What was not read yet; `None` when everything was.
    rest: Option<Range<Vec<u8>>>,
}

impl Store {
    /// Begins a backup. It has the state of a moment after this call, and ends when its right is dropped.
    ///
    /// # Errors
    /// When the store is not embedded, or another backup is being made.
    pub(crate) fn begin_backup(&self) -> Result<Recording, BackupRefusal> {
        let journal = self.backend.journal().ok_or(BackupRefusal::Shared)?;
        journal.record().ok_or(BackupRefusal::Running)
    }

    /// Returns the bytes of the backup of everything in this store. With an `envelope`, it is encrypted and contains
    /// the key of the secrets too.
    ///
    /// # Errors
    /// When the backup cannot begin. Later failures end the stream.
    pub(crate) fn backup(
        &self,
        recording: Recording,
        envelope: Option<Envelope>,
        manifest: Manifest,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, BackupError>> + Send + use<>, BackupError> {
        let keys = envelope.as_ref().map(|_| KeyFile::from(&self.sealing_keys));
        let manifest = match &keys {
            Some(keys) => manifest.with_key(keys),
            None => manifest,
        };
        let copying = Copying {
            backend: Arc::clone(&self.backend),
            recording,
            keys,
            text: Some(BackupText::new(envelope, &manifest)?),
            rest: Some(Vec::new()..vec![u8::MAX]),
        };
        Ok(try_unfold(copying, |mut copying| async move {
            let bytes = copying.advance().await?;
            Ok(bytes.map(|bytes| (bytes, copying)))
        }))
    }
}

impl Copying {
    /// Returns the next bytes, or `None` after the last ones.
    async fn advance(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        loop {
            let Some(text) = &mut self.text else {
                return Ok(None);
            };
            add(text, self.recording.take()?)?;
            let Some(range) = self.rest.take() else {
                return self.end().await;
            };
            let (pairs, rest) = page(&*self.backend, range, PAGE).await?;
            for (key, value) in &pairs {
                text.entry(key, Some(value))?;
            }
            self.rest = rest;
            let ready = text.take();
            // Requests are served between two pages.
            tokio::task::yield_now().await;
            if !ready.is_empty() {
                return Ok(Some(ready));
            }
        }
    }

    async fn end(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let put = vec![(keys::HEARTBEAT.to_vec(), Vec::new())];
        self.backend
            .apply(Change {
                put,
                ..Change::default()
            })
            .await?;
        let Some(mut text) = self.text.take() else {
            return Ok(None);
        };
        add(&mut text, self.recording.take()?)?;
        self.check_keys().await?;
        Ok(Some(text.finish()?))
    }

    /// Fails if the backup has keys, and none of them is in force at its end. It has them at its beginning, and what it copies
    /// is the state at its end.
    async fn check_keys(&self) -> Result<(), BackupError> {
        let Some(found) = &self.keys else {
            return Ok(());
        };
        let Some(proof) = self.backend.get(keys::KEY_PROOF).await? else {
            return Ok(());
        };
        let opening = key_proof::opening(found, &proof)?;
        opening.map(drop).ok_or(BackupError::KeyReplaced)
    }
}

fn add(text: &mut BackupText, written: Values) -> Result<(), BackupError> {
    for (key, value) in written {
        text.entry(&key, value.as_deref())?;
    }
    Ok(())
}
