//! `registrar config reset` removes patched values that are no longer valid.

use std::path::Path;
use std::process::Output;

use registrar::config::StoreSettings;
use registrar::testing::Storage;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Registrar, command};

async fn open(data: &Path) -> Storage {
    let url = format!("sled:{}", data.display());
    Storage::open(&StoreSettings {
        url: url.into(),
        ..StoreSettings::default()
    })
    .await
    .expect("it opens")
}

async fn patched(data: &Path) -> Value {
    let patches = open(data).await.patches().await;
    patches.expect("they can be read").0
}

fn reset(data: &Path, keys: &[&str]) -> Output {
    let data = data.to_str().expect("a path");
    command(&[&["config", "reset", "--data", data][..], keys].concat())
        .output()
        .expect("the binary runs")
}

#[tokio::test]
async fn values_are_reset_one_by_one_or_all_together() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let values = json!({"registration.clientExpiryGrace": 7, "registration.gone": 1, "scopes": []});
    open(&data).await.patch(&values).await.unwrap();

    let output = reset(&data, &["registration.nothing"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message
            .contains("the patched options are: registration.clientExpiryGrace, registration.gone"),
        "{message}"
    );

    let output = reset(&data, &["gone"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "registration.gone\n"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 patched value removed"));
    assert_eq!(
        patched(&data).await,
        json!({"registration.clientExpiryGrace": 7, "scopes": []})
    );

    let output = reset(&data, &[]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "registration.clientExpiryGrace\nscopes\n"
    );
    assert_eq!(patched(&data).await, json!({}));
}

#[tokio::test]
async fn a_patch_that_cannot_be_read_is_removed_too() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    open(&data)
        .await
        .patch(&json!({"scopes": []}))
        .await
        .unwrap();
    // With another key, values sealed with the first one can no longer be decrypted.
    std::fs::write(data.join("registrar.key"), format!("{}=", "A".repeat(43))).unwrap();
    let output = reset(&data, &[]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && message.contains("not the key of this store"),
        "{message}"
    );
    // The first key is lost permanently.
    let accept = command(&["store", "accept", "--data", data.to_str().expect("a path")]).output();
    assert!(accept.expect("the binary runs").status.success());
    let output = reset(&data, &[]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && message.contains("cannot open a sealed secret"),
        "{message}"
    );
    assert_eq!(patched(&data).await, json!({}));
}

#[test]
fn a_missing_store_is_not_created() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let output = reset(&data, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no store in"));
    assert!(!data.exists());
}

#[test]
fn the_store_of_a_running_server_is_left_alone() {
    let registrar = Registrar::start();
    let output = reset(&registrar.folder().join("data"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another registrar has the folder"));
}
