//! Signals when files changed, without interpreting their contents.
//!
//! The type of an event is never trusted: editors write a new file and rename it, Kubernetes swaps a
//! symbolic link, and systems report one save in many ways. The receiver of a signal reads everything
//! again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

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
    _watcher: Box<dyn Watcher + Send>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

/// Watches `paths`: a folder with everything below it, a file by its parent folder. The receiver gets one
/// signal after each change, once nothing has changed for `quiet`, and after two seconds of continuous
/// changes at the latest.
///
/// # Errors
/// When a path cannot be watched by any method.
pub(crate) fn watch(
    paths: &[PathBuf],
    quiet: Duration,
) -> Result<(Guard, mpsc::Receiver<()>), WatchError> {
    let (teller, changes) = mpsc::channel(1);
    let guard = match native(paths, teller.clone()) {
        Ok(guard) => guard,
        Err(error) => {
            tracing::warn!(%error, "cannot watch files; comparing them every {} s", POLL.as_secs());
            polling(paths, teller)?
        }
    };
    Ok((guard, settle(changes, quiet)))
}

fn native(paths: &[PathBuf], changed: mpsc::Sender<()>) -> Result<Guard, WatchError> {
    let subjects = paths.to_vec();
    let tell = move |event| report(&event, &subjects, &changed);
    let watcher = RecommendedWatcher::new(tell, notify::Config::default());
    add(
        watcher.map_err(|error| failed(Path::new("."), &error))?,
        paths,
    )
}

fn polling(paths: &[PathBuf], changed: mpsc::Sender<()>) -> Result<Guard, WatchError> {
    let settings = notify::Config::default()
        .with_poll_interval(POLL)
        .with_compare_contents(true);
    let subjects = paths.to_vec();
    let watcher = PollWatcher::new(move |event| report(&event, &subjects, &changed), settings);
    add(
        watcher.map_err(|error| failed(Path::new("."), &error))?,
        paths,
    )
}

fn add<W: Watcher + Send + 'static>(
    mut watcher: W,
    paths: &[PathBuf],
) -> Result<Guard, WatchError> {
    for path in paths {
        let (folder, mode) = if path.is_dir() {
            (path.as_path(), RecursiveMode::Recursive)
        } else {
            // A file may be replaced by a rename, and a watch on the file itself would stay with the old
            // one.
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            (
                parent.unwrap_or(Path::new(".")),
                RecursiveMode::NonRecursive,
            )
        };
        watcher
            .watch(folder, mode)
            .map_err(|error| failed(folder, &error))?;
    }
    Ok(Guard {
        _watcher: Box::new(watcher),
    })
}

fn failed(path: &Path, error: &notify::Error) -> WatchError {
    WatchError {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Returns whether a change at `path` can affect `subject`. Other files in the folder of a watched file,
/// for example a log, may change all the time. Kubernetes swaps the link `..data` through which the files
/// are reached.
fn concerns(subject: &Path, path: &Path) -> bool {
    let is_swap = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(".."));
    let is_named = path.file_name() == subject.file_name();
    is_swap || is_named || (subject.is_dir() && path != subject)
}

/// Returns whether `event` can affect one of `subjects`. An event without paths can.
fn is_about(event: &Event, subjects: &[PathBuf]) -> bool {
    let concerned = |path: &PathBuf| subjects.iter().any(|subject| concerns(subject, path));
    event.paths.is_empty() || event.paths.iter().any(concerned)
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
fn report(event: &notify::Result<Event>, subjects: &[PathBuf], changed: &mpsc::Sender<()>) {
    if let Ok(event) = event
        && (is_reading(event.kind) || !is_about(event, subjects))
    {
        return;
    }
    // A signal that is already waiting covers this change too.
    let _ = changed.try_send(());
}

/// Passes a signal on when no other follows it within `quiet`.
fn settle(mut changes: mpsc::Receiver<()>, quiet: Duration) -> mpsc::Receiver<()> {
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
