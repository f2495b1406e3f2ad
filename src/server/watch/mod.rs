//! Signals when files changed, without interpreting their contents.
//!
//! The type of an event is never trusted: editors write a new file and rename it, Kubernetes swaps a
//! symbolic link, and systems report one save in many ways. The receiver of a signal reads everything
//! again.

mod places;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, PollWatcher, RecommendedWatcher, Watcher as _};
use tokio::sync::mpsc;

use places::{Places, Subjects};

/// How long a change waits at most for the files to settle.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often files are compared where the system cannot report changes.
const POLL: Duration = Duration::from_secs(2);

/// A file that cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be watched: {reason}", path = .path.display())]
pub(crate) struct WatchError {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// Why.
    pub(crate) reason: String,
}

/// Watches for as long as it is kept.
pub(crate) struct Guard {
    places: Arc<Mutex<Places>>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

/// Watches `paths`: a folder with everything below it, and each path itself, which may be replaced or lead through
/// links that are swapped. The receiver gets one signal after each change, once nothing has changed for `quiet`, and
/// after two seconds of continuous changes at the latest.
///
/// # Errors
/// When a path cannot be watched by any method.
pub(crate) fn watch(
    paths: &[PathBuf],
    quiet: Duration,
) -> Result<(Guard, mpsc::Receiver<()>), WatchError> {
    let (teller, changes) = mpsc::channel(1);
    let places = match native(paths, teller.clone()) {
        Ok(places) => places,
        Err(error) => {
            tracing::warn!(%error, "cannot watch files; comparing them every {} s", POLL.as_secs());
            polling(paths, teller)?
        }
    };
    let guard = Guard {
        places: Arc::new(Mutex::new(places)),
    };
    let looks = settle(changes, quiet, Arc::downgrade(&guard.places));
    Ok((guard, looks))
}

fn native(paths: &[PathBuf], changed: mpsc::Sender<()>) -> Result<Places, WatchError> {
    let subjects = Subjects::default();
    let known = subjects.clone();
    let tell = move |event| report(&event, &known, &changed);
    let watcher = RecommendedWatcher::new(tell, notify::Config::default());
    let watcher = watcher.map_err(|error| failed(Path::new("."), &error))?;
    Places::watch(Box::new(watcher), paths, subjects, true)
}

fn polling(paths: &[PathBuf], changed: mpsc::Sender<()>) -> Result<Places, WatchError> {
    let settings = notify::Config::default()
        .with_poll_interval(POLL)
        .with_compare_contents(true);
    let subjects = Subjects::default();
    let known = subjects.clone();
    let watcher = PollWatcher::new(move |event| report(&event, &known, &changed), settings);
    let watcher = watcher.map_err(|error| failed(Path::new("."), &error))?;
    // It follows links by itself.
    Places::watch(Box::new(watcher), paths, subjects, false)
}

fn failed(path: &Path, error: &notify::Error) -> WatchError {
    WatchError {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Returns whether an event was caused by reading a file.
const fn is_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

/// Signals every event of `subjects`, except those caused by reading a file.
fn report(event: &notify::Result<Event>, subjects: &Subjects, changed: &mpsc::Sender<()>) {
    if let Ok(event) = event
        && (is_reading(event.kind) || !subjects.are_concerned(&event.paths))
    {
        return;
    }
    // A signal that is already waiting covers this change too.
    let _ = changed.try_send(());
}

/// Passes a signal on when no other follows it within `quiet`. Before that, it watches what is at the paths now.
fn settle(
    mut changes: mpsc::Receiver<()>,
    quiet: Duration,
    places: Weak<Mutex<Places>>,
) -> mpsc::Receiver<()> {
    let (settled, looks) = mpsc::channel(1);
    let task = async move {
        while changes.recv().await.is_some() {
            let unrest = async {
                while let Ok(Some(())) = tokio::time::timeout(quiet, changes.recv()).await {}
            };
            // Whether the files have settled or the time is up, signal now.
            let _ = tokio::time::timeout(PATIENCE, unrest).await;
            if settled.is_closed() {
                return;
            }
            if let Some(places) = places.upgrade() {
                let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
                places.follow();
            }
            let _ = settled.try_send(());
        }
    };
    // The task ends when the watcher is dropped, which holds the only sender.
    #[expect(
        clippy::disallowed_methods,
        reason = "the guard owns it and ends it when dropped"
    )]
    drop(tokio::spawn(task));
    looks
}

#[cfg(test)]
mod tests;
