//! Reads the file of a log, even from a disk that cannot read all of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::segment::SEGMENT;
use crate::store::StoreError;

/// The unit in which a disk can or cannot be read, in bytes.
const SECTOR: usize = 4_096;

/// Returns the bytes of the segment that begins at `at`. Bytes that the disk cannot read are 0.
pub(super) fn segment(file: &File, at: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(SEGMENT);
    let mut disk = file;
    let whole = disk
        .seek(SeekFrom::Start(at))
        .and_then(|_| disk.take(SEGMENT as u64).read_to_end(&mut bytes));
    if whole.is_ok() {
        return Ok(bytes);
    }
    let length = file
        .metadata()
        .map_err(|error| unavailable(&error))?
        .len()
        .saturating_sub(at);
    bytes = vec![0; usize::try_from(length).unwrap_or(SEGMENT).min(SEGMENT)];
    for (index, sector) in bytes.chunks_mut(SECTOR).enumerate() {
        let place = SeekFrom::Start(at + (index * SECTOR) as u64);
        if disk
            .seek(place)
            .and_then(|_| disk.read_exact(sector))
            .is_err()
        {
            sector.fill(0);
        }
    }
    Ok(bytes)
}

pub(super) fn unavailable(error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("the log cannot be read: {error}"))
}
