//! One recorded request of a program in `tests/fixtures/clients/`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::shipped;
use super::expect::Expected;

/// A request and what its program requires of the answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The program, with its version if that matters.
    pub(super) name: String,
    /// Public source of the request.
    pub(super) source: String,
    /// Origin of the request: "run", "captured", "read" in its source, "reported", "documented", from "memory" or
    /// "made up".
    #[serde(rename = "provenance")]
    _provenance: Provenance,
    #[serde(rename = "note", default)]
    _note: String,
    r#in: Vec<String>,
    #[serde(default = "post")]
    pub(super) method: String,
    #[serde(default = "register")]
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: Option<Value>,
    expect: Expected,
    /// Different expectations for configurations that rightly answer differently.
    #[serde(default)]
    expect_in: BTreeMap<String, Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Provenance {
    Run,
    Captured,
    Read,
    Reported,
    Documented,
    Memory,
    #[serde(rename = "made up")]
    MadeUp,
}

fn post() -> String {
    "POST".to_owned()
}

fn register() -> String {
    "/register".to_owned()
}

impl Case {
    pub(super) fn is_for(&self, configuration: &str) -> bool {
        self.configurations().any(|name| name == configuration)
    }

    pub(super) fn configurations(&self) -> impl Iterator<Item = &str> {
        self.r#in.iter().map(String::as_str)
    }

    /// Returns the answer that this configuration must give.
    pub(super) fn expected(&self, configuration: &str) -> &Expected {
        self.expect_in.get(configuration).unwrap_or(&self.expect)
    }
}

/// Returns the requests of all programs; each name begins with the name of its file.
pub(super) fn all() -> Vec<Case> {
    let folder = shipped::file("tests/fixtures/clients");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        let of_file: Vec<Case> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let ecosystem = path.file_stem().unwrap().to_str().unwrap();
        cases.extend(of_file.into_iter().map(|case| Case {
            name: format!("{ecosystem}/{}", case.name),
            ..case
        }));
    }
    cases
}
