//! Reads files that the configuration names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Maximum size of a file, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads `file`, which must be a regular file. Otherwise a change of the configuration could name a device
/// with endless content.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("'{}' cannot be read: {error}", file.display());
    if !std::fs::metadata(file).map_err(failed)?.is_file() {
        return Err(format!(
            "'{}' is not a regular file; name a PEM file",
            file.display()
        ));
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}
