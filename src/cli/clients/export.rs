//! `registrar clients export`: lines of JSON as they come. The last line counts the others, so an
//! export that was cut off is recognised.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::Failure;
use super::super::output::counted;
use super::super::progress::Progress;
use super::super::remote::{Call, Remote};

/// Refuses a file that is there: an export before, perhaps the only one.
pub(super) fn refuse_existing(output: Option<&Path>) -> Result<(), Failure> {
    match output.filter(|file| file.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(file) => Err(Failure::Failed(format!(
            "{} is there already; name another file, or move that one away",
            file.display()
        ))),
    }
}

pub(super) async fn run(remote: &Remote, output: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = output else {
        return match copy(remote, &mut io::stdout().lock()).await {
            Err(Failure::ReaderGone) => Err(Failure::Failed("nobody read the export to its end".to_owned())),
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

/// Copies the export; how many clients are in it.
async fn copy(remote: &Remote, out: &mut impl Write) -> Result<u64, Failure> {
    let mut arriving = remote.open(Call { path: "/admin/v1/clients/export", ..Call::default() }).await?;
    let (mut lines, mut progress) = (Lines::default(), Progress::new("clients exported"));
    loop {
        let chunk = arriving.next().await.map_err(|error| format!("the export was cut off: {error}"))?;
        let Some(chunk) = chunk else { break };
        out.write_all(&chunk)?;
        progress.add(lines.add(&chunk));
    }
    drop(progress);
    out.flush()?;
    lines.end().map_err(|reason| Failure::Failed(format!("the export {reason}")))
}

/// The lines of an export, of which only the last is kept.
#[derive(Default)]
pub(super) struct Lines {
    whole: u64,
    last: Vec<u8>,
    current: Vec<u8>,
}

impl Lines {
    /// How many lines end in `chunk`.
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

    /// How many clients there are, when the last line says so too.
    pub(super) fn end(mut self) -> Result<u64, String> {
        if !self.current.iter().all(u8::is_ascii_whitespace) {
            self.last = std::mem::take(&mut self.current);
            self.whole += 1;
        }
        let last: Option<serde_json::Value> = serde_json::from_slice(&self.last).ok();
        let said = last.as_ref().and_then(|line| line.get("clients")).and_then(serde_json::Value::as_u64);
        let clients = self.whole.saturating_sub(1);
        match said {
            None => Err("is cut off: its last line does not say how many clients there are".to_owned()),
            Some(said) if said == clients => Ok(clients),
            Some(said) => {
                let found = counted(clients, "client");
                Err(format!("has {found}, and says itself that there are {said}"))
            }
        }
    }
}

/// A file that takes its place when it is whole.
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
        // What an export that was cut off left: its mode is not to be relied on.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(&path, &error)),
            _ => {}
        }
        let open = options.open(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self { open, path })
    }

    fn keep(self, file: &Path) -> Result<(), Failure> {
        let kept = self.open.sync_all().and_then(|()| fs::rename(&self.path, file));
        kept.map_err(|error| unwritable(file, &error))
    }
}

impl Drop for Beside {
    /// A part of an export is of no use; one that took its place is not there any more.
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} can not be written: {error}", path.display()))
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
    fn an_export_that_is_cut_off_is_recognised() {
        assert_eq!(end(&["{}\n{", "}\n{\"clie", "nts\": 2}\n"]), Ok(2));
        assert_eq!(end(&["{\"clients\": 0}"]), Ok(0));
        for cut in [&["{}\n{}\n"][..], &["{}\n{\"clients\""], &[""], &["{}\n{\"client_id\": 1}\n"]] {
            assert!(end(cut).unwrap_err().contains("cut off"), "{cut:?}");
        }
        assert!(end(&["{}\n{\"clients\": 2}\n"]).unwrap_err().contains("has 1 client,"));
    }
}
