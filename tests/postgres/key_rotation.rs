//! The key of the secrets is replaced while several servers run.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::database::Database;
use crate::node::{Node, until};

/// Replaces the file `to` with a copy of `from`, as an operator should.
fn copy(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    std::fs::copy(from, &beside).expect("it is copied");
    std::fs::rename(beside, to).expect("it is renamed");
}

/// Returns whether `/readyz` says that the server lacks a key.
async fn lacks_a_key(node: &Node) -> bool {
    let ready: Value = node.get("/readyz").await.json().await.expect("JSON");
    ready.get("keyError").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_in_force_when_all_servers_have_it_and_a_killed_server_is_replaced() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = tempfile::TempDir::new().expect("a folder");
    let credentials = folder.path().join("credentials.json");
    let admin = format!("[admin]\ncredentialsFile = {credentials:?}");
    let mut one = Node::start_with(&database, &admin);
    let other = folder.path().join("other.key");
    copy(&database.key_file(), &other);
    let two = Node::start_with(&database, &format!("keyFile = {other:?}"));
    let mut clients = Vec::new();
    for number in 0..200 {
        clients.push(one.register(&format!("before {number}")).await);
    }
    let mut rotate = Command::new(env!("CARGO_BIN_EXE_registrar"));
    rotate.args(["key", "rotate", "--config"]);
    let rotated = rotate.arg(one.configuration()).output().expect("it runs");
    assert!(rotated.status.success(), "{rotated:?}");

    // One server lacks the key, so nobody seals with it.
    until(async || lacks_a_key(&two).await).await;
    assert!(!lacks_a_key(&one).await);
    let client = one.register("while one lacks it").await;
    assert_eq!(
        two.read(&client).await["client_secret"],
        client["client_secret"]
    );
    clients.push(client);
    let in_force = "secrets are sealed with the new key from now on";
    assert!(!one.log().contains(in_force) && !two.log().contains(in_force));

    copy(&database.key_file(), &other);
    until(async || one.log().contains(in_force) || two.log().contains(in_force)).await;
    for node in [&one, &two] {
        clients.push(node.register("when it is in force").await);
    }
    one.kill();
    let over = "no secret is sealed with the previous key any more";
    until(async || two.log().contains(over) || one.log().contains(over)).await;
    assert!(!lacks_a_key(&two).await);
    for client in &clients {
        assert_eq!(
            two.read(client).await["client_secret"],
            client["client_secret"]
        );
    }

    // A server with the previous key only does not start any more.
    let text = std::fs::read_to_string(&other).expect("the keys");
    let keys: Vec<&str> = text.lines().collect();
    let previous = folder.path().join("previous.key");
    copy(&other, &previous);
    std::fs::write(&previous, keys[1]).expect("it is written");
    let refused = Node::refused(&database, &format!("keyFile = {previous:?}"));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("not the key of this store"),
        "{said}"
    );
    std::fs::write(&previous, keys[0]).expect("it is written");
    let three = Node::start_with(&database, &format!("keyFile = {previous:?}"));
    assert_eq!(
        three.read(&clients[0]).await["client_secret"],
        clients[0]["client_secret"]
    );

    // The third server has no previous key: that is the last step. Each is an event once.
    let text = std::fs::read_to_string(&credentials).expect("credentials");
    let administrator: Value = serde_json::from_str(&text).expect("JSON");
    crate::database::note_secrets(&administrator);
    let token = three.access_token(&administrator).await;
    let steps = async || {
        let actions = STEPS.join(",");
        let path = format!("/admin/v1/audit?action={actions}");
        let request = three.request(reqwest::Method::GET, &path);
        let answer = request.bearer_auth(&token).send().await;
        let page: Value = answer.expect("an answer").json().await.expect("JSON");
        let events = page["events"].as_array().expect("events");
        let actions = events.iter().map(|event| event["action"].clone());
        actions.collect::<Vec<_>>()
    };
    until(async || steps().await.len() >= STEPS.len()).await;
    assert_eq!(steps().await, STEPS);
    // A database can be asked without a server, and while servers run.
    let mut verify = Command::new(env!("CARGO_BIN_EXE_registrar"));
    verify.args(["audit", "verify", "--offline", "--config"]);
    let verified = verify
        .arg(two.configuration())
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success() && said.contains("verified, from position 1"),
        "{verified:?}"
    );
}

/// The steps of a rotation in the audit log.
const STEPS: [&str; 4] = [
    "key_announced",
    "key_put_in_force",
    "key_rotation_completed",
    "key_removed",
];
