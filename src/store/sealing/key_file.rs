//! The file with the key that seals secrets. It is created at the first start, readable by its owner only.

use std::fmt::Display;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::base::{SealingKey, random};
use crate::config::refuse_other_readers;
use crate::store::StoreError;

/// Its name in the folder of the store.
pub(in crate::store) const DEFAULT_NAME: &str = "registrar.key";

/// Reads the key in `file`, or creates a new one there.
///
/// A store that is already in use does not get a new key: its secrets would silently be lost.
pub(in crate::store) fn load_or_make(file: &Path, is_used: bool) -> Result<SealingKey, StoreError> {
    match fs::read(file) {
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

/// Reads the content of the key file.
fn parse(file: &Path, text: &[u8]) -> Result<SealingKey, StoreError> {
    let text = String::from_utf8_lossy(text);
    let advice = "it does not contain 32 bytes in base64; restore it from a backup. If the key is lost, delete \
                  the file; the next start reports how to continue without the key";
    SealingKey::from_text(&text).ok_or_else(|| failed(file, advice))
}

/// Writes `key`, which a backup contained or which is kept elsewhere, to `file`. An existing file must have the same
/// key.
pub(in crate::store) fn put_back(file: &Path, key: &SealingKey) -> Result<(), StoreError> {
    match write(file, key.to_text().expose()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let there = load_or_make(file, true)?;
            if there.to_text().matches(key.to_text().expose()) {
                return Ok(());
            }
            let advice = "it exists and contains another key; move it away, or set store.keyFile to another file";
            Err(failed(file, advice))
        }
        Err(error) => Err(failed(file, error)),
    }
}

/// Creates a new key in `file`.
fn make(file: &Path) -> Result<SealingKey, StoreError> {
    let bytes = random::bytes::<32>().map_err(|error| failed(file, error))?;
    let key = SealingKey::from_bytes(bytes);
    match write(file, key.to_text().expose()) {
        Ok(()) => Ok(key),
        // Another server was faster; its key is used.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => load_or_make(file, true),
        Err(error) => Err(failed(file, error)),
    }
}

/// Writes the key to a temporary file and moves it into place, so that a power cut leaves no partial key.
///
/// Fails with [`ErrorKind::AlreadyExists`] when a key exists by then.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = file.with_extension(format!("key.new-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&beside)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    give_name(&beside, file)?;
    // The name of the file must survive a power cut too.
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Moves a file to a name that is free. A plain rename would overwrite the file of another server that
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
            .seal(&Secret::new("s".to_owned()), "a")
            .unwrap();
        assert_eq!(
            load_or_make(&file, true)
                .unwrap()
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
