//! Reloading scripts while the server runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, PATIENCE, TestServer, minimal, with};

fn version(number: usize) -> String {
    // Two members from two hooks, so an answer that mixes versions is detected.
    format!(
        "fn createClient(context) {{ context.client.software_version = \"{number}\"; true }}\n\
         fn modifyPostResponse(response, context) {{ response.answered_by = \"{number}\"; true }}\n"
    )
}

/// Polls until `ask` returns a value, for at most [`PATIENCE`], and returns the value.
pub(crate) async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(
            Instant::now() < end,
            "it did not happen within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ready(server: &TestServer) -> Value {
    let answer = Answer::of(server.ask("GET", "/readyz")).await;
    answer.expect_status(200);
    answer.body
}

async fn until_version(server: &TestServer, number: usize) {
    until(async || {
        let client = server.register(&minimal()).await;
        (client.body["software_version"] == json!(number.to_string())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_saved_script_is_loaded_and_a_broken_one_is_not() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(1))], |_| {}).await;
    until_version(&server, 1).await;
    server.write_script("10-a.rhai", &version(2));
    until_version(&server, 2).await;
    server.write_script(
        "10-a.rhai",
        "fn createClient(context) { this is not a script",
    );
    let error = until(async || {
        ready(&server).await["scriptsError"]
            .as_str()
            .map(str::to_owned)
    })
    .await;
    assert!(
        error.contains("10-a.rhai") && error.contains("1:"),
        "the error names file, line and column: {error}"
    );
    assert_eq!(
        server.register(&minimal()).await.body["software_version"],
        "2"
    );
    server.write_script("10-a.rhai", &version(3));
    until_version(&server, 3).await;
    assert_eq!(ready(&server).await.get("scriptsError"), None);
}

#[tokio::test]
async fn a_new_library_a_removed_script_and_a_renamed_one_are_reloaded() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(1))], |_| {}).await;
    let directory = server.folder.path().join("scripts");
    server.write_script("lib/number.rhai", "fn number() { \"7\" }");
    let script = "import \"lib/number\" as l;\nfn createClient(context) { context.client.software_version = l::number(); true }";
    // Saved as editors do: a new file is written and then renamed over the old one.
    server.write_script(".10-a.rhai.swp", script);
    std::fs::rename(
        directory.join(".10-a.rhai.swp"),
        directory.join("10-a.rhai"),
    )
    .unwrap();
    until_version(&server, 7).await;
    server.write_script("lib/number.rhai", "fn number() { \"8\" }");
    until_version(&server, 8).await;
    std::fs::remove_file(directory.join("10-a.rhai")).unwrap();
    until(async || {
        server
            .register(&minimal())
            .await
            .body
            .get("software_version")
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hundred_edits_under_load_fail_no_request() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(0))], |_| {}).await;
    let done = std::sync::atomic::AtomicBool::new(false);
    let load = async {
        let mut seen = std::collections::BTreeSet::new();
        loop {
            // The last round begins after the last edit is loaded.
            let is_last = done.load(std::sync::atomic::Ordering::SeqCst);
            let answers = futures_util::future::join_all(
                (0..8).map(|_| async { server.post(&minimal()).await }),
            )
            .await;
            for answer in answers {
                answer.expect_status(201);
                assert_eq!(
                    answer.body["software_version"], answer.body["answered_by"],
                    "the answer comes from one version"
                );
                seen.insert(answer.body["answered_by"].as_str().unwrap().to_owned());
            }
            if is_last {
                return seen;
            }
        }
    };
    let edits = async {
        for number in 1..=100 {
            server.write_script("10-a.rhai", &version(number));
            // Most edits are so close together that they cause one reload, as with an editor that saves
            // often.
            if number % 10 == 0 {
                until_version(&server, number).await;
            } else {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let (seen, ()) = futures_util::join!(load, edits);
    let awaited = (0..=100)
        .step_by(10)
        .map(|number: usize| number.to_string());
    assert!(
        awaited.into_iter().all(|number| seen.contains(&number)),
        "{seen:?}"
    );
}

#[tokio::test]
async fn scripts_with_mistakes_are_not_put_in_force() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(1))], |_| {}).await;
    until_version(&server, 1).await;
    let revision = ready(&server).await["scripts"].clone();
    for (wrong, expected) in [
        (
            "if false { nope(1); }",
            "10-a.rhai:1:39: there is no function nope",
        ),
        (
            "context.client.contacts = \"a\";",
            "'contacts' must be an array",
        ),
        (
            "if \"5\" > 4 { return false; }",
            "`>` compares a string with a whole number",
        ),
    ] {
        server.write_script(
            "10-a.rhai",
            &version(2).replacen("{ ", &format!("{{ {wrong} "), 1),
        );
        let error = until(async || {
            let error = ready(&server).await["scriptsError"]
                .as_str()
                .map(str::to_owned);
            error.filter(|error| error.contains(expected))
        })
        .await;
        assert!(error.starts_with("10-a.rhai:1:"), "{error}");
        assert_eq!(ready(&server).await["scripts"], revision);
        assert_eq!(
            server.register(&minimal()).await.body["software_version"],
            "1"
        );
    }
    server.write_script("10-a.rhai", &version(3));
    until_version(&server, 3).await;
    assert_eq!(ready(&server).await.get("scriptsError"), None);
}

#[tokio::test]
async fn a_server_starts_with_scripts_that_have_mistakes_and_says_so() {
    let script =
        "fn createClient(context) { if context.client.client_name == \"bad\" { nope(); } true }";
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let error = ready(&server).await["scriptsError"].to_string();
    assert!(error.contains("there is no function nope"), "{error}");
    let bad = with(minimal(), json!({"client_name": "bad"}));
    server.post(&bad).await.expect_status(500);
    server.register(&minimal()).await;
    server.write_script("10-a.rhai", &version(2));
    until_version(&server, 2).await;
    assert_eq!(ready(&server).await.get("scriptsError"), None);
}

#[tokio::test]
async fn a_custom_member_of_the_live_configuration_is_known() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(1))], |configuration| {
        let registration = &mut configuration.live.registration;
        registration.dynamic_registration_custom_attributes = vec!["vendor".to_owned()];
    })
    .await;
    let script = version(2).replacen("{ ", "{ context.client.vendor = \"a\"; ", 1);
    server.write_script("10-a.rhai", &script);
    until_version(&server, 2).await;
}

#[tokio::test]
async fn scripts_whose_tests_fail_are_not_put_in_force_if_that_is_configured() {
    let server = TestServer::scripted(&[("10-a.rhai", &version(1))], |configuration| {
        configuration.settings.scripts.tests_before_reload = true;
    })
    .await;
    let test = |number: usize| {
        format!(
            "fn test_version() {{\n    assert_eq(run(\"createClient\", #{{}}).client.software_version, \"{number}\");\n}}\n"
        )
    };
    server.write_script("tests/version.rhai", &test(2));
    server.write_script("10-a.rhai", &version(2));
    until_version(&server, 2).await;
    server.write_script("10-a.rhai", &version(3));
    let error = until(async || {
        let error = ready(&server).await["scriptsError"]
            .as_str()
            .map(str::to_owned);
        error.filter(|error| error.contains("1 of 1 tests failed"))
    })
    .await;
    assert!(
        error.contains("tests/version.rhai:2:5: the two values are not equal"),
        "{error}"
    );
    assert_eq!(
        server.register(&minimal()).await.body["software_version"],
        "2"
    );
    server.write_script("tests/version.rhai", &test(3));
    until_version(&server, 3).await;
}
