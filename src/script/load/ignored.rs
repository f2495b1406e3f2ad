//! Files that were probably meant to be scripts, but are not read.

use std::fs;
use std::path::Path;

use crate::script::LoadError;

/// The maximum number of files that are reported.
const MOST: usize = 20;

/// Returns the files of `directory` that look like scripts but are none.
pub(super) fn look_alikes(directory: &Path) -> Vec<LoadError> {
    let mut ignored = Vec::new();
    for name in names(directory) {
        let path = directory.join(&name);
        if !path.is_dir() {
            add_misnamed(&name, &mut ignored);
        } else if name == "lib" {
            for name in names(&path) {
                add_misnamed(&format!("lib/{name}"), &mut ignored);
            }
        } else if name != "tests" {
            add_misplaced(&name, &path, &mut ignored);
        }
    }
    ignored.truncate(MOST);
    ignored
}

/// Returns the names of what is in a folder, without hidden files.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort_unstable();
    names
}

fn is_script(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "rhai")
}

/// Adds a file whose name would be that of a script with another ending.
fn add_misnamed(name: &str, ignored: &mut Vec<LoadError>) {
    let lower = name.to_lowercase();
    let stem = lower.strip_suffix(".txt").unwrap_or(&lower);
    if !is_script(name)
        && let Some(stem) = stem.strip_suffix(".rhai")
        && let Some(stem) = name.get(..stem.len())
    {
        let message = format!(
            "this file is ignored, because the name of a script ends with .rhai; rename it to {stem}.rhai"
        );
        ignored.push(LoadError::new(name, message));
    }
}

/// Adds the scripts of a folder from which none are read.
fn add_misplaced(folder: &str, path: &Path, ignored: &mut Vec<LoadError>) {
    for name in names(path).iter().filter(|name| is_script(name)) {
        let message = "this file is ignored: scripts must be directly in the folder of the scripts, and files that \
                       they import below its lib/";
        ignored.push(LoadError::new(&format!("{folder}/{name}"), message));
    }
}
