//! Exports the clients that can be read.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::super::{Work, database};
use super::{Inspect, Inspection, Met, StoreSource, key_file_of, read_client};
use crate::base::SealingKeys;
use crate::client::TrustLevel;
use crate::store::{
    ClientLine, StoreError, keys, sealing::key_file, transfer::CLIENTS, transfer::append_line,
};

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreExportError {
    /// Nothing can be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file already exists.
    #[error("{} already exists; name another file, or move the existing one", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{} cannot be written: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Writes every client of the store in `folder` that can be read to `file`, in the format of an export. The
/// file must not exist yet. It contains secrets in clear, so only its owner can read it.
///
/// # Errors
/// As for [`check`](super::check), and when the key of the secrets or the file is not available.
pub(in crate::store) fn export<E: Inspect>(
    folder: &Path,
    key: Option<&Path>,
    file: &Path,
    work: &Work,
) -> Result<Inspection, StoreExportError> {
    // Checked first, because a missing key is not the problem where there is no store.
    drop(database::lock::<E>(folder)?);
    let found_keys = key_file::load_or_make(&key_file_of(folder, key), true)?;
    let key = found_keys.sealing_with(&found_keys.first);
    let mut found = Inspection::default();
    let source = StoreSource::<E>::open(folder, work, &mut found)?;
    let failed = |source: io::Error| unwritable(file, source);
    let target = create(file).map_err(failed)?;
    let written = write(&source, &key, target, work, &mut found);
    if written.is_err() {
        // An incomplete export is useless. The error tells why it could not be written.
        drop(fs::remove_file(file));
    }
    written.map_err(|error| match error {
        Unwritten::Store(error) => StoreExportError::Store(error),
        Unwritten::File(error) => failed(error),
    })?;
    Ok(found)
}

fn unwritable(file: &Path, source: io::Error) -> StoreExportError {
    let file = file.to_owned();
    match source.kind() {
        ErrorKind::AlreadyExists => StoreExportError::Exists(file),
        _ => StoreExportError::File { file, source },
    }
}

/// Why an export was not written.
enum Unwritten {
    Store(StoreError),
    File(io::Error),
}

/// Writes the clients, followed by their number.
fn write<E: Inspect>(
    source: &StoreSource<E>,
    key: &SealingKeys,
    file: fs::File,
    work: &Work,
    found: &mut Inspection,
) -> Result<(), Unwritten> {
    let mut lines = BufWriter::new(file);
    let mut written = Ok(());
    let all = source.all(work, |met| match met {
        Met::Pair(pair, value) if pair.starts_with(keys::CLIENTS) && written.is_ok() => {
            found.records += 1;
            match line_of(pair, value, key) {
                Ok(None) => {}
                Ok(Some(line)) => {
                    written = lines.write_all(&line);
                    found.clients += 1;
                }
                Err(fault) => found.fault(fault),
            }
        }
        Met::Pair(..) => {}
        Met::Lost(what) => found.fault(what),
    });
    all.map_err(Unwritten::Store)?;
    let finished = written.and_then(|()| finish(lines, found.clients));
    finished.map_err(Unwritten::File)
}

/// Writes the last line, and everything to the disk.
fn finish(mut lines: BufWriter<fs::File>, clients: u64) -> io::Result<()> {
    let last = serde_json::json!({ CLIENTS: clients });
    lines.write_all(format!("{last}\n").as_bytes())?;
    let file = lines.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// Returns the line of the client that is stored under `key`. Returns `None` for the administrator, who
/// belongs to one server and is created anew on another.
fn line_of(key: &[u8], value: &[u8], sealing: &SealingKeys) -> Result<Option<Vec<u8>>, String> {
    let stored = read_client(key, value).map_err(|error| error.to_string())?;
    let client = stored.client();
    if client.provenance.trust_level == TrustLevel::Operator {
        return Ok(None);
    }
    let line = ClientLine::new(client, sealing)
        .map_err(|error| format!("the client {}: {error}", client.id))?;
    let mut text = Vec::new();
    append_line(&mut text, &line).map_err(|error| error.to_string())?;
    Ok(Some(text))
}

fn create(file: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
