//! Files with secrets are for their owner only.

use std::path::Path;

/// Rejects a file that other users than its owner can read. A file of root may be readable for its group: so a service
/// manager or Kubernetes gives a secret to a server that is not root, and PostgreSQL has the same rule.
///
/// # Errors
/// Why the file is rejected, and what to do.
#[cfg(unix)]
pub(crate) fn refuse_other_readers(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let found = std::fs::metadata(file).map_err(|error| error.to_string())?;
    let mode = found.permissions().mode();
    if is_private(found.uid(), mode) {
        return Ok(());
    }
    let mode = mode & 0o777;
    Err(format!(
        "other users can read it (mode {mode:o}); restrict it to its owner: chmod 600"
    ))
}

/// Whether only the owner of a file can use it, and the group may read it if the owner is root.
#[cfg(unix)]
const fn is_private(owner: u32, mode: u32) -> bool {
    let others = if owner == 0 { 0o037 } else { 0o077 };
    mode & others == 0
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

#[cfg(all(test, unix))]
mod tests {
    use super::is_private;

    #[test]
    fn only_a_file_of_root_may_be_readable_for_its_group() {
        for (owner, mode, is_fine) in [
            (1_000, 0o600, true),
            (1_000, 0o400, true),
            (1_000, 0o640, false),
            (1_000, 0o604, false),
            (0, 0o600, true),
            (0, 0o640, true),
            (0, 0o100_440, true),
            (0, 0o660, false),
            (0, 0o644, false),
        ] {
            assert_eq!(is_private(owner, mode), is_fine, "{owner} {mode:o}");
        }
    }
}
