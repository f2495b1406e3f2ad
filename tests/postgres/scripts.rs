//! A version of the scripts that is pinned through one server is in force on both.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::Database;
use crate::node::{Node, until};

const PIN: &str = "/admin/v1/scripts/pin";
const VERSIONS: &str = "/admin/v1/scripts/versions";
/// Both servers share the credentials.
const CREDENTIALS: &str = "administrator.json";

fn script(version: &str) -> String {
    format!(
        "fn createClient(context) {{ context.client.software_version = \"{version}\"; true }}\n"
    )
}

/// Starts a server whose script folder has one script.
fn start(database: &Database, folder: &TempDir, version: &str) -> Node {
    let scripts = folder.path().join(version);
    // A restarted server finds its folder.
    std::fs::create_dir_all(&scripts).unwrap();
    std::fs::write(scripts.join("10-version.rhai"), script(version)).unwrap();
    let more = format!(
        "[server]\nissuer = \"https://registrar.example.org\"\n[admin]\ncredentialsFile = {:?}\n\
         [scripts]\ndirectory = {:?}\n",
        folder.path().join(CREDENTIALS).display().to_string(),
        scripts.display().to_string(),
    );
    Node::start_with(database, &more)
}

/// Returns the version that decides on `node`.
async fn decided(node: &Node) -> Value {
    node.register("x").await["software_version"].clone()
}

async fn until_decided(node: &Node, version: &str) {
    until(async || decided(node).await == json!(version)).await;
}

async fn ordered(
    folder: &TempDir,
    node: &Node,
    (method, path): (Method, &str),
    body: Value,
) -> Value {
    let administrator = std::fs::read(folder.path().join(CREDENTIALS)).unwrap();
    let administrator = serde_json::from_slice(&administrator).unwrap();
    let token = node.access_token(&administrator).await;
    let request = node.request(method, path).bearer_auth(token).json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", node.log());
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_through_one_server_is_adopted_by_the_other() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let one = start(&database, &folder, "one");
    let mut two = start(&database, &folder, "two");
    assert_eq!(decided(&one).await, "one");
    assert_eq!(decided(&two).await, "two");

    let files = json!({"files": {"10-version.rhai": script("pushed")}});
    let pushed = ordered(&folder, &one, (Method::POST, VERSIONS), files).await;
    assert_eq!(pushed["is_pinned"], true);
    assert_eq!(decided(&one).await, "pushed");
    until_decided(&two, "pushed").await;
    let ready: Value = two.get("/readyz").await.json().await.unwrap();
    assert_eq!(ready["scriptsPinned"], pushed["version"]);

    // A rollback through the other one, to a version that only the first one had in its folder.
    let versions = ordered(&folder, &two, (Method::GET, VERSIONS), json!({})).await;
    let oldest = versions["versions"].as_array().unwrap().last().unwrap();
    let version = json!({"version": oldest["version"]});
    ordered(&folder, &two, (Method::PUT, PIN), version).await;
    assert_eq!(decided(&two).await, "one");
    until_decided(&one, "one").await;

    // The pin outlives a server, and ends for both.
    two.kill();
    let two = start(&database, &folder, "two");
    assert_eq!(decided(&two).await, "one");
    ordered(&folder, &one, (Method::DELETE, PIN), json!({})).await;
    assert_eq!(decided(&one).await, "one");
    until_decided(&two, "two").await;
}
