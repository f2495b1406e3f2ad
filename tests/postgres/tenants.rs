//! Several issuers on one database, as `docs/tenants.md` describes them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::database::{Database, named, note_secrets, run};
use crate::node::Node;

const MANUAL: &str = include_str!("../../docs/tenants.md");

/// Returns the URL of the test database for this role.
fn url_of(url: &str, role: &str, password: &str) -> String {
    let (_, server) = url.split_once('@').expect("a user");
    format!("postgres://{role}:{password}@{server}")
}

/// Prepares the database for a tenant with the statements of the manual.
async fn tenant(url: &str, name: &str) -> Database {
    let name = format!("{name}_{}", std::process::id());
    let (_, rest) = MANUAL.split_once("```sql\n").expect("the statements");
    let (statements, _) = rest.split_once("```").expect("their end");
    run(url, &statements.replace("acme", &name)).await;
    Database::at(url_of(url, &name, "change-me"))
}

/// Starts a server that creates an administrator, and returns both.
fn start(database: &Database) -> (Node, Value) {
    let file = database.key_file().with_file_name("credentials.json");
    let admin = format!(
        "[admin]\ncredentialsFile = {:?}",
        file.display().to_string()
    );
    let node = Node::start_with(database, &admin);
    let text = std::fs::read_to_string(&file).expect("the credentials");
    let administrator = serde_json::from_str(&text).expect("JSON");
    note_secrets(&administrator);
    (node, administrator)
}

async fn read(node: &Node, client: &Value) -> StatusCode {
    let answer = node.of(Method::GET, client).send().await;
    answer.expect("an answer").status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_on_one_database_do_not_see_each_other() {
    let Some(url) = named() else {
        return;
    };
    let (acme, globex) = (tenant(&url, "acme").await, tenant(&url, "globex").await);
    let (one, administrator) = start(&acme);
    let (two, _) = start(&globex);
    let client = one.register("of acme").await;
    let id = client["client_id"].as_str().expect("an id");
    assert_eq!(read(&one, &client).await, 200);
    assert_eq!(read(&two, &client).await, 401);
    assert!(acme.rows_with(id).await > 0);
    assert_eq!(globex.rows_with(id).await, 0);

    // Neither the administrator nor its tokens are known to the other tenant.
    let token = one.access_token(&administrator).await;
    for (node, expected) in [(&one, 200), (&two, 401)] {
        let list = node.request(Method::GET, "/admin/v1/clients");
        let answer = list.bearer_auth(&token).send().await.expect("an answer");
        assert_eq!(answer.status(), expected);
    }

    // A patch notifies both servers and changes one. It survives a restart of both.
    let off =
        json!([{"op": "add", "path": "/registration/dynamicRegistrationEnabled", "value": false}]);
    let patch = one
        .request(Method::PATCH, "/admin/v1/config")
        .bearer_auth(&token)
        .header("content-type", "application/json-patch+json")
        .body(off.to_string());
    assert_eq!(patch.send().await.expect("an answer").status(), 200);
    let refused = one.try_register("disabled").await.expect("an answer");
    assert!(refused.status().is_client_error(), "{}", refused.status());
    let other = two.register("of globex").await;
    drop((one, two));
    let (one, two) = (Node::start(&acme), Node::start(&globex));
    let refused = one.try_register("disabled").await.expect("an answer");
    assert!(refused.status().is_client_error(), "{}", refused.status());
    two.register("more of globex").await;
    assert_eq!(read(&two, &other).await, 200);
    assert_eq!(read(&one, &other).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_of_a_tenant_reads_no_other_schema() {
    let Some(url) = named() else {
        return;
    };
    let (own, other) = (tenant(&url, "own").await, tenant(&url, "other").await);
    let _owner = Node::start(&other);
    let schema = format!("other_{}", std::process::id());
    let mut intruder = Database::at(format!("{}?options=-csearch_path%3D{schema}", own.url));
    let output = Node::refused(&intruder, "");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("change-me"), "the password is shown: {text}");
    // A schema that does not exist is an error, and never the schema `public`.
    intruder.url = format!("{}?options=-csearch_path%3Dmissing", own.url);
    let output = Node::refused(&intruder, "");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("schema"), "{text}");
    // With its own schema, the same role works.
    Node::start(&own).register("one").await;
}
