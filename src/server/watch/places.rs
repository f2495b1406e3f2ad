//! What is watched for a path: the folder or file that is there, the folders in which an entry of that name can be
//! replaced, and those of all links that lead there.
//!
//! The system watches what a path led to when the watch began. When a link is swapped or a folder is replaced, the
//! path leads elsewhere, and what it leads to now must be watched instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::{RecursiveMode, Watcher};

use crate::base::folder_of;
use crate::server::watch::{WatchError, failed};

/// The maximum number of links on the way to a path.
const LINKS: usize = 16;

/// The watched places.
pub(super) struct Places {
    watcher: Box<dyn Watcher + Send>,
    paths: Vec<PathBuf>,
    subjects: Subjects,
    /// Whether folders above the paths are watched too.
    has_parents: bool,
    /// The watched folders, each with what was there when the watch began.
    watched: BTreeMap<PathBuf, PathIdentity>,
}

impl Places {
    /// Watches `paths` with `watcher`, whose events are about `subjects`.
    ///
    /// # Errors
    /// When a path cannot be watched.
    pub(super) fn watch(
        watcher: Box<dyn Watcher + Send>,
        paths: &[PathBuf],
        subjects: Subjects,
        has_parents: bool,
    ) -> Result<Self, WatchError> {
        let mut places = Self {
            watcher,
            paths: paths.to_vec(),
            subjects,
            has_parents,
            watched: BTreeMap::new(),
        };
        places.subjects.replace(paths, &[]);
        for path in paths {
            places.add(&place(path), mode(path))?;
        }
        places.follow();
        Ok(places)
    }

    /// Watches what is at the paths now. What cannot be watched is tried again at the next change.
    pub(super) fn follow(&mut self) {
        let mut links = Vec::new();
        for path in &self.paths {
            links_to(path, &mut links);
        }
        self.subjects.replace(&self.paths, &links);
        for path in self.paths.clone() {
            self.try_add(&place(&path), mode(&path));
        }
        if self.has_parents {
            for link in self.paths.clone().iter().chain(&links) {
                self.try_add(folder_of(link), RecursiveMode::NonRecursive);
            }
        }
    }

    fn try_add(&mut self, folder: &Path, mode: RecursiveMode) {
        if let Err(error) = self.add(folder, mode) {
            tracing::debug!(%error, "a folder is not watched");
        }
    }

    fn add(&mut self, folder: &Path, mode: RecursiveMode) -> Result<(), WatchError> {
        let present = PathIdentity::of(folder);
        if self.watched.get(folder) == Some(&present) {
            return Ok(());
        }
        if self.watched.remove(folder).is_some() {
            // The previous folder may no longer exist.
            let _ = self.watcher.unwatch(folder);
        }
        let watched = self.watcher.watch(folder, mode);
        watched.map_err(|error| failed(folder, &error))?;
        self.watched.insert(folder.to_owned(), present);
        Ok(())
    }
}

/// Returns the folder that is watched for `path`: the folder itself, or that of a file. A file may be replaced by a
/// rename, and a watch on the file itself would stay with the old one.
fn place(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.to_owned()
    } else {
        folder_of(path).to_owned()
    }
}

fn mode(path: &Path) -> RecursiveMode {
    if path.is_dir() {
        RecursiveMode::Recursive
    } else {
        RecursiveMode::NonRecursive
    }
}

/// Adds the links that lead to `path` to `links`: its own and those of the folders above it.
fn links_to(path: &Path, links: &mut Vec<PathBuf>) {
    for step in path.ancestors() {
        let Ok(target) = std::fs::read_link(step) else {
            continue;
        };
        if links.len() >= LINKS || links.iter().any(|known| known == step) {
            return;
        }
        links.push(step.to_owned());
        links_to(&folder_of(step).join(target), links);
    }
}

/// What is at a path: another folder of the same name is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PathIdentity {
    path: Option<PathBuf>,
    #[cfg(unix)]
    number: Option<(u64, u64)>,
}

impl PathIdentity {
    fn of(path: &Path) -> Self {
        Self {
            path: path.canonicalize().ok(),
            #[cfg(unix)]
            number: number(path),
        }
    }
}

/// Returns the numbers of the device and of the file.
#[cfg(unix)]
fn number(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// A path whose changes are signalled.
struct WatchedPath {
    path: PathBuf,
    /// The same path without links, which some systems report.
    real: PathBuf,
    is_folder: bool,
}

impl WatchedPath {
    /// Returns whether a change at `path` can affect the watched path. Other files beside a watched path, for example a
    /// log, may change all the time. Kubernetes swaps the link `..data` through which the files are reached.
    fn is_concerned(&self, path: &Path) -> bool {
        let name = path.file_name();
        let is_swap = name.is_some_and(|name| name.to_string_lossy().starts_with(".."));
        let is_named = name == self.path.file_name() || name == self.real.file_name();
        let is_below = path.starts_with(&self.path) || path.starts_with(&self.real);
        is_swap || is_named || (self.is_folder && is_below)
    }
}

/// The paths whose changes are signalled. A clone is another handle on the same paths.
#[derive(Clone, Default)]
pub(super) struct Subjects(Arc<Mutex<Vec<WatchedPath>>>);

impl Subjects {
    /// Returns whether changes at `paths` can affect a subject. A change without paths can.
    pub(super) fn are_concerned(&self, paths: &[PathBuf]) -> bool {
        let subjects = self.lock();
        let concerned = |path: &PathBuf| subjects.iter().any(|subject| subject.is_concerned(path));
        paths.is_empty() || paths.iter().any(concerned)
    }

    fn replace(&self, paths: &[PathBuf], links: &[PathBuf]) {
        let mut subjects = Vec::new();
        for path in paths {
            subjects.push(WatchedPath {
                path: path.clone(),
                real: path.canonicalize().unwrap_or_else(|_| path.clone()),
                is_folder: path.is_dir(),
            });
        }
        for link in links {
            subjects.push(WatchedPath {
                path: link.clone(),
                real: link.clone(),
                is_folder: false,
            });
        }
        *self.lock() = subjects;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<WatchedPath>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
