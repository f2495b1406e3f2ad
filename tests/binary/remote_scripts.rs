//! `registrar script versions`, `show`, `diff`, `rollback`, `unpin` and `push`, and a pin across a restart.

use serde_json::{Value, json};

use crate::process::Registrar;

fn script(number: &str) -> String {
    format!("fn createClient(context) {{ context.client.software_version = \"{number}\"; true }}\n")
}

async fn decided(registrar: &Registrar) -> String {
    let body = json!({"redirect_uris": ["https://client.example.org/cb"]});
    let request = reqwest::Client::new().post(registrar.url("/register"));
    let answer = request.json(&body).send().await.expect("an answer");
    let client: Value = answer.json().await.expect("a client");
    let version = client.get("software_version").and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}

/// Returns the version in force.
fn in_force(registrar: &Registrar) -> String {
    let answer = registrar
        .cli(&["script", "versions", "--format", "json"])
        .json();
    let versions = answer.get("versions").and_then(Value::as_array);
    let mut versions = versions.expect("versions").iter();
    let used = versions.find(|version| version.get("is_in_force") == Some(&json!(true)));
    let version = used.and_then(|used| used.get("version"));
    let version = version.and_then(Value::as_str);
    version.expect("a version in force").to_owned()
}

#[tokio::test]
async fn scripts_are_pushed_compared_rolled_back_and_unpinned() {
    let mut registrar = Registrar::start_with("");
    let first = in_force(&registrar);
    let folder = registrar.folder().join("next");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("10-a.rhai"), script("7")).unwrap();
    let pushed = registrar
        .cli(&["script", "push", folder.to_str().unwrap()])
        .fine();
    assert!(pushed.contains("is in force and pinned"), "{pushed}");
    assert_eq!(decided(&registrar).await, "7");
    let second = in_force(&registrar);
    let table = registrar.cli(&["script", "versions"]).fine();
    assert!(
        table.contains("in force, pinned") && table.contains("10-a.rhai"),
        "{table}"
    );

    // A change that is not deployed yet, against what is in force.
    std::fs::write(folder.join("10-a.rhai"), script("8")).unwrap();
    let diff = registrar
        .cli(&["script", "diff", &second[..6], folder.to_str().unwrap()])
        .fine();
    assert!(
        diff.contains("--- a/10-a.rhai\n+++ b/10-a.rhai\n")
            && diff.contains(
                "-fn createClient(context) { context.client.software_version = \"7\"; true }"
            )
            && diff.contains(
                "+fn createClient(context) { context.client.software_version = \"8\"; true }"
            ),
        "{diff}"
    );
    let shown = registrar.cli(&["script", "show", &second]).fine();
    assert!(
        shown.contains(&format!("// 10-a.rhai\n{}", script("7"))),
        "{shown}"
    );

    registrar.kill();
    let registrar = registrar.start_again();
    assert_eq!(decided(&registrar).await, "7", "a pin survives a kill");
    let log = registrar.log();
    assert!(
        log.contains("a version of the scripts is pinned") && log.contains(&second),
        "{log}"
    );

    let back = registrar.cli(&["script", "rollback", &first]).fine();
    assert!(back.contains(&first), "{back}");
    assert_eq!(decided(&registrar).await, "");
    let unpinned = registrar.cli(&["script", "unpin"]).fine();
    assert!(
        unpinned.contains("the script folder, is in force"),
        "{unpinned}"
    );
    // A wrong path must not turn off every policy.
    let empty = registrar.folder().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let push = ["script", "push", empty.to_str().unwrap()];
    registrar
        .cli(&push)
        .failed(1, &["there is no script", "--empty"]);
    assert_eq!(in_force(&registrar), first);
    let pushed = registrar.cli(&[&push[..], &["--empty"]].concat()).fine();
    assert!(pushed.contains("is in force and pinned"), "{pushed}");
    registrar
        .cli(&["script", "rollback", "zzz"])
        .failed(1, &["no version that is kept begins with zzz"]);
}
