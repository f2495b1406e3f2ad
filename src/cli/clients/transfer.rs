//! `registrar clients export` and `import`: JSON lines, written as they arrive and sent while they are read. The
//! last line counts the others, so that a truncated export is detected.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use serde_json::Value;

use super::ExistingClients;
use crate::cli::beside::{Beside, refuse_existing};
use crate::cli::{Call, CommandFailure, Format, Progress, Remote, cell, counted, write_line};

pub(super) async fn export(remote: &Remote, output: Option<&Path>) -> Result<(), CommandFailure> {
    let clients = match output {
        Some(file) => export_to(remote, file).await?,
        None => match copy(remote, &mut io::stdout().lock()).await {
            Err(CommandFailure::ReaderGone) => {
                let message = "standard output was closed before the export was complete";
                return Err(CommandFailure::Failed(message.to_owned()));
            }
            done => done?,
        },
    };
    note!("registrar: {} exported", counted(clients, "client"));
    Ok(())
}

async fn export_to(remote: &Remote, file: &Path) -> Result<u64, CommandFailure> {
    let beside = Beside::new(file)?;
    let clients = copy(remote, &mut &beside.open).await?;
    refuse_existing(Some(file))?;
    beside.keep(file)?;
    Ok(clients)
}

/// Copies the export and returns the number of clients in it.
async fn copy(remote: &Remote, out: &mut impl Write) -> Result<u64, CommandFailure> {
    let call = Call {
        path: "/admin/v1/clients/export",
        ..Call::default()
    };
    let mut arriving = remote.open(call).await?;
    let mut lines = Lines::default();
    let mut progress = Progress::new("clients exported");
    loop {
        match arriving.next().await {
            Ok(Some(chunk)) => {
                out.write_all(&chunk)?;
                progress.add(lines.add(&chunk));
            }
            Ok(None) => break,
            Err(error) => {
                let message = format!("the export was truncated: {error}");
                return Err(CommandFailure::Failed(message));
            }
        }
    }
    drop(progress);
    out.flush()?;
    let clients = lines.end();
    clients.map_err(|reason| CommandFailure::Failed(format!("the export {reason}")))
}

/// Counts the lines of an export and keeps the last one.
#[derive(Default)]
struct Lines {
    whole: u64,
    last: Vec<u8>,
    current: Vec<u8>,
}

impl Lines {
    /// Adds `chunk` and returns the number of lines that end in it.
    fn add(&mut self, chunk: &[u8]) -> u64 {
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
    fn end(mut self) -> Result<u64, String> {
        let last = self.finish();
        let Some(stated) = last.get("clients").and_then(Value::as_u64) else {
            return Err(
                "is truncated: its last line does not state the number of clients".to_owned(),
            );
        };
        let clients = self.whole.saturating_sub(1);
        if stated != clients {
            let found = counted(clients, "client");
            return Err(format!(
                "contains {found}, but its last line states {stated}"
            ));
        }
        Ok(clients)
    }

    /// The same for lines to import. Lines about clients of another product, which have no provenance, need no last line
    /// that counts them.
    fn end_of_import(mut self) -> Result<u64, String> {
        let last = self.finish();
        if last.get("client_id").is_some() && last.get("provenance").is_none() {
            return Ok(self.whole);
        }
        self.end()
    }

    /// Ends the last line, and returns what it has.
    fn finish(&mut self) -> Value {
        if !self.current.iter().all(u8::is_ascii_whitespace) {
            self.last = std::mem::take(&mut self.current);
            self.whole += 1;
        }
        serde_json::from_slice(&self.last).unwrap_or_default()
    }
}

/// The number of bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// The source of an import: a file or standard input.
pub(super) struct ImportSource(Box<dyn Read + Send>);

impl ImportSource {
    /// Opens `file`, or standard input if it is missing or `-`. A regular file is checked first, so that
    /// nothing from a truncated export is stored.
    pub(super) fn open(file: Option<&Path>) -> Result<Self, CommandFailure> {
        let path = match file {
            Some(path) if path != Path::new("-") => path,
            _ => return Ok(Self(Box::new(io::stdin()))),
        };
        let failed = |error: io::Error| {
            CommandFailure::Failed(format!("{} cannot be read: {error}", path.display()))
        };
        let mut file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Ok(Self(Box::new(file)));
        }
        let mut lines = Lines::default();
        while let Some(chunk) = read_chunk(&mut file) {
            lines.add(&chunk.map_err(failed)?);
        }
        let whole = lines.end_of_import();
        whole.map_err(|reason| format!("{} {reason}; nothing was imported", path.display()))?;
        file.rewind().map_err(failed)?;
        Ok(Self(Box::new(file)))
    }
}

fn read_chunk(source: &mut impl Read) -> Option<io::Result<Vec<u8>>> {
    let mut chunk = vec![0; CHUNK];
    match source.read(&mut chunk) {
        Ok(0) => None,
        Ok(length) => {
            chunk.truncate(length);
            Some(Ok(chunk))
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => read_chunk(source),
        Err(error) => Some(Err(error)),
    }
}

pub(super) async fn import(
    remote: &Remote,
    source: ImportSource,
    existing: ExistingClients,
    format: Format,
) -> Result<(), CommandFailure> {
    let existing = match existing {
        ExistingClients::Refuse => "refuse",
        ExistingClients::Skip => "skip",
        ExistingClients::Replace => "replace",
    };
    let query = [("existing", existing.to_owned())];
    let call = Call {
        method: "POST",
        path: "/admin/v1/clients/import",
        query: &query,
        body: Some(("application/x-ndjson", Vec::new())),
        ..Call::default()
    };
    let ImportSource(mut source) = source;
    let mut lines = Lines::default();
    let mut progress = Progress::new("lines sent");
    let chunks = std::iter::from_fn(move || {
        let chunk = read_chunk(&mut source)?;
        if let Ok(bytes) = &chunk {
            progress.add(lines.add(bytes));
        }
        Some(chunk)
    });
    let answer = remote.upload(call, chunks).await?;
    match format {
        data @ (Format::Json | Format::Yaml) => data.write(&answer),
        Format::Table => write_line(&imported(&answer)),
    }
}

/// Returns what was imported, for people.
fn imported(answer: &Value) -> String {
    let count = |name: &str| cell(answer.get(name));
    let text = format!(
        "{} imported, {} replaced, {} skipped",
        count("imported"),
        count("replaced"),
        count("skipped")
    );
    if let Some(odd) = answer.get("warnings") {
        return format!("{text}; {odd} violate rules of this server, see its log");
    }
    text
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
        let mut foreign = Lines::default();
        foreign.add(b"{\"client_id\": \"a\"}\n{\"client_id\": \"b\"}");
        assert_eq!(foreign.end_of_import(), Ok(2));
        for cut in [
            "{\"client_id\": \"a\", \"provenance\": {}}\n",
            "{\"client_id\": \"a\"}\n{\"client_id\"",
        ] {
            let mut lines = Lines::default();
            lines.add(cut.as_bytes());
            assert!(
                lines.end_of_import().unwrap_err().contains("truncated"),
                "{cut}"
            );
        }
        assert!(
            end(&["{}\n{\"clients\": 2}\n"])
                .unwrap_err()
                .contains("contains 1 client,")
        );
    }
}
