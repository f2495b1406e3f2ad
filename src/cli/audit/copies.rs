//! Events that somebody keeps elsewhere: lines of the log of the server, as a SIEM has them, or of `registrar audit`.

use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value};

use crate::admin::endpoint::audit::read_shown;
use crate::base::json;
use crate::cli::{CommandFailure, lines};
use crate::store::{LogCheck, Logged, Verification};

/// What the lines had.
pub(super) struct CheckedCopies {
    pub(super) found: Verification,
    /// The position of the first event, which only the event before it could confirm.
    pub(super) unconfirmed: Option<u64>,
    /// The number of lines without an event.
    pub(super) skipped: u64,
}

/// Checks the events in the lines of `file` after the position `after`, and looks for the one with the digest `wanted`.
/// Lines without an event are skipped.
///
/// # Errors
/// When the file cannot be read, or a line has an event that no server has written so.
pub(super) fn check(
    file: &Path,
    after: u64,
    wanted: Option<[u8; 32]>,
) -> Result<CheckedCopies, CommandFailure> {
    let mut copies = Copies::open(file)?;
    let mut check = LogCheck::of_copies(wanted);
    let mut before: Option<Logged> = None;
    let mut unconfirmed = None;
    while let Some(event) = copies.next()? {
        // A line may be delivered twice.
        if event.position < after || before.as_ref() == Some(&event) {
            continue;
        }
        if before.is_none() && event.position > 1 {
            unconfirmed = Some(event.position);
        }
        let fits = check.see_copy(&event);
        if !fits.map_err(|error| copies.failed(&error.to_string()))? {
            break;
        }
        before = Some(event);
    }
    Ok(CheckedCopies {
        found: check.found(),
        unconfirmed,
        skipped: copies.skipped,
    })
}

/// How many braces of a line may be the one with which its JSON begins.
const MOST_STARTS: usize = 4;

/// The lines of a file.
struct Copies {
    source: Box<dyn BufRead>,
    name: String,
    /// The number of the last line that was read.
    number: u64,
    /// How many of the lines have no event.
    skipped: u64,
}

impl Copies {
    fn open(file: &Path) -> Result<Self, CommandFailure> {
        let (source, name) = lines::open(Some(file))?;
        Ok(Self {
            source,
            name,
            number: 0,
            skipped: 0,
        })
    }

    /// Returns the event in the next line that has one; none at the end.
    fn next(&mut self) -> Result<Option<Logged>, CommandFailure> {
        const REASON: &str = "this is not an event as a server of this version writes it; somebody may have changed it";
        loop {
            self.number += 1;
            let line = lines::next(&mut self.source);
            let Some(line) = line.map_err(|error| self.failed(&error.to_string()))? else {
                return Ok(None);
            };
            if let Some(shown) = event_in(&line) {
                let event = read_shown(&shown).ok_or_else(|| self.failed(REASON))?;
                return Ok(Some(event));
            }
            self.skipped += 1;
        }
    }

    fn failed(&self, reason: &str) -> CommandFailure {
        CommandFailure::Failed(format!("{}:{}: {reason}", self.name, self.number))
    }
}

/// Returns the event in a line: the line itself, or its member `event`. The line may begin with something else, such as the
/// time and the host that journalctl and syslog write.
fn event_in(line: &[u8]) -> Option<Map<String, Value>> {
    let starts = line.iter().enumerate().filter(|(_, byte)| **byte == b'{');
    let mut starts = starts.map(|(at, _)| at).take(MOST_STARTS);
    let object = starts.find_map(|at| json::parse_object(line.get(at..)?).ok());
    let mut object = object?;
    if let Some(Value::Object(event)) = object.get_mut("event") {
        return is_event(event).then(|| std::mem::take(event));
    }
    is_event(&object).then_some(object)
}

fn is_event(object: &Map<String, Value>) -> bool {
    ["position", "action"]
        .iter()
        .all(|name| object.contains_key(*name))
}
