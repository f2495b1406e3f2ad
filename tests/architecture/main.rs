//! Enforces the layers of `src/ARCHITECTURE.md`: which module may use which others, and which folder
//! may use which external library.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests report problems by failing"
)]

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
                files.push((
                    path.strip_prefix(&root).unwrap().to_owned(),
                    fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    assert!(!files.is_empty(), "no Rust files in {folder}");
    files
}

/// A file of `src`.
struct Source {
    /// The longest path of a row of `ALLOWED` that the file is in.
    room: &'static str,
    /// Its module path, without the crate.
    module: Vec<String>,
    path: PathBuf,
    text: String,
}

/// Returns the row of `ALLOWED` with the longest path that `module` begins with.
fn room(module: &[String]) -> Option<&'static str> {
    let rooms = (1..=module.len())
        .rev()
        .map(|length| module[..length].join("/"));
    rooms.into_iter().find_map(|room| {
        ALLOWED
            .iter()
            .map(|(name, _)| *name)
            .find(|name| *name == room)
    })
}

/// Returns the files of `src` that belong to a module.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (path, text) in files("src") {
        let mut module: Vec<String> = path
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        if ["lib", "main", "testing"].contains(&module[0].as_str()) {
            continue;
        }
        let Some(room) = room(&module) else {
            panic!(
                "src/{} is in no layer: add it to tests/architecture/tables.rs",
                path.display()
            );
        };
        sources.push(Source {
            room,
            module,
            path,
            text,
        });
    }
    assert!(sources.len() > 30, "the sources were not found");
    sources
}

/// Returns the lines of a file without comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or("")))
}

/// Returns the module paths, without the crate, that the paths of `source` lead to, each with its line.
fn used_paths(source: &Source) -> Vec<(usize, Vec<String>)> {
    let mut text = String::new();
    for (_, line) in code(&source.text) {
        text.push_str(line);
        text.push('\n');
    }
    let inline = text.find("\nmod tests {").unwrap_or(text.len());
    let mut used = Vec::new();
    for mark in ["crate::", "super::"] {
        for (at, _) in text.match_indices(mark) {
            let is_start = !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            if !is_start {
                continue;
            }
            let line = text[..at].matches('\n').count() + 1;
            // In `mod tests`, `super` is the module of the file.
            let mut base = source.module.clone();
            if at > inline {
                base.push("tests".to_owned());
            }
            let mut rest = &text[at..];
            while let Some(shorter) = rest.strip_prefix("super::") {
                base.pop();
                rest = shorter;
            }
            if let Some(shorter) = rest.strip_prefix("crate::") {
                base.clear();
                rest = shorter;
            }
            let (mut leaves, _) = leaves(rest, &base);
            used.extend(leaves.drain(..).map(|leaf| (line, leaf)));
        }
    }
    used
}

/// Returns the paths of the tree at the beginning of `text`, each behind `base`, and the text after the tree.
fn leaves<'t>(text: &'t str, base: &[String]) -> (Vec<Vec<String>>, &'t str) {
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut found = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if rest.is_empty() || rest.starts_with('}') {
                return (found, rest.strip_prefix('}').unwrap_or(rest));
            }
            let (more, after) = leaves(rest, base);
            found.extend(more);
            // An alias, or anything else that is not a path.
            let end = after.find([',', '}']).unwrap_or(after.len());
            rest = &after[end..];
        }
    }
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let path: Vec<String> = base
        .iter()
        .cloned()
        .chain([text[..end].to_owned()])
        .collect();
    match text[end..].strip_prefix("::") {
        Some(rest) if !rest.starts_with('<') => leaves(rest, &path),
        _ => (vec![path], &text[end..]),
    }
}

#[test]
fn a_module_uses_only_the_modules_that_its_layer_allows() {
    let (mut offenders, mut seen) = (Vec::new(), 0);
    for source in sources() {
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == source.room)
            .unwrap();
        for (line, path) in used_paths(&source) {
            seen += 1;
            let Some(used) = room(&path) else { continue };
            if used != source.room && !allowed.contains(&used) {
                let (file, room) = (source.path.display(), source.room);
                offenders.push(format!("src/{file}:{line}: {room} must not use {used}"));
            }
        }
    }
    assert!(seen > 1_000, "the paths were not found");
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn no_two_layers_use_each_other() {
    let mut seen = BTreeSet::from(["base/random"]);
    for (module, allowed) in ALLOWED {
        // `secret` and `random` are one layer: a token is random, and sealing needs a nonce.
        let above: Vec<_> = allowed
            .iter()
            .filter(|used| !seen.contains(**used) && **used != "base/secret")
            .collect();
        let is_wiring = module.starts_with("server");
        assert!(
            above.is_empty() || is_wiring,
            "{module} uses {above:?}, which is in a layer above it"
        );
        seen.insert(module);
    }
}

#[test]
fn an_external_library_is_used_in_its_own_modules_only() {
    let mut offenders = Vec::new();
    for Source {
        module, path, text, ..
    } in sources()
    {
        let folder = module.join("/");
        for (library, homes) in LIBRARIES {
            if homes
                .iter()
                .any(|home| folder == *home || folder.starts_with(&format!("{home}/")))
            {
                continue;
            }
            let uses = |line: &str| {
                [format!("use {library}::"), format!("{library}::")]
                    .iter()
                    .any(|mark| {
                        line.match_indices(mark.as_str()).any(|(at, _)| {
                            !line[..at]
                                .ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                        })
                    })
            };
            for (number, _) in code(&text).filter(|(_, line)| uses(line)) {
                offenders.push(format!(
                    "src/{}:{number}: {library} belongs in {homes:?}",
                    path.display()
                ));
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn only_endpoints_speak_http() {
    let mut offenders = Vec::new();
    for Source {
        room,
        module,
        path,
        text,
    } in sources()
    {
        let Some((_, endpoints)) = ENDPOINTS.iter().find(|(name, _)| *name == room) else {
            continue;
        };
        // The path within the use case; `mod` is its own file.
        let inner = if module.len() == 1 {
            "mod".to_owned()
        } else {
            module[1..].join("/")
        };
        if endpoints
            .iter()
            .any(|endpoint| inner == *endpoint || inner.starts_with(&format!("{endpoint}/")))
        {
            continue;
        }
        let marks = ["hyper::", "axum::", "StatusCode"];
        for (number, line) in code(&text) {
            if marks.iter().any(|mark| line.contains(mark)) {
                offenders.push(format!(
                    "src/{}:{number}: HTTP belongs in an endpoint",
                    path.display()
                ));
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn no_file_has_more_than_500_lines() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        let lengths = files(folder)
            .into_iter()
            .map(|(path, text)| (path, text.lines().count()));
        let too_long = lengths.filter(|(_, lines)| *lines > 500);
        long.extend(
            too_long.map(|(path, lines)| format!("{folder}/{}: {lines} lines", path.display())),
        );
    }
    assert!(
        long.is_empty(),
        "too long; split by meaning: {}",
        long.join(", ")
    );
}

#[test]
fn metadata_stages_are_constructed_in_client_only() {
    // The constructors of the stages must stay private to `client`.
    let stages =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/stages.rs"))
            .unwrap();
    assert!(
        stages.contains("pub(in crate::client) const fn new"),
        "only the rules construct `Valid`"
    );
    assert!(
        stages.contains("pub(crate) struct Approved(Metadata);"),
        "`Approved` is constructed from `Valid` only"
    );
}

#[test]
fn only_verify_constructs_verified_values() {
    // The field is private, so only `verify.rs` can construct a value, and it does so once.
    let verify =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jose/verify.rs"))
            .unwrap();
    assert!(
        verify.contains("pub(crate) struct Verified<T>(T);"),
        "the field of `Verified` is private"
    );
    assert_eq!(
        verify.matches("Verified(").count(),
        1,
        "`Verified` is constructed at the end of `verify` only"
    );
}

#[test]
fn only_commands_send_requests_without_the_guard() {
    for Source {
        room, path, text, ..
    } in sources()
    {
        if ["cli", "fetch"].contains(&room) {
            continue;
        }
        let word = |line: &str| {
            line.split(|c: char| !c.is_alphanumeric())
                .any(|word| word == "Direct")
        };
        assert!(
            !code(&text).any(|(_, line)| word(line)),
            "{room}: src/{} is not a command",
            path.display()
        );
    }
}
