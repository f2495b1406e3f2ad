//! Files that appear under their name only when they are complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::CommandFailure;

/// Refuses to overwrite an existing file: it may be a previous export or backup, perhaps the only one.
pub(super) fn refuse_existing(output: Option<&Path>) -> Result<(), CommandFailure> {
    match output {
        Some(file) if file.symlink_metadata().is_ok() => Err(CommandFailure::Failed(format!(
            "{} already exists; name another file, or move the existing file away",
            file.display()
        ))),
        _ => Ok(()),
    }
}

/// A temporary file beside its target, renamed to the target when it is complete.
pub(super) struct Beside {
    /// The open file.
    pub(super) open: File,
    /// Its path until it is complete.
    pub(super) path: PathBuf,
}

impl Beside {
    /// Creates the file for the target `file`, readable by its owner only.
    pub(super) fn new(file: &Path) -> Result<Self, CommandFailure> {
        let mut name = file.as_os_str().to_owned();
        name.push(".new");
        let path = PathBuf::from(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // An interrupted command may have left this file, and its mode cannot be relied on.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unwritable(&path, &error));
            }
            _ => {}
        }
        match options.open(&path) {
            Ok(open) => Ok(Self { open, path }),
            Err(error) => Err(unwritable(&path, &error)),
        }
    }

    /// Renames the complete file to its target.
    pub(super) fn keep(self, file: &Path) -> Result<(), CommandFailure> {
        let synced = self.open.sync_all();
        let kept = synced.and_then(|()| fs::rename(&self.path, file));
        kept.map_err(|error| unwritable(file, &error))
    }
}

impl Drop for Beside {
    /// Removes an incomplete file. A complete one has been renamed and no longer has this path.
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

fn unwritable(path: &Path, error: &io::Error) -> CommandFailure {
    CommandFailure::Failed(format!("{} cannot be written: {error}", path.display()))
}
