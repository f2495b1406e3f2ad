//! Files with secrets are for their owner only.

use std::path::Path;

/// Rejects a file that other users than its owner can read.
///
/// # Errors
/// Why the file is rejected, and what to do.
#[cfg(unix)]
pub(crate) fn refuse_other_readers(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let found = std::fs::metadata(file).map_err(|error| error.to_string())?;
    let mode = found.permissions().mode();
    let others = 0o077;
    if mode & others == 0 {
        return Ok(());
    }
    let mode = mode & 0o777;
    Err(format!(
        "other users can read it (mode {mode:o}); restrict it to its owner: chmod 600"
    ))
}

/// Other systems have no mode of a file.
///
/// # Errors
/// None.
#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature on every system"
)]
pub(crate) fn refuse_other_readers(_file: &Path) -> Result<(), String> {
    Ok(())
}
