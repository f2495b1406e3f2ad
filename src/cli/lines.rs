//! Lines of a file, or of standard input, within a limit.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use crate::cli::CommandFailure;

/// Maximum length of a line, in bytes.
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// Opens `file`, or standard input if it is missing or `-`. Returns it with its name for messages.
pub(super) fn open(file: Option<&Path>) -> Result<(Box<dyn BufRead>, String), CommandFailure> {
    match file {
        Some(path) if path != Path::new("-") => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| {
                CommandFailure::Failed(format!("{name} cannot be read: {error}"))
            })?;
            Ok((Box::new(BufReader::new(file)), name))
        }
        _ => Ok((Box::new(io::stdin().lock()), "standard input".to_owned())),
    }
}

/// Returns the next line without its end; none at the end of the input.
///
/// # Errors
/// When the input cannot be read, or the line is longer than [`MOST_BYTES`].
pub(super) fn next(source: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(MOST_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    source.by_ref().take(most).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MOST_BYTES {
        let reason = format!("a line is longer than {MOST_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(Some(line))
}
