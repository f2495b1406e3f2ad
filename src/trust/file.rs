//! Files that the configuration names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of one file.
const MOST_BYTES: u64 = 1024 * 1024;

/// What is in `file`, which is a plain one: whoever changes the configuration names no device that
/// never ends.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("'{}' cannot be read: {error}", file.display());
    if !std::fs::metadata(file).map_err(failed)?.is_file() {
        return Err(format!("'{}' is not a file; name a PEM file", file.display()));
    }
    let mut bytes = Vec::new();
    File::open(file).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}
