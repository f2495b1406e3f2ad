//! Enforces the layers of `src/ARCHITECTURE.md`: which module may use which others, and which folder
//! may use which external library.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tables::{ALLOWED, ENDPOINTS, LIBRARIES};

/// Returns every Rust file below a folder of the repository: its path within the folder, and its text.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files
                    .push((path.strip_prefix(&root).unwrap().to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!files.is_empty(), "no Rust files in {folder}");
    files
}

/// Returns the files of `src` that belong to a module: the name of the module, the path, the text.
fn sources() -> Vec<(String, PathBuf, String)> {
    let module = |path: &Path| {
        let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        first.trim_end_matches(".rs").to_owned()
    };
    let mut sources: Vec<_> =
        files("src").into_iter().map(|(path, text)| (module(&path), path, text)).collect();
    sources.retain(|(module, ..)| !["lib", "main"].contains(&module.as_str()));
    assert!(sources.len() > 30, "the sources were not found");
    sources
}

/// Returns the lines of a file without comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line.split("//").next().unwrap_or("")))
}

/// Returns every name that follows `crate::` in `line`, including the names in a group.
fn used_modules(line: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .flat_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            match rest.strip_prefix('{') {
                Some(group) => group.split(',').map(|part| name(part.trim())).collect(),
                None => vec![name(rest)],
            }
        })
        .filter(|module| !module.is_empty())
        .collect()
}

#[test]
fn a_module_uses_only_the_modules_that_its_layer_allows() {
    let mut offenders = Vec::new();
    for (module, path, text) in sources() {
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("src/{} is in no layer: add it to tests/architecture/tables.rs", path.display())
        });
        for (number, line) in code(&text) {
            for used in used_modules(line) {
                if used != module && !allowed.contains(&used.as_str()) {
                    offenders.push(format!("src/{}:{number}: {module} must not use {used}", path.display()));
                }
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn no_two_layers_use_each_other() {
    let mut seen = BTreeSet::from(["random"]);
    for (module, allowed) in ALLOWED {
        // `secret` and `random` are one layer: a token is random, and sealing needs a nonce.
        let above: Vec<_> =
            allowed.iter().filter(|used| !seen.contains(**used) && **used != "secret").collect();
        let wiring = ["probes", "routes", "reload", "lifecycle", "app"];
        assert!(
            above.is_empty() || wiring.contains(module),
            "{module} uses {above:?}, which is in a layer above it"
        );
        seen.insert(module);
    }
}

#[test]
fn an_external_library_is_used_in_its_own_modules_only() {
    let mut offenders = Vec::new();
    for (module, path, text) in sources() {
        for (library, homes) in LIBRARIES {
            if homes.contains(&module.as_str()) {
                continue;
            }
            let uses = |line: &str| {
                [format!("use {library}::"), format!("{library}::")].iter().any(|mark| {
                    line.match_indices(mark.as_str()).any(|(at, _)| {
                        !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                    })
                })
            };
            for (number, _) in code(&text).filter(|(_, line)| uses(line)) {
                offenders.push(format!("src/{}:{number}: {library} belongs in {homes:?}", path.display()));
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn only_endpoints_speak_http() {
    let mut offenders = Vec::new();
    for (module, path, text) in sources() {
        let Some((_, endpoints)) = ENDPOINTS.iter().find(|(name, _)| *name == module) else { continue };
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if endpoints.contains(&file.as_str()) {
            continue;
        }
        let marks = ["hyper::", "axum::", "StatusCode"];
        for (number, line) in code(&text) {
            if marks.iter().any(|mark| line.contains(mark)) {
                offenders.push(format!("src/{}:{number}: HTTP belongs in an endpoint", path.display()));
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn no_file_has_more_than_500_lines() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        let lengths = files(folder).into_iter().map(|(path, text)| (path, text.lines().count()));
        let too_long = lengths.filter(|(_, lines)| *lines > 500);
        long.extend(too_long.map(|(path, lines)| format!("{folder}/{}: {lines} lines", path.display())));
    }
    assert!(long.is_empty(), "too long; split by meaning: {}", long.join(", "));
}

#[test]
fn metadata_stages_are_constructed_in_client_only() {
    // The constructors of the stages must stay private to `client`.
    let stages =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/stages.rs")).unwrap();
    assert!(stages.contains("pub(in crate::client) const fn new"), "only the rules construct `Valid`");
    assert!(!stages.contains("pub struct Approved(pub"), "`Approved` is constructed from `Valid` only");
}

#[test]
fn only_verify_constructs_verified_values() {
    // The field is private, so only `verify.rs` can construct a value, and it does so once.
    let verify =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jose/verify.rs")).unwrap();
    assert!(verify.contains("pub struct Verified<T>(T);"), "the field of `Verified` is private");
    assert_eq!(
        verify.matches("Verified(").count(),
        1,
        "`Verified` is constructed at the end of `verify` only"
    );
}

#[test]
fn only_commands_send_requests_without_the_guard() {
    for (module, path, text) in
        sources().into_iter().filter(|(module, ..)| !["cli", "fetch"].contains(&module.as_str()))
    {
        let word = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "Direct");
        assert!(
            !code(&text).any(|(_, line)| word(line)),
            "{module}: src/{} is not a command",
            path.display()
        );
    }
}
