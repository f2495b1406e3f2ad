//! The sets of scripts that were in force, and which of them is pinned.
//!
//! A version is the identifier of a set: a hash over all of its files. A pinned version is in force on every server of
//! the store, whatever their script folders contain. The pin is watched, as the patches of the live configuration are.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::store::{Backend, Change, Expectation, StoreError, keys, record};

/// The number of versions that are kept. The pinned version is always among them.
pub(crate) const MOST_VERSIONS: usize = 100;
/// The size limit of all files of one version together, in bytes.
pub(crate) const MOST_BYTES: usize = 4 << 20;

/// The texts of a set by the names of their files, relative to the script folder.
pub(crate) type ScriptFiles = BTreeMap<String, String>;

/// Where a version came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VersionSource {
    /// The script folder of a server.
    Folder,
    /// An administrator, with `registrar script push`.
    Push,
    /// The candidate, which was promoted.
    Candidate,
}

/// A version without its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScriptVersion {
    /// The identifier of the set.
    #[serde(skip)]
    pub(crate) version: String,
    pub(crate) source: VersionSource,
    /// When it was first kept.
    pub(crate) kept_at: Timestamp,
    /// When it last came into force on any server.
    pub(crate) in_force_at: Timestamp,
    /// The names of its files.
    pub(crate) files: Vec<String>,
}

impl ScriptVersion {
    /// A version that is kept for the first time.
    fn first(version: &str, files: &ScriptFiles, source: VersionSource, now: Timestamp) -> Self {
        Self {
            version: version.to_owned(),
            source,
            kept_at: now,
            in_force_at: now,
            files: files.keys().cloned().collect(),
        }
    }
}

/// The version that is in force on all servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    pub(crate) version: String,
    pub(crate) since: Timestamp,
    /// The identifier of the administrator's client.
    pub(crate) by: Option<String>,
}

/// Why a version is not kept or not pinned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VersionError {
    /// The files are too large.
    #[error(
        "the scripts exceed {MOST_BYTES} bytes in total; remove files from the folder that are not needed"
    )]
    TooLarge,
    /// The version is not kept.
    #[error("the version is not kept in the store; run 'registrar script versions' to see what is")]
    Unknown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores the versions and the pin.
#[derive(Clone)]
pub(crate) struct ScriptVersions {
    backend: Arc<dyn Backend>,
}

impl ScriptVersions {
    pub(super) fn new(backend: &Arc<dyn Backend>) -> Self {
        let backend = Arc::clone(backend);
        Self { backend }
    }

    /// Keeps `files` as `version`, which comes into force at `now`. The version that came into force the longest time
    /// ago is deleted if there would be too many.
    ///
    /// # Errors
    /// [`VersionError::TooLarge`] for files that are too large, and when the store fails.
    pub(crate) async fn keep(
        &self,
        version: &str,
        files: &ScriptFiles,
        source: VersionSource,
        now: Timestamp,
    ) -> Result<(), VersionError> {
        let bytes: usize = files.values().map(String::len).sum();
        if bytes > MOST_BYTES {
            return Err(VersionError::TooLarge);
        }
        let known = self.find_summary(version).await?;
        let mut change = Change::default();
        if known.is_none() {
            let key = keys::script_files(version);
            change.delete = self.superfluous().await?;
            change.put.push((key.clone(), record::encode(&key, files)?));
        }
        let first = ScriptVersion::first(version, files, source, now);
        let summary = ScriptVersion {
            in_force_at: now,
            ..known.unwrap_or(first)
        };
        let key = keys::script_version(version);
        change
            .put
            .push((key.clone(), record::encode(&key, &summary)?));
        self.backend.apply(change).await?;
        Ok(())
    }

    /// Returns the keys of the versions that make room for one more.
    async fn superfluous(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut versions = self.list().await?;
        let pinned = self.pin().await?.map(|pin| pin.version);
        versions.retain(|version| Some(&version.version) != pinned.as_ref());
        let mut superfluous = Vec::new();
        for version in versions.iter().skip(MOST_VERSIONS - 2) {
            superfluous.push(keys::script_version(&version.version));
            superfluous.push(keys::script_files(&version.version));
        }
        Ok(superfluous)
    }

    /// Returns all versions; the one that came into force last is first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(&self) -> Result<Vec<ScriptVersion>, StoreError> {
        let range = keys::under(keys::SCRIPT_VERSIONS);
        let pairs = self.backend.scan(range, MOST_VERSIONS * 2).await?;
        let mut versions = Vec::new();
        for (key, value) in pairs {
            versions.push(read_summary(&key, &value)?);
        }
        versions.sort_by_key(|version| Reverse(version.in_force_at));
        Ok(versions)
    }

    /// Returns the files of a version; `None` if it is not kept.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn files(&self, version: &str) -> Result<Option<ScriptFiles>, StoreError> {
        let key = keys::script_files(version);
        match self.backend.get(&key).await? {
            Some(bytes) => Ok(Some(record::decode(&key, &bytes)?)),
            None => Ok(None),
        }
    }

    /// Returns a version without its files; `None` if it is not kept.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn find_summary(
        &self,
        version: &str,
    ) -> Result<Option<ScriptVersion>, StoreError> {
        let key = keys::script_version(version);
        match self.backend.get(&key).await? {
            Some(bytes) => Ok(Some(read_summary(&key, &bytes)?)),
            None => Ok(None),
        }
    }

    /// Returns the pin, if a version is pinned.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn pin(&self) -> Result<Option<Pin>, StoreError> {
        match self.backend.get(keys::SCRIPT_PIN).await? {
            Some(bytes) => Ok(Some(record::decode(keys::SCRIPT_PIN, &bytes)?)),
            None => Ok(None),
        }
    }

    /// Pins a version that is kept, together with `also`.
    ///
    /// # Errors
    /// [`VersionError::Unknown`] for a version that is not kept, and when the store fails.
    pub(crate) async fn set_pin(&self, pin: &Pin, also: Change) -> Result<(), VersionError> {
        let files_key = keys::script_files(&pin.version);
        let Some(files) = self.backend.get(&files_key).await? else {
            return Err(VersionError::Unknown);
        };
        let change = Change {
            expect: vec![Expectation::Value(files_key, files)],
            put: vec![(
                keys::SCRIPT_PIN.to_vec(),
                record::encode(keys::SCRIPT_PIN, pin)?,
            )],
            ..Change::default()
        };
        match self.backend.apply(change.and(also)).await {
            Ok(_) => Ok(()),
            // The version was deleted in the meantime.
            Err(StoreError::Conflict) => Err(VersionError::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the pin, together with `also`.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn remove_pin(&self, also: Change) -> Result<(), StoreError> {
        let change = Change {
            delete: vec![keys::SCRIPT_PIN.to_vec()],
            ..Change::default()
        };
        self.backend.apply(change.and(also)).await.map(drop)
    }
}

fn read_summary(key: &[u8], value: &[u8]) -> Result<ScriptVersion, StoreError> {
    let summary: ScriptVersion = record::decode(key, value)?;
    match keys::script_version_of(key) {
        Some(version) => Ok(ScriptVersion { version, ..summary }),
        None => Err(StoreError::corrupt(key, "its key names no version")),
    }
}
