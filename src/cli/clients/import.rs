//! `registrar clients import`: sends an export while reading it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use serde_json::Value;

use super::super::Failure;
use super::super::output::{self, OutputFormat};
use super::super::progress::Progress;
use super::super::remote::{Call, Remote};
use super::Existing;
use super::export::ExportLines;

/// The number of bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// The source of an import: a file or standard input.
pub(super) struct ImportSource(Box<dyn Read + Send>);

impl ImportSource {
    /// Opens `file`, or standard input if it is missing or `-`. A regular file is checked first, so that
    /// nothing from a truncated export is stored.
    pub(super) fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            return Ok(Self(Box::new(io::stdin())));
        };
        let name = path.display();
        let failed = |error: io::Error| format!("{name} cannot be read: {error}");
        let mut file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Ok(Self(Box::new(file)));
        }
        let mut lines = ExportLines::default();
        while let Some(chunk) = read(&mut file) {
            lines.add(&chunk.map_err(failed)?);
        }
        let end = lines.end();
        end.map_err(|reason| format!("{name} {reason}; nothing was imported"))?;
        file.rewind().map_err(failed)?;
        Ok(Self(Box::new(file)))
    }

    /// Returns the chunks of the source, and shows the progress while they are read.
    fn chunks(mut self) -> impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'static {
        let mut progress = Progress::new("lines sent");
        let mut lines = ExportLines::default();
        std::iter::from_fn(move || {
            let chunk = read(&mut self.0)?;
            if let Ok(bytes) = &chunk {
                progress.add(lines.add(bytes));
            }
            Some(chunk)
        })
    }
}

/// Reads the next chunk, or returns `None` at the end.
fn read(source: &mut impl Read) -> Option<io::Result<Vec<u8>>> {
    let mut chunk = vec![0; CHUNK];
    match source.read(&mut chunk) {
        Ok(0) => None,
        Ok(length) => {
            chunk.truncate(length);
            Some(Ok(chunk))
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => read(source),
        Err(error) => Some(Err(error)),
    }
}

pub(super) async fn run(
    remote: &Remote,
    source: ImportSource,
    existing: Existing,
    format: OutputFormat,
) -> Result<(), Failure> {
    let existing = match existing {
        Existing::Refuse => "refuse",
        Existing::Skip => "skip",
        Existing::Replace => "replace",
    };
    let query = [("existing", existing.to_owned())];
    let body = Some(("application/x-ndjson", Vec::new()));
    let call = Call {
        method: "POST",
        path: "/admin/v1/clients/import",
        query: &query,
        body,
    };
    let answer = remote.upload(call, source.chunks()).await?;
    match format {
        OutputFormat::Json => output::json(&answer),
        OutputFormat::Table => output::line(&summary(&answer)),
    }
}

fn summary(answer: &Value) -> String {
    let counts = ["imported", "replaced", "skipped"];
    let counts = counts.map(|name| format!("{} {name}", output::cell(answer.get(name))));
    let odd = match answer.get("warnings") {
        Some(odd) => format!("; {odd} violate rules of this server, see its log"),
        None => String::new(),
    };
    format!("{}{odd}", counts.join(", "))
}
