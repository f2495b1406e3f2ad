//! The layers of `src/ARCHITECTURE.md`, held: who may use whom, and which folder may use which
//! outside library.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tables::{ALLOWED, ENDPOINTS, LIBRARIES};

/// Every Rust file below a folder of the repository: its path within that, and its text.
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
    assert!(!files.is_empty(), "there is nothing in {folder}");
    files
}

/// The files of `src` that belong to a module: its name, the path, the text.
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

/// The code of a file without its comments, line by line with numbers from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(number, line)| (number + 1, line.split("//").next().unwrap_or("")))
}

/// Every name that follows `crate::` in `line`, those in a group included.
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
fn an_arrow_goes_down_only() {
    let mut offenders = Vec::new();
    for (module, path, text) in sources() {
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("src/{} is in no layer: give it one in tests/architecture/tables.rs", path.display())
        });
        for (number, line) in code(&text) {
            for used in used_modules(line) {
                if used != module && !allowed.contains(&used.as_str()) {
                    offenders.push(format!("src/{}:{number}: {module} may not use {used}", path.display()));
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
            "{module} uses {above:?}, which stands above it"
        );
        seen.insert(module);
    }
}

#[test]
fn an_outside_library_lives_in_one_place() {
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
fn a_file_fits_in_a_head() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        let lengths = files(folder).into_iter().map(|(path, text)| (path, text.lines().count()));
        let too_long = lengths.filter(|(_, lines)| *lines > 300);
        long.extend(too_long.map(|(path, lines)| format!("{folder}/{}: {lines} lines", path.display())));
    }
    assert!(long.is_empty(), "split along the meaning: {}", long.join(", "));
}

#[test]
fn metadata_passes_its_stages_where_the_rules_are() {
    // The constructors of the stages are private to `client`; this keeps it so.
    let stages =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/stages.rs")).unwrap();
    assert!(stages.contains("pub(in crate::client) const fn new"), "`Valid` is made by the rules only");
    assert!(!stages.contains("pub struct Approved(pub"), "`Approved` is made from `Valid` only");
}

#[test]
fn only_a_signature_makes_something_verified() {
    // Its field is private, so only `verify.rs` can fill it; it is filled once.
    let verify =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jose/verify.rs")).unwrap();
    assert!(verify.contains("pub struct Verified<T>(T);"), "the field of `Verified` is private");
    assert_eq!(verify.matches("Verified(").count(), 1, "`Verified` is made at the end of `verify` only");
}

#[test]
fn only_commands_ask_a_server_without_the_guard() {
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
