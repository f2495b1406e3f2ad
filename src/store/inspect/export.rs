//! The clients that can be read, in the form of an export.

use std::fs;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::copy::Copy;
use super::{Inspection, key, walk};
use crate::client::TrustLevel;
use crate::store::clients::Stored;
use crate::store::{StoreError, key_file, keys, line, sled_database};

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing can be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is there already.
    #[error("{} is there already; name another file, or move that one away", .0.display())]
    Exists(PathBuf),
    /// The file can not be written.
    #[error("{} can not be written: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Writes every client of the store in `folder` that can be read to `file`, which must not be
/// there yet, in the form of an export. Secrets are in it in clear, so it is its owner's only.
///
/// # Errors
/// As with [`check`](super::check), and when the key of the secrets or the file is not to be had.
pub fn export(folder: &Path, key: Option<&Path>, file: &Path) -> Result<Inspection, ExportError> {
    // Where there is no store, its key is not what is missing.
    drop(sled_database::lock(folder)?);
    let key = key_file::load_or_make(&key::place(folder, key), true)?;
    let copy = Copy::make(folder)?;
    let mut found = Inspection::default();
    let database = copy.open(&mut found)?;
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => ExportError::Exists(file.to_owned()),
        _ => ExportError::File { file: file.to_owned(), source },
    };
    let mut lines = BufWriter::new(create(file).map_err(failed)?);
    let mut written = Ok(());
    walk::all(&database, |event| match event {
        walk::Event::Pair(pair, value) if pair.starts_with(keys::CLIENTS) && written.is_ok() => {
            found.records += 1;
            match Stored::read((pair.to_vec(), value.to_vec())) {
                // The administrator belongs to its server, where it is made anew.
                Ok(stored) if stored.client().provenance.trust_level == TrustLevel::Operator => {}
                Ok(stored) => match line::of(stored.client(), &key) {
                    Ok(members) => {
                        written = serde_json::to_writer(&mut lines, &members)
                            .map_err(std::io::Error::from)
                            .and_then(|()| lines.write_all(b"\n"));
                        found.clients += 1;
                    }
                    Err(error) => found.fault(format!("the client {}: {error}", stored.client().id)),
                },
                Err(error) => found.fault(error.to_string()),
            }
        }
        walk::Event::Pair(..) => {}
        walk::Event::Gap(gap) => found.fault(gap.to_string()),
    });
    let last = format!("{}\n", serde_json::json!({ line::CLIENTS: found.clients }));
    written.and_then(|()| lines.write_all(last.as_bytes())).map_err(failed)?;
    let file = lines.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(found)
}

fn create(file: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
