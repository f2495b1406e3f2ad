//! The outer form of a backup: a head, segments of its text, and a digest of everything.

use std::io::{self, BufRead, BufReader, Read};

use openssl::sha::Sha256;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::base::{SealError, SegmentKey, SegmentPlace, sha256};
use crate::store::backup::BackupFault;

/// The version that is written and read.
pub(super) const VERSION: u64 = 1;
/// The bytes of text in a segment, except in the last one.
const SEGMENT: usize = 64 << 10;
/// The maximum length of the head, in bytes.
const MOST_HEAD: u64 = 16 << 10;
/// The bit of the length that marks the last segment.
const LAST: u32 = 1 << 31;
/// Bytes of a digest.
const DIGEST: usize = 32;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BackupHead {
    registrar_backup: u64,
    /// The key of the segments, encrypted to the recipient: a JWE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted_key: Option<String>,
}

/// The key of an encrypted backup.
pub(crate) struct Envelope {
    /// The key itself.
    pub(crate) key: SegmentKey,
    /// The same key, encrypted to the recipient: a JWE in compact serialisation.
    pub(crate) encrypted: String,
}

/// Writes the outer form.
pub(super) struct Sealer {
    key: Option<SegmentKey>,
    /// The digest of the head, to which every segment is bound.
    context: [u8; DIGEST],
    digest: Sha256,
    number: u64,
    text: Vec<u8>,
    ready: Vec<u8>,
}

impl Sealer {
    /// Begins a backup, which is encrypted if there is an `envelope`.
    pub(super) fn new(envelope: Option<Envelope>) -> Result<Self, serde_json::Error> {
        let (key, encrypted_key) = match envelope {
            Some(Envelope { key, encrypted }) => (Some(key), Some(encrypted)),
            None => (None, None),
        };
        let mut head = serde_json::to_vec(&BackupHead {
            registrar_backup: VERSION,
            encrypted_key,
        })?;
        head.push(b'\n');
        let mut sealer = Self {
            key,
            context: sha256(&head),
            digest: Sha256::new(),
            number: 0,
            text: Vec::new(),
            ready: Vec::new(),
        };
        sealer.write(&head);
        Ok(sealer)
    }

    /// Adds `text`.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<(), SealError> {
        self.text.extend_from_slice(text);
        while self.text.len() > SEGMENT {
            let rest = self.text.split_off(SEGMENT);
            let segment = std::mem::replace(&mut self.text, rest);
            self.segment(&segment, false)?;
        }
        Ok(())
    }

    /// Returns the bytes of the file that are complete and were not returned before.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// Returns the last bytes of the file.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, SealError> {
        let text = std::mem::take(&mut self.text);
        self.segment(&text, true)?;
        let digest = self.digest.clone().finish();
        self.ready.extend_from_slice(&digest);
        Ok(self.ready)
    }

    fn segment(&mut self, text: &[u8], is_last: bool) -> Result<(), SealError> {
        let place = SegmentPlace {
            number: self.number,
            is_last,
        };
        self.number += 1;
        let sealed = match &self.key {
            Some(key) => &*key.seal(place, &self.context, text)?,
            None => text,
        };
        // A segment is far shorter.
        let length = u32::try_from(sealed.len()).unwrap_or(LAST - 1);
        let mark = if is_last { LAST } else { 0 };
        self.write(&(length | mark).to_be_bytes());
        self.write(sealed);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.ready.extend_from_slice(bytes);
    }
}

/// A backup whose head was read.
pub(crate) struct OpenedBackup<R> {
    input: BufReader<R>,
    digest: Sha256,
    context: [u8; DIGEST],
    encrypted_key: Option<String>,
}

impl<R: Read> OpenedBackup<R> {
    /// Reads the head of a backup.
    ///
    /// # Errors
    /// When `input` cannot be read or is not a backup of a known version.
    pub(crate) fn new(input: R) -> Result<Self, BackupFault> {
        let (mut input, mut line) = (BufReader::new(input), Vec::new());
        (&mut input)
            .take(MOST_HEAD)
            .read_until(b'\n', &mut line)
            .map_err(BackupFault::from)?;
        let head = read_head(&line)?;
        let mut digest = Sha256::new();
        digest.update(&line);
        Ok(Self {
            input,
            digest,
            context: sha256(&line),
            encrypted_key: head.encrypted_key,
        })
    }

    /// Returns the key of an encrypted backup: a JWE in compact serialisation.
    pub(crate) fn encrypted_key(&self) -> Option<&str> {
        self.encrypted_key.as_deref()
    }

    /// Checks the form and the digest of an encrypted backup without its key. Nothing says then that its text can be
    /// decrypted, or that it was encrypted by this server.
    ///
    /// # Errors
    /// When the backup is damaged or cannot be read.
    pub(crate) fn check_form(self) -> Result<(), BackupFault> {
        let mut segments = self.segments(None);
        while segments.advance()?.is_some() {}
        Ok(())
    }

    /// Returns the segments, to be decrypted with `key`.
    pub(super) const fn segments(self, key: Option<SegmentKey>) -> Segments<R> {
        Segments {
            opened: self,
            key,
            number: 0,
            is_over: false,
        }
    }
}

/// Parses the first line.
fn read_head(line: &[u8]) -> Result<BackupHead, BackupFault> {
    /// The member that every version has.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct AnyHead {
        registrar_backup: u64,
    }
    let Ok(any) = serde_json::from_slice::<AnyHead>(line) else {
        return Err(BackupFault::NotABackup);
    };
    if any.registrar_backup != VERSION {
        return Err(BackupFault::Version(any.registrar_backup));
    }
    match serde_json::from_slice(line) {
        Ok(head) if line.ends_with(b"\n") => Ok(head),
        _ => Err(BackupFault::Altered("its first line")),
    }
}

/// The segments of a backup while they are read.
pub(super) struct Segments<R> {
    opened: OpenedBackup<R>,
    key: Option<SegmentKey>,
    number: u64,
    is_over: bool,
}

impl<R: Read> Segments<R> {
    /// Returns the text of the next segment. Returns `None` after the last one, when the digest is right and nothing
    /// follows.
    pub(super) fn advance(&mut self) -> Result<Option<Vec<u8>>, BackupFault> {
        if self.is_over {
            self.end()?;
            return Ok(None);
        }
        let mut head = [0; 4];
        self.read(&mut head)?;
        let head = u32::from_be_bytes(head);
        self.is_over = head & LAST != 0;
        let more = match self.opened.encrypted_key {
            Some(_) => SegmentKey::MORE_BYTES,
            None => 0,
        };
        let length = usize::try_from(head & !LAST).unwrap_or(usize::MAX);
        let is_full = length == SEGMENT + more;
        if length > SEGMENT + more || !(is_full || self.is_over) {
            return Err(BackupFault::Altered("the length of a segment"));
        }
        let mut sealed = vec![0; length];
        self.read(&mut sealed)?;
        self.opened(sealed).map(Some)
    }

    fn opened(&mut self, sealed: Vec<u8>) -> Result<Vec<u8>, BackupFault> {
        let place = SegmentPlace {
            number: self.number,
            is_last: self.is_over,
        };
        self.number += 1;
        match &self.key {
            Some(key) => key
                .open(place, &self.opened.context, &sealed)
                .map_err(|_| BackupFault::Undecryptable),
            None => Ok(sealed),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), BackupFault> {
        self.opened.input.read_exact(bytes)?;
        self.opened.digest.update(bytes);
        Ok(())
    }

    /// Checks the digest, and that nothing follows.
    fn end(&mut self) -> Result<(), BackupFault> {
        let (due, mut found) = (self.opened.digest.clone().finish(), [0; DIGEST]);
        self.opened.input.read_exact(&mut found)?;
        if !bool::from(due.ct_eq(&found)) {
            return Err(BackupFault::Altered("its digest does not match"));
        }
        match self.opened.input.read_exact(&mut [0]) {
            Ok(()) => Err(BackupFault::Altered("something follows its end")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
