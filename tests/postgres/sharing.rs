//! A change at one server is visible at the other.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use registrar::clock::SystemClock;
use registrar::config::{Sources, load};
use registrar::server::{Start, start};
use registrar::testing::inside;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::body;
use crate::database::Database;
use crate::node::{Node, until};

/// Returns the body of a `PUT` of `client`.
pub(crate) fn update(client: &Value, name: &str) -> Value {
    let mut update = body(name);
    update["client_id"] = client["client_id"].clone();
    update
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_one_server_is_known_to_the_other() {
    let Some(database) = Database::new().await else {
        return;
    };
    let (one, two) = (Node::start(&database), Node::start(&database));
    let client = one.register("shared").await;
    let read = two.read(&client).await;
    assert_eq!(read["client_name"], "shared");
    assert_eq!(
        read["client_secret"], client["client_secret"],
        "both have the key of the secrets"
    );

    let answer = two
        .of(Method::PUT, &client)
        .json(&update(&client, "changed"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(one.read(&client).await["client_name"], "changed");

    assert_eq!(
        one.of(Method::DELETE, &client)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    for node in [&one, &two] {
        assert_eq!(
            node.of(Method::GET, &client).send().await.unwrap().status(),
            401
        );
    }
    for name in ["client_secret", "registration_access_token"] {
        let secret = client[name].as_str().unwrap();
        assert_eq!(
            database.rows_with(secret).await,
            0,
            "{name} is in the database"
        );
    }
    for secret in [
        client["client_secret"].as_str().unwrap(),
        database.password(),
    ] {
        assert!(!one.log().contains(secret) && !two.log().contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_conditional_updates_one_succeeds() {
    let Some(database) = Database::new().await else {
        return;
    };
    let nodes = [Node::start(&database), Node::start(&database)];
    conditional_updates(&nodes).await;
}

/// Updates one client at both `nodes` at the same time, each update conditional on the tag read before.
pub(crate) async fn conditional_updates(nodes: &[Node; 2]) {
    let client = nodes[0].register("0").await;
    for round in 0..5 {
        let seen = nodes[0].of(Method::GET, &client).send().await.unwrap();
        let tag = seen.headers()["etag"].clone();
        let updates = (0..20).map(|turn| {
            let body = update(&client, &format!("{round}-{turn}"));
            let request = nodes[turn % 2]
                .of(Method::PUT, &client)
                .json(&body)
                .header("If-Match", &tag);
            async { request.send().await.unwrap().status() }
        });
        let outcomes = join_all(updates).await;
        let count = |status| {
            outcomes
                .iter()
                .filter(|outcome| **outcome == status)
                .count()
        };
        assert_eq!(count(StatusCode::OK), 1, "{outcomes:?}");
        // A late update finds another tag; an update that is overtaken after that check finds a conflict.
        let refused = count(StatusCode::PRECONDITION_FAILED) + count(StatusCode::CONFLICT);
        assert_eq!(refused, 19, "{outcomes:?}");
    }
    let (here, there) = (nodes[0].read(&client).await, nodes[1].read(&client).await);
    assert_eq!(here["client_name"], there["client_name"]);
}

/// Registers over four connections until the server no longer answers or `limit` clients are
/// registered. Returns the acknowledged clients.
async fn storm(node: &Node, limit: usize) -> Vec<Value> {
    let connections = (0..4).map(|connection| async move {
        let mut acknowledged: Vec<Value> = Vec::new();
        while acknowledged.len() < limit {
            let name = format!("{connection}-{}", acknowledged.len());
            let Ok(answer) = node.try_register(&name).await else {
                break;
            };
            let status = answer.status();
            let Ok(client) = answer.json().await else {
                break;
            };
            assert_eq!(status, 201, "{client}");
            acknowledged.push(client);
        }
        acknowledged
    });
    join_all(connections).await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_acknowledged_is_served_by_the_other() {
    let Some(database) = Database::new().await else {
        return;
    };
    let (mut one, two) = (Node::start(&database), Node::start(&database));
    let first = storm(&one, 5).await;
    // The other server keeps running while this one is killed under load. Of five answers over four connections, one
    // was read before the next request was sent.
    let answers = || one.log().matches(r#""status":201"#).count();
    let before = answers();
    let kill = async {
        until(async || answers() >= before + 5).await;
        one.signal("-KILL");
    };
    let ((second, third), ()) = join(join(storm(&one, usize::MAX), storm(&two, 20)), kill).await;
    one.kill();
    assert!(!second.is_empty() && third.len() == 80);
    for client in [first, second, third].concat() {
        let read = two.read(&client).await;
        assert_eq!(read["client_secret"], client["client_secret"]);
    }
    // The locks of the killed server are free again.
    two.register("after").await;
    let again = Node::start(&database);
    again.register("again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_at_one_server_takes_effect_at_the_other() {
    let Some(database) = Database::new().await else {
        return;
    };
    patches_of_another_server(&database).await;
}

/// Patches the configuration at a server of this process, and checks that another one applies it.
pub(crate) async fn patches_of_another_server(database: &Database) {
    let node = Node::start(database);
    let overrides = [
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("store.url", database.url.clone()),
        ("store.keyFile", database.key_file().display().to_string()),
    ];
    let overrides = overrides
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
    let sources = Sources {
        overrides,
        ..Sources::default()
    };
    let configuration = load(&sources).unwrap();
    let here = start(Start {
        configuration,
        sources,
        clock: Arc::new(SystemClock),
    })
    .await
    .unwrap();
    for is_enabled in [false, true, false] {
        let operations = json!([{
            "op": "replace", "path": "/registration/dynamicRegistrationEnabled", "value": is_enabled,
        }]);
        let operations = operations.to_string();
        let patched = inside(&here).patch(operations.as_bytes(), None).await;
        patched.unwrap();
        let wanted = if is_enabled { 201 } else { 403 };
        until(async || node.try_register("x").await.unwrap().status() == wanted).await;
    }
    assert!(
        node.log()
            .contains("another server patched the configuration"),
        "{}",
        node.log()
    );
    let late = Node::start(database);
    assert_eq!(
        late.try_register("x").await.unwrap().status(),
        403,
        "a server that starts later applies it, too"
    );
    here.stop().await;
}
