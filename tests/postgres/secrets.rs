//! Secrets on PostgreSQL: no secret of a run is in a row of the database.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::body;
use crate::database::Database;
use crate::node::Node;

/// A script that stores a secret of the operator and one of its own, and issues nonces.
const KEEPER: &str = include_str!("../fixtures/scripts/keeper.rhai");

const OPERATORS: &str = "secret-of-the-operator-40d7";

fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

async fn json_of(request: RequestBuilder, status: u16) -> Value {
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), status);
    answer.json().await.unwrap_or_default()
}

/// Returns the secrets in the life of a client.
async fn of_a_client(node: &Node) -> Vec<String> {
    let mut wanted = body("can-be-read-5ab0");
    wanted["grant_types"] = json!(["authorization_code", "client_credentials"]);
    let client = json_of(node.request(Method::POST, "/register").json(&wanted), 201).await;
    let mut update = wanted.clone();
    update["client_id"] = client["client_id"].clone();
    let rotated = json_of(node.of(Method::PUT, &client).json(&update), 200).await;
    assert_ne!(
        rotated["registration_access_token"],
        client["registration_access_token"]
    );
    let asked = json_of(
        node.request(Method::POST, "/register").json(&body("nonce")),
        400,
    )
    .await;
    vec![
        text(&client, "client_secret"),
        text(&client, "registration_access_token"),
        text(&rotated, "registration_access_token"),
        node.access_token(&client).await,
        text(&asked, "nonce"),
    ]
}

/// Returns the secrets in the actions of an administrator.
async fn of_an_administrator(node: &Node, administrator: &Value) -> Vec<String> {
    let token = node.access_token(administrator).await;
    let call = |method: Method, path: &str| node.request(method, path).bearer_auth(&token);
    let made = call(Method::POST, "/admin/v1/initial-access-tokens")
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    let initial = text(&made.json().await.unwrap(), "token");
    let used = node
        .request(Method::POST, "/register")
        .bearer_auth(&initial)
        .json(&body("initial"));
    json_of(used, 201).await;
    let shared = "shared-secret-of-signed-requests-6d20";
    let property = "/registration/dcrSignatureValidationSharedSecret";
    let patch = json!([{"op": "add", "path": property, "value": shared}]);
    let patch = call(Method::PATCH, "/admin/v1/config").body(patch.to_string());
    json_of(
        patch.header("content-type", "application/json-patch+json"),
        200,
    )
    .await;
    vec![
        text(administrator, "client_secret"),
        token.clone(),
        initial,
        shared.to_owned(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_the_database() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("10-keeper.rhai"), KEEPER).expect("a script");
    std::fs::write(folder.path().join("operators"), OPERATORS).expect("a secret");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let more = format!(
        "[admin]\ncredentialsFile = {:?}\n[scripts]\ndirectory = {:?}\n\
         [scripts.secrets]\noperators = {{ file = {:?} }}\n\
         [registration]\nrotateRegistrationAccessToken = \"onUpdate\"\n",
        path("administrator.json"),
        folder.path().display().to_string(),
        path("operators"),
    );
    let node = Node::start_with(&database, &more);
    let administrator =
        std::fs::read(folder.path().join("administrator.json")).expect("credentials");
    let administrator: Value = serde_json::from_slice(&administrator).expect("JSON");
    let mut secrets = of_a_client(&node).await;
    secrets.extend(of_an_administrator(&node, &administrator).await);
    secrets.extend(["kept-by-a-script-8f13", OPERATORS].map(str::to_owned));

    assert!(
        database.rows_with("can-be-read-5ab0").await > 0,
        "public values are readable"
    );
    assert!(
        database.rows_with("initial_access_token_created").await > 0,
        "the audit log is in the database"
    );
    let log = node.log();
    for secret in &secrets {
        assert_eq!(
            database.rows_with(secret).await,
            0,
            "{secret} is in the database"
        );
        assert!(!log.contains(secret.as_str()), "{secret} is in the log");
    }
}
