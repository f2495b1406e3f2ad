//! Sorts a list that may be larger than memory: sorted runs in temporary files, merged while they are read.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::sync::atomic::{self, AtomicU64};
use std::{env, process, vec};

use super::list::ListedClient;
use crate::cli::CommandFailure;
use crate::cli::lines;

/// The size of a run, in bytes. A list that is smaller is sorted in memory.
const RUN_BYTES: usize = 32 * 1024 * 1024;
/// Maximum number of runs, each of which has an open file.
const MOST_RUNS: usize = 256;

/// Collects clients.
pub(super) struct Sorter {
    held: Vec<(String, Vec<u8>)>,
    held_bytes: usize,
    run_bytes: usize,
    runs: Vec<File>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            held_bytes: 0,
            run_bytes: RUN_BYTES,
            runs: Vec::new(),
        }
    }
}

impl Sorter {
    /// Adds the client `id`, which was parsed from `line`.
    ///
    /// # Errors
    /// When a temporary file cannot be written, or the list is too large.
    pub(super) fn add(&mut self, id: String, line: Vec<u8>) -> Result<(), String> {
        self.held_bytes += id.len() + line.len();
        self.held.push((id, line));
        if self.held_bytes < self.run_bytes {
            return Ok(());
        }
        if self.runs.len() >= MOST_RUNS {
            let most = MOST_RUNS.saturating_mul(self.run_bytes);
            return Err(format!("the list is larger than {most} bytes"));
        }
        let spilled = self.spill();
        spilled.map_err(|error| {
            let folder = env::temp_dir();
            format!(
                "a temporary file cannot be written in {}: {error}",
                folder.display()
            )
        })
    }

    /// Writes the clients that are held to a run.
    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut out = BufWriter::new(temporary()?);
        for (_, line) in self.held.drain(..) {
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        }
        let mut file = out.into_inner()?;
        file.rewind()?;
        self.runs.push(file);
        self.held_bytes = 0;
        Ok(())
    }

    /// Returns the clients in the order of their identifiers.
    pub(super) fn sorted(mut self) -> Sorted {
        self.held.sort_unstable();
        let held: Vec<Vec<u8>> = self.held.into_iter().map(|(_, line)| line).collect();
        let mut runs: Vec<Run> = Vec::new();
        for file in self.runs {
            runs.push(Run::File(BufReader::new(file)));
        }
        runs.push(Run::Memory(held.into_iter()));
        Sorted {
            unread: (0..runs.len()).collect(),
            runs,
            heads: BinaryHeap::new(),
            last: None,
        }
    }
}

/// Returns a new file that only this process can reach, and that is deleted with it.
fn temporary() -> io::Result<File> {
    // Several lists may be sorted at the same time.
    static FILES: AtomicU64 = AtomicU64::new(0);
    let number = FILES.fetch_add(1, atomic::Ordering::Relaxed);
    let name = format!("registrar-compare-{}-{number}", process::id());
    let path = env::temp_dir().join(name);
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A file that another process with this number has left.
    drop(fs::remove_file(&path));
    let file = options.open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Sorted lines.
enum Run {
    File(BufReader<File>),
    Memory(vec::IntoIter<Vec<u8>>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::File(source) => lines::next(source),
            Self::Memory(lines) => Ok(lines.next()),
        }
    }
}

/// The first client of a run. The greatest one has the smallest identifier, as [`BinaryHeap`] needs it.
struct Head {
    client: ListedClient,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.client.id.cmp(&self.client.id)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.client.id == other.client.id
    }
}

impl Eq for Head {}

/// The clients in the order of their identifiers.
pub(super) struct Sorted {
    runs: Vec<Run>,
    /// The runs whose first client is not in `heads`.
    unread: Vec<usize>,
    heads: BinaryHeap<Head>,
    /// The identifier of the last client.
    last: Option<String>,
}

impl Iterator for Sorted {
    type Item = Result<ListedClient, CommandFailure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take().map_err(CommandFailure::Failed).transpose()
    }
}

impl Sorted {
    fn take(&mut self) -> Result<Option<ListedClient>, String> {
        for number in std::mem::take(&mut self.unread) {
            let Some(run) = self.runs.get_mut(number) else {
                continue;
            };
            let line = run
                .next()
                .map_err(|error| format!("a temporary file cannot be read: {error}"))?;
            if let Some(line) = line {
                let client = ListedClient::parse(&line)?;
                self.heads.push(Head {
                    client,
                    run: number,
                });
            }
        }
        let Some(head) = self.heads.pop() else {
            return Ok(None);
        };
        self.unread.push(head.run);
        if self.last.as_ref() == Some(&head.client.id) {
            return Err(format!("the list has the client {} twice", head.client.id));
        }
        self.last = Some(head.client.id.clone());
        Ok(Some(head.client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorter(run_bytes: usize, ids: &[String]) -> Result<Sorter, String> {
        let mut sorter = Sorter {
            run_bytes,
            ..Sorter::default()
        };
        for id in ids {
            let line = format!("{{\"client_id\": \"{id}\", \"client_name\": \"{id}\"}}");
            sorter.add(id.clone(), line.into_bytes())?;
        }
        Ok(sorter)
    }

    fn ids(sorted: Sorted) -> Vec<String> {
        let clients = sorted.map(|client| client.expect("a client"));
        let mut ids = Vec::new();
        for client in clients {
            assert_eq!(client.members["client_name"], *client.id);
            ids.push(client.id);
        }
        ids
    }

    #[test]
    fn runs_in_files_are_merged() {
        // Not in order, and no two neighbours in one run.
        let shuffled: Vec<String> = (0..2_000)
            .map(|n| format!("{:04}", n * 7 % 2_000))
            .collect();
        let mut expected = shuffled.clone();
        expected.sort();
        for run_bytes in [1_000, 10_000, RUN_BYTES] {
            let sorter = sorter(run_bytes, &shuffled).expect("sorted");
            assert_eq!(sorter.runs.is_empty(), run_bytes == RUN_BYTES);
            assert!(sorter.held_bytes < run_bytes);
            assert_eq!(ids(sorter.sorted()), expected);
        }
        let none = sorter(1_000, &[]).expect("sorted");
        assert!(ids(none.sorted()).is_empty());
    }

    #[test]
    fn the_number_of_runs_has_a_bound() {
        let many: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        let reason = sorter(1, &many).err().expect("too many");
        assert!(
            reason.contains("the list is larger than 256 bytes"),
            "{reason}"
        );
    }

    #[test]
    fn a_client_in_two_runs_is_reported() {
        let twice = ["a", "b", "a"].map(str::to_owned);
        let mut sorted = sorter(1, &twice).expect("sorted").sorted();
        assert!(sorted.next().is_some_and(|client| client.is_ok()));
        assert!(sorted.next().is_some_and(|client| client.is_err()));
    }
}
