//! `registrar admin reset` recovers from lost administrator credentials.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::access_token;
use crate::process::{Registrar, command};

fn reset(data: &Path) -> Output {
    let data = data.to_str().expect("a path");
    command(&["admin", "reset", "--data", data])
        .output()
        .expect("the binary runs")
}

fn credentials(registrar: &Registrar) -> Value {
    let file = registrar.folder().join("data/admin-credentials.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("the file is there")).expect("JSON")
}

#[tokio::test]
async fn the_administrator_has_a_new_secret_and_the_first_is_no_longer_valid() {
    let mut registrar = Registrar::start();
    let (first, data) = (credentials(&registrar), registrar.folder().join("data"));
    let refused = reset(&data);
    assert_eq!(
        refused.status.code(),
        Some(1),
        "the store of a running server is left alone"
    );
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another registrar has the folder"));
    assert!(access_token(&registrar, &first).await.is_some());
    assert!(registrar.terminate().success());
    let file = data.join("admin-credentials.json");
    std::fs::remove_file(&file).expect("it can be lost");

    let output = reset(&data);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && message.contains(file.to_str().expect("a path")),
        "{message}"
    );
    let registrar = registrar.start_again();
    let second = credentials(&registrar);
    assert!(access_token(&registrar, &first).await.is_none());
    assert!(access_token(&registrar, &second).await.is_some());
}

#[test]
fn a_missing_store_is_not_created() {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    assert_eq!(reset(&data).status.code(), Some(1));
    assert!(!data.exists());
}

/// Root works on the store of a server that runs as another user.
#[test]
#[cfg(unix)]
fn files_that_root_creates_in_the_store_belong_to_the_owner_of_the_store() {
    use std::os::unix::fs::{MetadataExt, chown};

    const OTHER: u32 = 61_685;
    let mut registrar = Registrar::start();
    assert!(registrar.terminate().success());
    let data = registrar.folder().join("data");
    let files = || {
        let entries = std::fs::read_dir(&data)
            .expect("a folder")
            .map(|entry| entry.expect("a file").path());
        entries.chain([data.clone()]).collect::<Vec<_>>()
    };
    if files()
        .iter()
        .any(|file| chown(file, Some(OTHER), Some(OTHER)).is_err())
    {
        eprintln!("NOT TESTED: only root can change the owner of files");
        return;
    }
    assert!(reset(&data).status.success());
    for command_line in [["store", "check"], ["store", "accept"]] {
        let data = data.to_str().expect("a path");
        let output = command(&command_line)
            .args(["--data", data])
            .output()
            .expect("the binary runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    for file in files() {
        assert_eq!(
            file.metadata().expect("it is there").uid(),
            OTHER,
            "{}",
            file.display()
        );
    }
}
