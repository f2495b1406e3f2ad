use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::docs::{HOST_FUNCTIONS, reference};
use super::check;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_manual_says_what_there_is() {
    let path = root("scripts/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("-->\n").expect("the mark of the reference");
    let due = format!("{before}-->\n\n{}", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &due).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == due, "run UPDATE_DOCS=1 cargo test --lib manual");
}

#[test]
fn every_registered_function_is_documented() {
    let documented: BTreeSet<(String, String)> = HOST_FUNCTIONS
        .iter()
        .map(|function| (function.module.to_owned(), function.name().to_owned()))
        .collect();
    let mut registered = BTreeSet::new();
    for entry in std::fs::read_dir(root("src/script/modules")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for call in text.split("set_native_fn(").skip(1) {
            let name = call.trim_start().trim_start_matches('"').split('"').next().unwrap();
            let name = if name.starts_with("DEBUG") { "debug" } else { name };
            registered.insert((module.clone(), name.to_owned()));
        }
    }
    assert_eq!(registered, documented);
}

#[tokio::test]
async fn every_example_is_true() {
    for function in HOST_FUNCTIONS {
        let call = format!("{}::{}", function.module, function.name());
        assert!(function.example.contains(&call), "the example of {call} does not call it");
        check(function.example, json!({}), Ok(json!({}))).await;
    }
}
