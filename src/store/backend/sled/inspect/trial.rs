//! Lets sled open a copy and read all of it, as a server would.
//!
//! sled 0.34 may keep requesting a lost page for ever, and only the end of the process stops it. sled
//! therefore runs in a thread of its own, which is abandoned when it makes no progress.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::copy;
use crate::store::backend::sled::database::{Database, LOG};
use crate::store::backend::sled::integrity;
use crate::store::backend::sled::tally::{self, Content, Tally};
use crate::store::backend::sled::work::Work;
use crate::store::{StoreError, keys};

/// Pairs that are read at a time.
const CHUNK: usize = 500;
/// How long sled may take for one record.
const STUCK: Duration = Duration::from_secs(10);
/// How long it may take to open a small copy.
const OPENING: Duration = Duration::from_mins(1);
/// Bytes of a large copy that it must read per second.
const PACE: u64 = 4 << 20;
/// How often to check whether the work was ended.
const LOOK: Duration = Duration::from_millis(50);

/// What sled read from a copy.
pub(super) struct Read {
    pub(super) database: Database,
    pub(super) tally: Option<Tally>,
    pub(super) content: Content,
    /// What had to be recreated before the copy could be opened.
    pub(super) remade: Vec<String>,
}

/// Reads the copy in `folder`.
///
/// # Errors
/// [`StoreError::Damaged`], with the reason, when sled cannot read all of it; [`StoreError::Ended`].
pub(super) fn read(folder: &Path, work: &Work) -> Result<Read, StoreError> {
    let size = folder.join(LOG).metadata().map_or(0, |file| file.len());
    let (place, seen) = (folder.to_owned(), Arc::new(AtomicU64::new(0)));
    let (sender, outcome) = mpsc::channel();
    let counter = Arc::clone(&seen);
    thread::Builder::new()
        .name("trial".to_owned())
        // The receiver may be gone.
        .spawn(move || drop(sender.send(read_all(&place, &counter))))
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let mut last = (0, Instant::now());
    loop {
        match outcome.recv_timeout(LOOK) {
            Ok(outcome) => return outcome,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(StoreError::Damaged(
                    "the thread that ran sled ended without a result".to_owned(),
                ));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let now = seen.load(Ordering::SeqCst);
        work.step(now.saturating_sub(last.0))?;
        if now > last.0 {
            last = (now, Instant::now());
        }
        let patience = if now == 0 {
            OPENING + Duration::from_secs(size / PACE)
        } else {
            STUCK
        };
        if last.1.elapsed() > patience {
            return Err(StoreError::Damaged(format!(
                "sled makes no progress after the first {now} records"
            )));
        }
    }
}

fn read_all(folder: &Path, seen: &AtomicU64) -> Result<Read, StoreError> {
    let mut remade = Vec::new();
    let database = copy::open(folder, &mut remade)?;
    let (mut content, mut from) = (Content::default(), Some(Vec::new()));
    // The copy is open: from here on, the time limit applies to each record.
    seen.fetch_add(1, Ordering::SeqCst);
    while let Some(start) = from {
        let (mut last, mut count) = (None, 0);
        database.with(|db| {
            for pair in db.range(start..tally::KEY.to_vec()).take(CHUNK) {
                let (key, value) = pair?;
                content = content.with(&key, &value);
                seen.fetch_add(1, Ordering::SeqCst);
                (last, count) = (Some(keys::behind(&key)), count + 1);
            }
            Ok(())
        })?;
        from = last.filter(|_| count == CHUNK);
    }
    let tally = integrity::stored(&database)?;
    Ok(Read {
        database,
        tally,
        content,
        remade,
    })
}
