//! `registrar check` accepts every configuration that the repository ships.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

use std::path::{Path, PathBuf};

use crate::process::command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn configurations() -> Vec<PathBuf> {
    let folders = ["config", "examples/config"].map(|folder| root().join(folder));
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "toml"))
        .collect()
}

#[test]
fn each_configuration_passes_the_check_with_its_scripts() {
    let files = configurations();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let output = command(&["check", "--config", file.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", file.display());
        // The configurations in `config` do not name an authorization server yet.
        let is_due = |line: &&str| {
            !(file.starts_with(root().join("config"))
                && line.contains("discovery.authorization_endpoint: is not set"))
        };
        assert_eq!(
            said.lines().filter(is_due).collect::<Vec<_>>(),
            [""; 0],
            "{}",
            file.display()
        );
    }
}
