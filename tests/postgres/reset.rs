//! `registrar admin reset` while servers run on the database.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::database::{Database, note_secrets};
use crate::node::Node;

fn reset(node: &Node) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registrar"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .args(["admin", "reset", "--config"]);
    command
        .arg(node.configuration())
        .output()
        .expect("the binary runs")
}

fn credentials(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("the file is there");
    let credentials = serde_json::from_str(&text).expect("JSON");
    note_secrets(&credentials);
    credentials
}

async fn sign_in(node: &Node, who: &Value) -> StatusCode {
    let text = |name: &str| who[name].as_str().expect("a text").to_owned();
    let request = node.form("/token", "grant_type=client_credentials".to_owned());
    let request = request.basic_auth(text("client_id"), Some(text("client_secret")));
    request.send().await.expect("an answer").status()
}

async fn list(node: &Node, token: &str) -> StatusCode {
    let request = node
        .request(Method::GET, "/admin/v1/clients")
        .bearer_auth(token);
    request.send().await.expect("an answer").status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_servers_accept_the_new_secret_at_once_and_there_is_always_an_administrator() {
    let Some(database) = Database::new().await else {
        return;
    };
    let file = database.key_file().with_file_name("credentials.json");
    let admin = format!(
        "[admin]\ncredentialsFile = {:?}",
        file.display().to_string()
    );
    let nodes = [
        Node::start_with(&database, &admin),
        Node::start_with(&database, &admin),
    ];
    let first = credentials(&file);
    let token = nodes[0].access_token(&first).await;

    for _ in 0..2 {
        let before = credentials(&file);
        let output = reset(&nodes[0]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains(file.to_str().expect("a path")),
            "{said}"
        );
        let after = credentials(&file);
        for node in &nodes {
            assert_eq!(
                sign_in(node, &before).await,
                401,
                "the previous secret is no longer valid"
            );
            assert_eq!(
                list(node, &token).await,
                401,
                "nor is the token that it obtained"
            );
            let token = node.access_token(&after).await;
            assert_eq!(list(node, &token).await, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_file_for_the_credentials_nothing_is_changed() {
    let Some(database) = Database::new().await else {
        return;
    };
    let file = database.key_file().with_file_name("credentials.json");
    let admin = format!(
        "[admin]\ncredentialsFile = {:?}",
        file.display().to_string()
    );
    let (named, unnamed) = (Node::start_with(&database, &admin), Node::start(&database));
    let output = reset(&unnamed);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("admin.credentialsFile"),
        "{said}"
    );
    assert_eq!(sign_in(&named, &credentials(&file)).await, 200);
}
