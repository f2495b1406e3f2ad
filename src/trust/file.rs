//! Reads files that the configuration names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Maximum size of a file, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads `file`, which must be a regular file. Otherwise a change of the configuration could name a device
/// with endless content.
///
/// # Errors
/// Returns the reason if the file cannot be read or is too large. Reading only its beginning would silently
/// ignore the certificates at its end.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let failed = |error: std::io::Error| format!("'{name}' cannot be read: {error}");
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("'{name}' is not a regular file; name a PEM file"));
    }
    // The length of the metadata need not be what can be read.
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed)?;
    let bounded = opened.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    if bounded.map_err(failed)? as u64 > MOST_BYTES {
        return Err(format!(
            "'{name}' is larger than {MOST_BYTES} bytes; remove certificates that are not needed"
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_end_or_rejected() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("ca.pem");
        let mut content = vec![b' '; 1024 * 1024];
        std::fs::write(&path, &content).unwrap();
        assert_eq!(read(&path).unwrap(), content);
        content.push(b' ');
        std::fs::write(&path, &content).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.contains("is larger than 1048576 bytes"), "{error}");
        let error = read(folder.path()).unwrap_err();
        assert!(error.contains("is not a regular file"), "{error}");
    }
}
