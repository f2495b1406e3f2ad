//! `registrar config reset`: the way out when patched values do not fit any more.

use std::path::Path;
use std::process::Output;

use registrar::config::StoreSettings;
use registrar::store::{Change, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Registrar, command};

async fn open(data: &Path) -> Store {
    let url = format!("sled:{}", data.display());
    Store::open(&StoreSettings { url: url.into(), ..StoreSettings::default() }).await.expect("it opens")
}

async fn patched(data: &Path) -> Value {
    open(data).await.patches.load().await.expect("it can be read").document
}

fn reset(data: &Path, keys: &[&str]) -> Output {
    let data = data.to_str().expect("a path");
    command(&[&["config", "reset", "--data", data][..], keys].concat()).output().expect("the binary runs")
}

#[tokio::test]
async fn values_are_let_go_of_one_by_one_or_all() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let values = json!({"registration.clientExpiryGrace": 7, "registration.gone": 1, "scopes": []});
    open(&data).await.patches.replace(0, &values, Change::default()).await.unwrap();

    let output = reset(&data, &["registration.nothing"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("patched are: registration.clientExpiryGrace, registration.gone"), "{message}");

    let output = reset(&data, &["gone"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "registration.gone\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 patched value is gone"));
    assert_eq!(patched(&data).await, json!({"registration.clientExpiryGrace": 7, "scopes": []}));

    let output = reset(&data, &[]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "registration.clientExpiryGrace\nscopes\n");
    assert_eq!(patched(&data).await, json!({}));
}

#[tokio::test]
async fn a_patch_that_can_not_be_read_goes_too() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    open(&data).await.patches.replace(0, &json!({"scopes": []}), Change::default()).await.unwrap();
    // Another key: what was sealed with the first can not be opened any more.
    std::fs::write(data.join("registrar.key"), format!("{}=", "A".repeat(43))).unwrap();
    let output = reset(&data, &[]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("not the key of this store"), "{message}");
    // The first key is lost for good.
    let accept = command(&["store", "accept", "--data", data.to_str().expect("a path")]).output();
    assert!(accept.expect("the binary runs").status.success());
    let output = reset(&data, &[]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && message.contains("does not open"), "{message}");
    assert_eq!(patched(&data).await, json!({}));
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let output = reset(&data, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no store in"));
    assert!(!data.exists());
}

#[test]
fn a_server_that_runs_is_not_robbed() {
    let registrar = Registrar::start();
    let output = reset(&registrar.folder().join("data"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another registrar has the folder"));
}
