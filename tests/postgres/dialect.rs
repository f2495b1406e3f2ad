//! Databases that speak the protocol of PostgreSQL and differ from it as `CockroachDB` does: see
//! `proxy.rs` for how. The statements are those of a real server, and a real PostgreSQL does them.

use futures_util::future::join_all;
use reqwest::Method;

use crate::database::{Database, query, run};
use crate::node::{Node, until};
use crate::proxy::Proxy;
use crate::sharing::{conditional_updates, patches_of_another_server, update};

/// What the log says where nobody tells of changes.
const NOT_TOLD: &str = "LISTEN/NOTIFY is not available";

/// The type of a column of the table that says how the others are.
async fn type_of_version(database: &Database) -> String {
    const SQL: &str = "SELECT data_type::text FROM information_schema.columns WHERE \
                       table_name = 'registrar_schema' AND column_name = 'version' \
                       AND table_schema = current_schema()";
    query(&database.url, SQL).await
}

/// Makes, reads, changes and deletes a client, each at another of `nodes` than the one before.
async fn live([one, two]: [&Node; 2]) {
    let client = one.register("made").await;
    assert_eq!(two.read(&client).await["client_secret"], client["client_secret"]);
    let answer = two.of(Method::PUT, &client).json(&update(&client, "changed")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(one.read(&client).await["client_name"], "changed");
    assert_eq!(one.of(Method::DELETE, &client).send().await.unwrap().status(), 204);
    assert_eq!(two.of(Method::GET, &client).send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_live_on_a_database_of_another_dialect() {
    let Some(mut database) = Database::new().await else { return };
    let proxy = Proxy::before(&mut database);
    let nodes = [Node::start(&database), Node::start(&database)];
    assert_eq!(type_of_version(&database).await, "bigint");
    live(nodes.each_ref()).await;
    let client = nodes[0].register("kept").await;
    assert!(proxy.commits() > 0);
    // Each has asked once whether it is told of changes, and looks for them from then on.
    let seen = proxy.looks();
    until(20, async || proxy.looks() >= seen + 6).await;
    assert_eq!(proxy.listens(), 2);
    for node in &nodes {
        assert_eq!(node.log().matches(NOT_TOLD).count(), 1, "{}", node.log());
    }
    drop(nodes);
    let nodes = [Node::start(&database), Node::start(&database)];
    assert_eq!(nodes[1].read(&client).await["client_secret"], client["client_secret"]);
    live(nodes.each_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_is_found_where_nobody_tells_of_it() {
    let Some(mut database) = Database::new().await else { return };
    Proxy::before(&mut database);
    patches_of_another_server(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_make_the_tables_without_a_transaction() {
    let Some(mut database) = Database::new().await else { return };
    Proxy::before(&mut database);
    let nodes: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Node::start(&database))).collect();
        starts.into_iter().map(|node| node.join().unwrap()).collect()
    });
    live([&nodes[0], &nodes[3]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_can_not_be_serialized_are_tried_again() {
    let Some(mut database) = Database::new().await else { return };
    let proxy = Proxy::before(&mut database);
    let nodes = [Node::start(&database), Node::start(&database)];
    // Both write the same counters all the time, and a third of the commits fails besides.
    let registrations = (0..20).map(|turn| {
        let node = &nodes[turn % 2];
        async move {
            for round in 0..10 {
                node.register(&format!("{turn}-{round}")).await;
            }
        }
    });
    join_all(registrations).await;
    assert!(proxy.commits() > 20, "{}", proxy.commits());
    conditional_updates(&nodes).await;
    // Others can come between for long; there is time until whoever asked gives up.
    proxy.refuse_commits(60);
    nodes[0].register("late").await;
    for node in &nodes {
        assert!(!node.log().contains("tokio_postgres"), "remarks are logged: {}", node.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_with_small_integers_are_used_as_they_are() {
    let Some(mut database) = Database::new().await else { return };
    // As every version before this one made them.
    run(
        &database.url,
        "CREATE TABLE registrar_schema (id integer PRIMARY KEY, version integer NOT NULL); \
         INSERT INTO registrar_schema VALUES (1, 0)",
    )
    .await;
    let nodes = [Node::start(&database), Node::start(&database)];
    live(nodes.each_ref()).await;
    drop(nodes);
    Proxy::before(&mut database);
    let nodes = [Node::start(&database), Node::start(&database)];
    live(nodes.each_ref()).await;
    assert_eq!(type_of_version(&database).await, "integer");
    assert_eq!(query::<i32>(&database.url, "SELECT version FROM registrar_schema").await, 1);
}
