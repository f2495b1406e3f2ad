//! The versions of the scripts: rolled back, pushed, pinned and unpinned while the server runs.

use serde_json::{Value, json};

use crate::reload::until;
use crate::support::{Answer, TestServer, minimal};

const VERSIONS: &str = "/admin/v1/scripts/versions";
const PIN: &str = "/admin/v1/scripts/pin";

fn script(number: &str) -> String {
    format!("fn createClient(context) {{ context.client.software_version = \"{number}\"; true }}\n")
}

async fn called(server: &TestServer, method: &str, path: &str, body: Value) -> Answer {
    Answer::of(server.administrate(method, path).await.json(&body)).await
}

/// Returns what the script that decides gives to a client.
async fn decided(server: &TestServer) -> Value {
    server.register(&minimal()).await.body["software_version"].clone()
}

async fn until_decided(server: &TestServer, number: &str) {
    until(async || (decided(server).await == json!(number)).then_some(())).await;
}

async fn versions(server: &TestServer) -> Vec<Value> {
    let answer = server.called("GET", VERSIONS).await;
    answer.expect_status(200);
    answer.body["versions"].as_array().unwrap().clone()
}

/// Returns the version in force.
async fn in_force(server: &TestServer) -> String {
    let versions = versions(server).await;
    let mut used = versions
        .iter()
        .filter(|version| version["is_in_force"] == true);
    let version = used.next().unwrap()["version"].as_str().unwrap().to_owned();
    assert!(used.next().is_none());
    version
}

async fn ready(server: &TestServer) -> Value {
    Answer::of(server.ask("GET", "/readyz")).await.body
}

#[tokio::test]
async fn a_version_is_rolled_back_to_and_stays_until_it_is_unpinned() {
    let server = TestServer::scripted(&[("10-a.rhai", &script("1"))], |_| {}).await;
    let first = in_force(&server).await;
    assert_eq!(ready(&server).await["scripts"], json!(first));
    server.write_script("10-a.rhai", &script("2"));
    until_decided(&server, "2").await;
    let second = in_force(&server).await;
    let kept = versions(&server).await;
    assert_eq!(
        kept.iter()
            .map(|version| &version["version"])
            .collect::<Vec<_>>()
            .len(),
        2
    );
    let shown = server.called("GET", &format!("{VERSIONS}/{first}")).await;
    assert_eq!(
        shown.body,
        json!({"version": first, "files": {"10-a.rhai": script("1")}})
    );

    let after = server.last_event().await;
    let answer = called(&server, "PUT", PIN, json!({"version": first})).await;
    answer.expect_status(200);
    assert_eq!(answer.body, json!({"version": first, "is_pinned": true}));
    assert_eq!(decided(&server).await, json!("1"));
    assert_eq!(ready(&server).await["scriptsPinned"], json!(first));
    let actions: Vec<_> = server.events(after).await;
    assert_eq!(
        (&actions[0]["action"], &actions[0]["subject"]),
        (&json!("scripts_pinned"), &json!(first))
    );

    // The folder has no effect now.
    server.write_script("10-a.rhai", &script("3"));
    server.write_script("20-b.rhai", "fn createClient(context) { false }");
    assert_eq!(decided(&server).await, json!("1"));
    std::fs::remove_file(server.folder.path().join("scripts/20-b.rhai")).unwrap();

    let answer = called(&server, "DELETE", PIN, json!({})).await;
    answer.expect_status(200);
    assert_eq!(answer.body["is_pinned"], json!(false));
    until_decided(&server, "3").await;
    assert_eq!(ready(&server).await.get("scriptsPinned"), None);
    assert_ne!(in_force(&server).await, second);
    assert_eq!(versions(&server).await[0]["is_in_force"], json!(true));
}

#[tokio::test]
async fn a_pushed_set_is_checked_kept_and_pinned() {
    let server = TestServer::scripted(&[("10-a.rhai", &script("1"))], |_| {}).await;
    let library = "fn number() { \"5\" }";
    let user = "import \"lib/n\" as n;\nfn createClient(context) { context.client.software_version = n::number(); true }";
    let set = json!({"files": {"10-a.rhai": user, "lib/n.rhai": library}});
    let answer = called(&server, "POST", VERSIONS, set).await;
    answer.expect_status(200);
    assert_eq!(decided(&server).await, json!("5"));
    let version = answer.body["version"].as_str().unwrap();
    let kept = versions(&server).await;
    let pushed = kept.iter().find(|kept| kept["version"] == version).unwrap();
    assert_eq!(
        (&pushed["source"], &pushed["is_pinned"], &pushed["files"]),
        (
            &json!("push"),
            &json!(true),
            &json!(["10-a.rhai", "lib/n.rhai"])
        )
    );

    // A set that cannot be loaded changes nothing.
    let before = versions(&server).await;
    for (files, part) in [
        (
            json!({"10-a.rhai": "fn createClient(context) {"}),
            "10-a.rhai:1:",
        ),
        (json!({"10-a.rhai": ""}), "empty"),
        (json!({"../10-a.rhai": "fn f() {}"}), "lib/name.rhai"),
        (
            json!({"10-a.rhai": "fn f() {}", "lib/../a.rhai": "fn f() {}"}),
            "lib/name.rhai",
        ),
        (json!({"10-a.txt": "fn f() {}"}), "lib/name.rhai"),
    ] {
        let answer = called(&server, "POST", VERSIONS, json!({"files": files})).await;
        answer.expect_error(400, &["invalid_scripts"]);
        assert!(answer.text.contains(part), "{files}: {}", answer.text);
    }
    for body in [
        json!({}),
        json!({"files": 5}),
        json!({"files": {}, "more": 1}),
    ] {
        let answer = called(&server, "POST", VERSIONS, body).await;
        answer.expect_error(400, &["invalid_request"]);
    }
    assert_eq!(versions(&server).await, before);
    assert_eq!(decided(&server).await, json!("5"));
}

#[tokio::test]
async fn a_set_without_scripts_must_be_meant() {
    let server = TestServer::scripted(&[("10-a.rhai", &script("1"))], |_| {}).await;
    let library = json!({"lib/a.rhai": "fn f() { 1 }"});
    for body in [
        json!({"files": {}}),
        json!({"files": library}),
        json!({"files": {}, "empty": false}),
    ] {
        let answer = called(&server, "POST", VERSIONS, body).await;
        answer.expect_error(400, &["invalid_scripts"]);
        let said = "there is no script, which would turn off every policy";
        assert!(answer.text.contains(said), "{}", answer.text);
    }
    assert_eq!(decided(&server).await, json!("1"));
    let meant = json!({"files": library, "empty": true});
    called(&server, "POST", VERSIONS, meant)
        .await
        .expect_status(200);
    assert_eq!(decided(&server).await, Value::Null);
}

#[tokio::test]
async fn only_administrators_with_the_scope_change_versions() {
    let server = TestServer::scripted(&[("10-a.rhai", &script("1"))], |_| {}).await;
    let version = in_force(&server).await;
    let answer = called(&server, "PUT", PIN, json!({"version": "0123456789ab"})).await;
    answer.expect_error(404, &["not_found"]);
    let answer = called(&server, "POST", "/admin/v1/scripts/promote", json!({})).await;
    answer.expect_error(409, &["no_candidate"]);
    let reader = server.administrator_token_for("scripts.read").await;
    for (method, path) in [
        ("PUT", PIN),
        ("DELETE", PIN),
        ("POST", VERSIONS),
        ("POST", "/admin/v1/scripts/promote"),
    ] {
        let request = server.ask(method, path).bearer_auth(&reader);
        let answer = Answer::of(request.json(&json!({"version": version}))).await;
        answer.expect_error(403, &["insufficient_scope"]);
        Answer::of(server.ask(method, path))
            .await
            .expect_status(401);
    }
    let request = server.ask("GET", VERSIONS).bearer_auth(&reader);
    Answer::of(request).await.expect_status(200);
}
