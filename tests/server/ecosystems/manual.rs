//! The pages of `docs` name no option that does not exist.

use std::collections::BTreeSet;

use super::shipped;

/// Returns the words of `text` that are spelled like an option: `camelCase`.
fn options(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let is_option = |word: &&str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.contains(|letter: char| letter.is_ascii_uppercase())
            && !word.contains('_')
    };
    words.filter(is_option).collect()
}

/// Returns the text between backticks, inline and in blocks of configuration.
fn code(page: &str) -> String {
    page.split('`')
        .skip(1)
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_option_on_a_page_is_in_the_configuration_or_the_manual_of_scripts() {
    let read = |path: &str| std::fs::read_to_string(shipped::file(path)).unwrap();
    let (configuration, scripts) = (read("config/registrar.toml"), read("scripts/README.md"));
    let known: BTreeSet<&str> = options(&configuration)
        .union(&options(&scripts))
        .copied()
        .collect();
    // Words of the standards, and members of `/readyz` and of a backup.
    let foreign = [
        "fhirUser",
        "oidcIssuer",
        "scriptsError",
        "configurationError",
        "tlsError",
        "upstreamError",
        "sweepHeld",
        "scriptsPinned",
        "candidateError",
        "keyError",
        "secretsError",
        "registrarBackup",
        "encryptedKey",
        "createdAt",
    ];
    let mut named = 0;
    let pages =
        ["docs", "docs/ecosystems"].map(|folder| std::fs::read_dir(shipped::file(folder)).unwrap());
    for entry in pages.into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = code(&std::fs::read_to_string(&path).unwrap().replace("```", "\n"));
        for option in options(&text)
            .into_iter()
            .filter(|option| !foreign.contains(option))
        {
            assert!(
                known.contains(option),
                "{}: unknown option {option}",
                path.display()
            );
            named += 1;
        }
    }
    assert!(
        named > 30,
        "only {named} options were found; the test is broken"
    );
}

#[test]
fn every_configuration_has_a_page() {
    let index = std::fs::read_to_string(shipped::file("docs/ecosystems/README.md")).unwrap();
    let files = std::fs::read_dir(shipped::file("examples/config")).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|kind| kind == "toml")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(index.contains(name), "no page describes {name}");
    }
}
