//! Lets the database open a copy and read all of it, as a server would.
//!
//! sled 0.34 may keep requesting a lost page for ever, and only the end of the process stops it. The database
//! therefore runs in a thread of its own, which is abandoned when it makes no progress.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Content, Tally, Work, integrity, tally};
use super::Inspect;
use super::copy::Copy;
use crate::store::backend::embedded::database::Database;
use crate::store::{StoreError, keys};

/// Pairs that are read at a time.
const CHUNK: usize = 500;
/// How long the database may take for one record.
const STUCK: Duration = Duration::from_secs(10);
/// How long it may take to open a small copy.
const OPENING: Duration = Duration::from_mins(1);
/// Bytes of a large copy that it must read per second.
const PACE: u64 = 4 << 20;
/// How often to check whether the work was ended.
const LOOK: Duration = Duration::from_millis(50);

/// What the database read from a copy.
pub(super) struct TrialResult<E: Inspect> {
    pub(super) database: Database<E>,
    pub(super) tally: Option<Tally>,
    pub(super) content: Content,
    /// What had to be recreated before the copy could be opened.
    pub(super) remade: Vec<String>,
}

/// Reads the copy.
///
/// # Errors
/// [`StoreError::Damaged`], with the reason, when the database cannot read all of it; [`StoreError::Ended`].
pub(super) fn read<E: Inspect>(copy: &Copy, work: &Work) -> Result<TrialResult<E>, StoreError> {
    let seen = Arc::new(AtomicU64::new(0));
    let outcome = start(copy.folder(), &seen)?;
    let mut last = (0, Instant::now());
    loop {
        match outcome.recv_timeout(LOOK) {
            Ok(outcome) => return outcome,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let damage = format!("the thread that ran {} ended without a result", E::NAME);
                return Err(StoreError::Damaged(damage));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let now = seen.load(Ordering::SeqCst);
        work.step(now.saturating_sub(last.0))?;
        if now > last.0 {
            last = (now, Instant::now());
        }
        if last.1.elapsed() > patience(now, copy.bytes()) {
            let damage = format!(
                "{} makes no progress after the first {now} records",
                E::NAME
            );
            return Err(StoreError::Damaged(damage));
        }
    }
}

/// Starts the thread, which counts in `seen` what the database has read.
fn start<E: Inspect>(
    folder: &Path,
    seen: &Arc<AtomicU64>,
) -> Result<mpsc::Receiver<Result<TrialResult<E>, StoreError>>, StoreError> {
    let (folder, seen) = (folder.to_owned(), Arc::clone(seen));
    let (sender, outcome) = mpsc::channel();
    let thread = thread::Builder::new().name("trial".to_owned());
    // The receiver may be gone.
    let started = thread.spawn(move || drop(sender.send(read_all(&folder, &seen))));
    match started {
        Ok(_) => Ok(outcome),
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

/// Returns how long the database may take for the next record, after `seen` records of a copy of `size` bytes.
const fn patience(seen: u64, size: u64) -> Duration {
    if seen == 0 {
        OPENING.saturating_add(Duration::from_secs(size / PACE))
    } else {
        STUCK
    }
}

fn read_all<E: Inspect>(folder: &Path, seen: &AtomicU64) -> Result<TrialResult<E>, StoreError> {
    let mut remade = Vec::new();
    let database = E::open_copy(folder, &mut remade)?;
    // The copy is open: from here on, the time limit applies to each record.
    seen.fetch_add(1, Ordering::SeqCst);
    let tally = integrity::stored(&database)?;
    let mut content = Content::like(tally);
    let mut from = Some(Vec::new());
    while let Some(start) = from {
        let (mut last, mut count) = (None, 0);
        database.visit(start..tally::KEY.to_vec(), CHUNK, |key, value| {
            content = content.with(key, value);
            seen.fetch_add(1, Ordering::SeqCst);
            (last, count) = (Some(keys::behind(key)), count + 1);
        })?;
        from = last.filter(|_| count == CHUNK);
    }
    Ok(TrialResult {
        database,
        tally,
        content,
        remade,
    })
}
