//! The file with the keys that seal secrets. It is created with one key at the first start, readable by its owner only.
//!
//! Each line is a key. The first one is to seal. While it replaces another key, that key follows, and only opens what it
//! sealed. Key files of earlier versions are files with one key.

use std::fmt::Display;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::key_proof::ProvenKey;
use crate::base::{SealingKey, SealingKeys, Secret, folder_of, random};
use crate::config::refuse_other_readers;
use crate::store::StoreError;

/// Its name in the folder of the store.
pub(in crate::store) const DEFAULT_NAME: &str = "registrar.key";
/// The maximum number of keys in the file.
const MOST_KEYS: usize = 4;
/// The maximum size of the file, in bytes.
const MOST_BYTES: u64 = 1_024;

/// The keys of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct KeyFile {
    /// The key that is to seal.
    pub(in crate::store) first: SealingKey,
    /// Those that open what they sealed before.
    pub(in crate::store) others: Vec<SealingKey>,
}

impl KeyFile {
    /// Returns the keys in the order of the file.
    pub(in crate::store) fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the key with the name `id`.
    pub(in crate::store) fn with_id(&self, id: &str) -> Option<&SealingKey> {
        self.keys().find(|key| key.id() == id)
    }

    /// Returns the keys of which `current` seals.
    pub(in crate::store) fn sealing_with(&self, current: &SealingKey) -> SealingKeys {
        SealingKeys::new(current.clone(), self.all_but(current))
    }

    /// Returns the keys of which the one that is `proven` seals.
    pub(in crate::store) fn proven_by(&self, proven: &ProvenKey) -> SealingKeys {
        let keys = self.sealing_with(&proven.current);
        keys.replace(
            &proven.current,
            &self.all_but(&proven.current),
            Some(&proven.proof),
        );
        keys
    }

    /// Returns the keys but `current`.
    pub(in crate::store) fn all_but(&self, current: &SealingKey) -> Vec<SealingKey> {
        let others = self.keys().filter(|key| *key != current);
        others.cloned().collect()
    }

    /// Returns the content of the file.
    pub(in crate::store) fn to_text(&self) -> Secret {
        let mut text = String::new();
        for key in self.keys() {
            text.push_str(key.to_text().expose());
            text.push('\n');
        }
        Secret::new(text)
    }

    /// Reads the content of a file. Returns `None` if a line is not a key, a key is there twice, or there are too many.
    pub(in crate::store) fn from_text(text: &str) -> Option<Self> {
        let mut keys: Vec<SealingKey> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let key = SealingKey::from_text(line)?;
            if keys.contains(&key) || keys.len() == MOST_KEYS {
                return None;
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        Some(Self {
            first: keys.next()?,
            others: keys.collect(),
        })
    }
}

impl From<SealingKey> for KeyFile {
    fn from(first: SealingKey) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }
}

impl From<&SealingKeys> for KeyFile {
    fn from(keys: &SealingKeys) -> Self {
        let (first, others) = keys.all();
        Self { first, others }
    }
}

/// Reads the keys in `file`, or creates a new one there.
///
/// A store that is already in use does not get a new key: its secrets would silently be lost.
pub(in crate::store) fn load_or_make(file: &Path, is_used: bool) -> Result<KeyFile, StoreError> {
    match read(file) {
        Ok(text) => {
            refuse_readers(file)?;
            parse(file, &text)
        }
        Err(error) if error.kind() == ErrorKind::NotFound && is_used => {
            let advice = "it is missing, and the store has secrets sealed with it; restore it from a \
                          backup. If it is lost, 'registrar store accept' continues without the sealed \
                          data of an embedded store";
            Err(failed(file, advice))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make(file),
        Err(error) => Err(failed(file, error)),
    }
}

fn failed(file: &Path, reason: impl Display) -> StoreError {
    StoreError::KeyFile {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}

/// Reads `file`, and no more of it than a key file can have.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let opened = fs::File::open(file)?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Reads the content of the key file.
fn parse(file: &Path, text: &[u8]) -> Result<KeyFile, StoreError> {
    let advice = "each line must have 32 bytes in base64, and at most 4 lines are allowed, all different; restore the \
                  file from a backup. If the key is lost, delete the file; the next start reports how to continue \
                  without the key";
    let text = std::str::from_utf8(text).ok();
    let parsed = text.and_then(KeyFile::from_text);
    parsed.ok_or_else(|| failed(file, advice))
}

/// Writes `keys`, which a backup contained or which are kept elsewhere, to `file`. An existing file must have the same
/// keys.
pub(in crate::store) fn put_back(file: &Path, keys: &KeyFile) -> Result<(), StoreError> {
    match write(file, keys, give_name) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if load_or_make(file, true)? == *keys {
                return Ok(());
            }
            let advice = "it exists and contains another key; move it away, or set store.keyFile to another file";
            Err(failed(file, advice))
        }
        Err(error) => Err(failed(file, error)),
    }
}

/// Creates a new key in `file`.
fn make(file: &Path) -> Result<KeyFile, StoreError> {
    let made = KeyFile::from(new_key(file)?);
    match write(file, &made, give_name) {
        Ok(()) => Ok(made),
        // Another server was faster; its key is used.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => load_or_make(file, true),
        Err(error) => Err(failed(file, error)),
    }
}

fn new_key(file: &Path) -> Result<SealingKey, StoreError> {
    let bytes = random::bytes::<32>().map_err(|error| failed(file, error))?;
    Ok(SealingKey::from_bytes(bytes))
}

/// Puts a new key before the one in `file`, which stays to open what it sealed. Returns the names of both.
///
/// # Errors
/// When there is no key, the keys are being replaced already, or the file cannot be written.
pub(crate) fn begin_rotation(file: &Path) -> Result<(String, String), StoreError> {
    let found = load_or_make(file, true)?;
    if !found.others.is_empty() {
        let reason = "it has several keys: a rotation is under way; 'registrar key status' shows how far it is, and \
                      'registrar key finish' ends it";
        return Err(failed(file, reason));
    }
    let next = KeyFile {
        first: new_key(file)?,
        others: vec![found.first.clone()],
    };
    replace(file, &next)?;
    Ok((next.first.id(), found.first.id()))
}

/// What the servers of a store say about their keys, when the previous ones are to be removed from the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeysInUse {
    /// The name of the key that seals.
    pub(crate) current: String,
    /// The names of the others in their key file.
    pub(crate) previous: Vec<String>,
    /// How many records none of these keys opens.
    pub(crate) unopened: u64,
}

impl KeysInUse {
    /// Returns why the other keys must not be removed from `found`, if they must not.
    fn refusal(&self, found: &KeyFile) -> Option<String> {
        let (first, current) = (found.first.id(), &self.current);
        if first != *current && found.with_id(current).is_some() {
            let reason = "the servers have not seen the new key yet; retry in a few seconds";
            return Some(reason.to_owned());
        }
        if first != *current {
            return Some(format!(
                "its first key is {first}, but the servers seal with {current}; give this machine the key file of the servers"
            ));
        }
        let is_unknown = |id: &String| !self.previous.contains(id);
        let unknown = found.others.iter().map(SealingKey::id).find(is_unknown);
        let unknown = unknown.filter(|_| self.unopened > 0)?;
        let (records, open) = match self.unopened {
            1 => ("1 record".to_owned(), "opens"),
            count => (format!("{count} records"), "open"),
        };
        Some(format!(
            "{records} {open} with no key of the servers, and the servers lack the key {unknown} of this file; copy the file to \
             every server, and finish when no such records are left"
        ))
    }
}

/// Removes all keys from `file` but the first one, with which the servers must seal. Returns how many it removed.
///
/// # Errors
/// When the other keys may still be needed, or the file cannot be read or written.
pub(crate) fn end_rotation(file: &Path, in_use: &KeysInUse) -> Result<usize, StoreError> {
    let found = load_or_make(file, true)?;
    if let Some(reason) = in_use.refusal(&found) {
        return Err(failed(file, reason));
    }
    let removed = found.others.len();
    if removed > 0 {
        replace(file, &KeyFile::from(found.first))?;
    }
    Ok(removed)
}

fn replace(file: &Path, keys: &KeyFile) -> Result<(), StoreError> {
    let rename = |beside: &Path, file: &Path| {
        keep_owner(beside, file)?;
        fs::rename(beside, file)
    };
    write(file, keys, rename).map_err(|error| failed(file, error))
}

/// Gives `new` the owner and the mode of `file`. Root may replace the key of a server that runs as another user.
#[cfg(unix)]
fn keep_owner(new: &Path, file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let (owner, present) = (fs::metadata(file)?, fs::metadata(new)?);
    if owner.uid() != present.uid() || owner.gid() != present.gid() {
        chown(new, Some(owner.uid()), Some(owner.gid()))?;
    }
    fs::set_permissions(new, owner.permissions())
}

/// Does nothing: on these systems, files have no single owner.
#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature on every system"
)]
fn keep_owner(_new: &Path, _file: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Writes the keys to a temporary file and moves it into place by `name`, so that a power cut leaves no partial key.
fn write(
    file: &Path,
    keys: &KeyFile,
    name: impl FnOnce(&Path, &Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let folder = folder_of(file);
    fs::create_dir_all(folder)?;
    let beside = file.with_extension(format!("key.new-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&beside)?;
    new.write_all(keys.to_text().expose().as_bytes())?;
    new.sync_all()?;
    name(&beside, file)?;
    // The name of the file must survive a power cut too.
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Moves a file to a name that is free, and fails with [`ErrorKind::AlreadyExists`] otherwise. A plain rename would overwrite the file of another server that
/// starts at the same time.
fn give_name(beside: &Path, file: &Path) -> std::io::Result<()> {
    match fs::hard_link(beside, file) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => fs::rename(beside, file),
        outcome => fs::remove_file(beside).and(outcome),
    }
}

fn refuse_readers(file: &Path) -> Result<(), StoreError> {
    refuse_other_readers(file).map_err(|reason| failed(file, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    #[test]
    fn a_key_is_created_once_and_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("new/registrar.key");
        let sealed = load_or_make(&file, false)
            .unwrap()
            .first
            .seal(&Secret::new("s".to_owned()), "a")
            .unwrap();
        assert_eq!(
            load_or_make(&file, true)
                .unwrap()
                .first
                .open(&sealed, "a")
                .unwrap()
                .expose(),
            "s"
        );
    }

    #[test]
    fn a_missing_or_broken_key_is_not_replaced() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("registrar.key");
        assert!(
            load_or_make(&file, true)
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
        assert!(!file.exists());
        load_or_make(&file, false).unwrap();
        fs::write(&file, "c2hvcnQ=").unwrap();
        assert!(
            load_or_make(&file, false)
                .unwrap_err()
                .to_string()
                .contains("32 bytes")
        );
    }

    #[test]
    fn a_new_key_precedes_the_previous_one_until_the_rotation_ends() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("registrar.key");
        assert!(begin_rotation(&file).is_err(), "there is no key");
        let old = load_or_make(&file, false).unwrap().first;
        let (new, previous) = begin_rotation(&file).unwrap();
        assert_eq!(previous, old.id());
        let found = load_or_make(&file, true).unwrap();
        assert_eq!(
            (found.first.id(), &found.others),
            (new.clone(), &vec![old.clone()])
        );
        let again = begin_rotation(&file).unwrap_err().to_string();
        assert!(again.contains("registrar key finish"), "{again}");
        let in_use = |current: &str, unopened| KeysInUse {
            current: current.to_owned(),
            previous: Vec::new(),
            unopened,
        };
        let refused = |current: &str, unopened| {
            let refused = end_rotation(&file, &in_use(current, unopened));
            refused.unwrap_err().to_string()
        };
        let early = refused(&old.id(), 0);
        assert!(early.contains("retry in a few seconds"), "{early}");
        let wrong = refused("another", 0);
        assert!(wrong.contains("give this machine the key file"), "{wrong}");
        let needed = refused(&new, 2);
        assert!(
            needed.contains(&old.id()) && needed.contains("2 records open"),
            "{needed}"
        );
        assert_eq!(end_rotation(&file, &in_use(&new, 0)).unwrap(), 1);
        assert_eq!(end_rotation(&file, &in_use(&new, 2)).unwrap(), 0);
        let left = load_or_make(&file, true).unwrap();
        assert!(left.first.id() == new && left.others.is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_file_with_a_bad_line_is_rejected_as_a_whole() {
        let key = |byte| {
            SealingKey::from_bytes([byte; 32])
                .to_text()
                .expose()
                .to_owned()
        };
        let five: Vec<String> = (0..5).map(key).collect();
        for text in [
            String::new(),
            format!("{}\n{}\n", key(1), key(1)),
            format!("{}\nc2hvcnQ=\n", key(1)),
            five.join("\n"),
        ] {
            assert!(KeyFile::from_text(&text).is_none(), "{text}");
        }
        let two = KeyFile::from_text(&format!("{}\r\n\n{}", key(1), key(2))).unwrap();
        assert_eq!(two.keys().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_rejected() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("registrar.key");
        load_or_make(&file, false).unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            load_or_make(&file, false)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
    }
}
