//! Paths of files.

use std::path::Path;

/// Returns the folder that `file` is in: the working directory if it is only a name, whose parent is an empty path.
pub(crate) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_in_the_working_directory() {
        for (file, folder) in [
            ("my.key", "."),
            ("a/my.key", "a"),
            ("/my.key", "/"),
            ("/", "/"),
        ] {
            assert_eq!(folder_of(Path::new(file)), Path::new(folder), "{file}");
        }
    }
}
