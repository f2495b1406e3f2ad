use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{check, load};
use crate::script::{
    docs::CONTEXT_MEMBERS, docs::TEST_FUNCTIONS, docs::definitions, docs::host_functions,
    docs::reference, hook::Hook,
};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_manual_is_up_to_date() {
    let path = root("scripts/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, _) = text
        .split_once("-->\n")
        .expect("the comment before the reference");
    let due = format!("{before}-->\n\n{}", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &due).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == due,
        "run UPDATE_DOCS=1 cargo test --lib manual"
    );
}

#[test]
fn every_registered_function_is_documented() {
    let parameters = |signature: &str| {
        let inside = signature
            .split_once('(')
            .unwrap()
            .1
            .split_once(')')
            .unwrap()
            .0;
        inside
            .split(',')
            .filter(|parameter| !parameter.is_empty())
            .count()
    };
    let documented: BTreeSet<(String, String, usize)> = host_functions()
        .iter()
        .map(|function| {
            (
                function.module.to_owned(),
                function.name().to_owned(),
                parameters(function.signature),
            )
        })
        .collect();
    let mut registered = BTreeSet::new();
    for entry in std::fs::read_dir(root("src/script/modules")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = if path.is_dir() {
            path.join("mod.rs")
        } else {
            path
        };
        let text = std::fs::read_to_string(file).unwrap();
        for call in text.split("module.add").skip(1) {
            let (parameters, rest) = call.split_once('(').unwrap();
            let name = rest
                .trim_start()
                .trim_start_matches('"')
                .split('"')
                .next()
                .unwrap();
            let name = if name.starts_with("DEBUG") {
                "debug"
            } else {
                name
            };
            registered.insert((module.clone(), name.to_owned(), parameters.parse().unwrap()));
        }
    }
    assert!(registered.len() > 30);
    assert_eq!(registered, documented);
}

#[test]
fn the_definitions_are_complete() {
    let files = definitions();
    let signature = |signature: &str| {
        let (name, rest) = signature.split_once('(').unwrap();
        let inside = rest.split_once(')').unwrap().0;
        let names = inside
            .split(", ")
            .filter_map(|parameter| parameter.split(':').next());
        (
            name.to_owned(),
            names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    let declared = |file: &str| -> Vec<(String, Vec<String>)> {
        let text = files
            .get(file)
            .unwrap_or_else(|| panic!("there is no {file}"));
        assert!(text.starts_with("module "), "{file}");
        text.lines()
            .filter_map(|line| line.strip_prefix("fn "))
            .map(signature)
            .collect()
    };
    for function in host_functions().into_iter().chain(TEST_FUNCTIONS) {
        let file = if function.module.is_empty() {
            "__tests__"
        } else {
            function.module
        };
        let due = signature(function.signature);
        assert!(
            declared(&format!("{file}.d.rhai")).contains(&due),
            "{due:?} is not in {file}.d.rhai"
        );
    }
    let hooks = declared("__hooks__.d.rhai");
    for hook in Hook::ALL {
        let parameters = hook
            .parameters()
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        assert!(
            hooks.contains(&(hook.name().to_owned(), parameters)),
            "{hook:?}"
        );
    }
    let context = &files["__registrar__.d.rhai"];
    for member in CONTEXT_MEMBERS {
        let name = member.name.split('(').next().unwrap();
        let kind = if member.name.contains('(') {
            "fn"
        } else {
            "fn get"
        };
        assert!(
            context.contains(&format!("{kind} {name}(context: Context")),
            "{name}"
        );
    }
    assert!(context.contains("fn get redirect_uris(client: Members) -> Array;"));
}

#[tokio::test]
async fn every_example_gives_its_stated_result() {
    let client = json!({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ"}]}});
    for function in host_functions() {
        let call = format!("{}::{}", function.module, function.name());
        assert!(
            function.example.contains(&call),
            "the example of {call} does not call it"
        );
        check(function.example, client.clone(), Ok(client.clone())).await;
    }
}

#[tokio::test]
async fn every_script_of_the_manual_loads_and_has_a_hook() {
    let text = std::fs::read_to_string(root("scripts/README.md")).unwrap();
    let scripts: Vec<&str> = text
        .split("```rhai\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(scripts.len() >= 3);
    let libraries = ["veraison", "verifier"].map(|name| {
        let name = format!("lib/{name}.rhai");
        let text = std::fs::read_to_string(root("scripts").join(&name)).unwrap();
        (name, text)
    });
    for script in scripts
        .into_iter()
        .filter(|script| !script.starts_with("// scripts/tests/"))
    {
        let beside = libraries
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        let all: Vec<(&str, &str)> = std::iter::once(("10-a.rhai", script))
            .chain(beside)
            .collect();
        let set = load(&all, |_| {}).unwrap();
        let hooks = &set.scripts()[0].hooks;
        assert!(!hooks.is_empty(), "{script}");
        // A copy of the script must not be bypassed with an update.
        assert_eq!(
            hooks.contains(&Hook::CreateClient),
            hooks.contains(&Hook::UpdateClient),
            "{script}"
        );
    }
}

#[test]
fn every_first_example_handles_updates_too() {
    for file in ["README.md", "config/deploy/README.md", "scripts/README.md"] {
        let text = std::fs::read_to_string(root(file)).unwrap();
        let blocks = text
            .split("```rhai\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap());
        let deciding = blocks.filter(|block| block.contains("fn createClient(context)"));
        for block in deciding {
            assert!(
                block.contains("fn updateClient(context)"),
                "{file}: {block}"
            );
        }
    }
}
