//! `registrar clients import`: sends an export while reading it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use super::super::Failure;
use super::super::output::{self, Format};
use super::super::progress::Progress;
use super::super::remote::{Call, Remote};
use super::Existing;
use super::export::Lines;

/// The number of bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// The source of an import: a file or standard input.
pub(super) struct Source(Box<dyn Read + Send>);

impl Source {
    /// Opens `file`, or standard input if it is missing or `-`. A regular file is checked first, so that
    /// nothing from a truncated export is stored.
    pub(super) fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            return Ok(Self(Box::new(io::stdin())));
        };
        let failed = |error: io::Error| {
            Failure::Failed(format!("{} cannot be read: {error}", path.display()))
        };
        let mut file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Ok(Self(Box::new(file)));
        }
        let mut lines = Lines::default();
        while let Some(chunk) = read(&mut file).transpose().map_err(failed)? {
            lines.add(&chunk);
        }
        let whole = lines.end();
        whole.map_err(|reason| format!("{} {reason}; nothing was imported", path.display()))?;
        file.rewind().map_err(failed)?;
        Ok(Self(Box::new(file)))
    }
}

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
    source: Source,
    existing: Existing,
    format: Format,
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
    let Source(mut source) = source;
    let (mut progress, mut lines) = (Progress::new("lines sent"), Lines::default());
    let chunks = std::iter::from_fn(move || {
        let chunk = read(&mut source)?;
        if let Ok(bytes) = &chunk {
            progress.add(lines.add(bytes));
        }
        Some(chunk)
    });
    let answer = remote.upload(call, chunks).await?;
    if format == Format::Json {
        return output::json(&answer);
    }
    let count = |name: &str| output::cell(answer.get(name));
    let told = ["imported", "replaced", "skipped"].map(|name| format!("{} {name}", count(name)));
    let odd = answer
        .get("warnings")
        .map(|odd| format!("; {odd} violate rules of this server, see its log"));
    output::line(&format!("{}{}", told.join(", "), odd.unwrap_or_default()))
}
