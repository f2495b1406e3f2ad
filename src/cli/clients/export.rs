//! `registrar clients export`: writes JSON lines as they arrive. The last line counts the others, so that a
//! truncated export is detected.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::Failure;
use super::super::output::counted;
use super::super::progress::Progress;
use super::super::remote::{Call, Remote};

/// Refuses to overwrite an existing file: it may be a previous export, perhaps the only one.
pub(super) fn refuse_existing(output: Option<&Path>) -> Result<(), Failure> {
    match output.filter(|file| file.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(file) => Err(Failure::Failed(format!(
            "{} already exists; name another file, or move the existing file away",
            file.display()
        ))),
    }
}

pub(super) async fn run(remote: &Remote, output: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = output else {
        return match copy(remote, &mut io::stdout().lock()).await {
            Err(Failure::ReaderGone) => Err(Failure::Failed(
                "standard output was closed before the export was complete".to_owned(),
            )),
            done => done.map(said),
        };
    };
    let beside = Beside::new(file)?;
    let clients = copy(remote, &mut &beside.open).await?;
    refuse_existing(Some(file))?;
    beside.keep(file)?;
    said(clients);
    Ok(())
}

fn said(clients: u64) {
    note!("registrar: {} exported", counted(clients, "client"));
}

/// Copies the export and returns the number of clients in it.
async fn copy(remote: &Remote, out: &mut impl Write) -> Result<u64, Failure> {
    let mut arriving = remote
        .open(Call {
            path: "/admin/v1/clients/export",
            ..Call::default()
        })
        .await?;
    let (mut lines, mut progress) = (Lines::default(), Progress::new("clients exported"));
    loop {
        let chunk = arriving
            .next()
            .await
            .map_err(|error| format!("the export was truncated: {error}"))?;
        let Some(chunk) = chunk else { break };
        out.write_all(&chunk)?;
        progress.add(lines.add(&chunk));
    }
    drop(progress);
    out.flush()?;
    lines
        .end()
        .map_err(|reason| Failure::Failed(format!("the export {reason}")))
}

/// Counts the lines of an export and keeps the last one.
#[derive(Default)]
pub(super) struct Lines {
    whole: u64,
    last: Vec<u8>,
    current: Vec<u8>,
}

impl Lines {
    /// Adds `chunk` and returns the number of lines that end in it.
    pub(super) fn add(&mut self, chunk: &[u8]) -> u64 {
        let mut ended: u64 = 0;
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.current.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.last = std::mem::take(&mut self.current);
                ended += 1;
            }
        }
        self.whole += ended;
        ended
    }

    /// Returns the number of clients if the last line states the same number; otherwise the reason why the
    /// export is invalid.
    pub(super) fn end(mut self) -> Result<u64, String> {
        if !self.current.iter().all(u8::is_ascii_whitespace) {
            self.last = std::mem::take(&mut self.current);
            self.whole += 1;
        }
        let last: Option<serde_json::Value> = serde_json::from_slice(&self.last).ok();
        let said = last
            .as_ref()
            .and_then(|line| line.get("clients"))
            .and_then(serde_json::Value::as_u64);
        let clients = self.whole.saturating_sub(1);
        match said {
            None => {
                Err("is truncated: its last line does not state the number of clients".to_owned())
            }
            Some(said) if said == clients => Ok(clients),
            Some(said) => {
                let found = counted(clients, "client");
                Err(format!("contains {found}, but its last line states {said}"))
            }
        }
    }
}

/// A temporary file beside its target, renamed to the target when it is complete.
struct Beside {
    open: File,
    path: PathBuf,
}

impl Beside {
    fn new(file: &Path) -> Result<Self, Failure> {
        let mut name = file.as_os_str().to_owned();
        name.push(".new");
        let path = PathBuf::from(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // An interrupted export may have left this file, and its mode cannot be relied on.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unwritable(&path, &error));
            }
            _ => {}
        }
        let open = options
            .open(&path)
            .map_err(|error| unwritable(&path, &error))?;
        Ok(Self { open, path })
    }

    fn keep(self, file: &Path) -> Result<(), Failure> {
        let kept = self
            .open
            .sync_all()
            .and_then(|()| fs::rename(&self.path, file));
        kept.map_err(|error| unwritable(file, &error))
    }
}

impl Drop for Beside {
    /// Removes an incomplete export. A complete one has been renamed and no longer has this path.
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(chunks: &[&str]) -> Result<u64, String> {
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.add(chunk.as_bytes());
        }
        lines.end()
    }

    #[test]
    fn a_truncated_export_is_detected() {
        assert_eq!(end(&["{}\n{", "}\n{\"clie", "nts\": 2}\n"]), Ok(2));
        assert_eq!(end(&["{\"clients\": 0}"]), Ok(0));
        for cut in [
            &["{}\n{}\n"][..],
            &["{}\n{\"clients\""],
            &[""],
            &["{}\n{\"client_id\": 1}\n"],
        ] {
            assert!(end(cut).unwrap_err().contains("truncated"), "{cut:?}");
        }
        assert!(
            end(&["{}\n{\"clients\": 2}\n"])
                .unwrap_err()
                .contains("contains 1 client,")
        );
    }
}
