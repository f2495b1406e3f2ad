//! `registrar script definitions`

use std::fs;
use std::path::Path;

use crate::script::docs;

pub(super) fn run(output: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(output).map_err(|error| failed(output, error))?;
    let mut written = Vec::new();
    for (name, text) in docs::definitions() {
        let path = output.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
        written.push(path.display().to_string());
    }
    say!("{}", written.join("\n"));
    Ok(())
}
