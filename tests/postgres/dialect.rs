//! Databases that speak the PostgreSQL protocol but differ from PostgreSQL as `CockroachDB` does; see
//! `proxy.rs`. A real server sends the statements, and a real PostgreSQL runs them.

use futures_util::future::join_all;
use reqwest::Method;

use crate::database::{Database, query, run};
use crate::node::{Node, until};
use crate::proxy::Proxy;
use crate::sharing::{conditional_updates, patches_of_another_server, update};

/// The log message for databases that do not notify of changes.
const NOT_TOLD: &str = "LISTEN/NOTIFY is not available";

/// Returns the type of the column `version` in the table that describes the schema.
async fn type_of_version(database: &Database) -> String {
    const SQL: &str = "SELECT data_type::text FROM information_schema.columns WHERE \
                       table_name = 'registrar_schema' AND column_name = 'version' \
                       AND table_schema = current_schema()";
    query(&database.url, SQL).await
}

/// Registers, reads, changes and deletes a client, alternating between the two nodes.
async fn live([one, two]: [&Node; 2]) {
    let client = one.register("made").await;
    assert_eq!(
        two.read(&client).await["client_secret"],
        client["client_secret"]
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
    assert_eq!(
        two.of(Method::GET, &client).send().await.unwrap().status(),
        401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_work_with_a_database_of_another_dialect() {
    let Some(mut database) = Database::new().await else {
        return;
    };
    let proxy = Proxy::before(&mut database);
    let nodes = [Node::start(&database), Node::start(&database)];
    assert_eq!(type_of_version(&database).await, "bigint");
    live(nodes.each_ref()).await;
    let client = nodes[0].register("kept").await;
    assert!(proxy.commits() > 0);
    // Each server has tried LISTEN once, and polls for changes from then on.
    let seen = proxy.looks();
    until(async || proxy.looks() >= seen + 6).await;
    assert_eq!(proxy.listens(), 2);
    for node in &nodes {
        assert_eq!(node.log().matches(NOT_TOLD).count(), 1, "{}", node.log());
    }
    drop(nodes);
    let nodes = [Node::start(&database), Node::start(&database)];
    assert_eq!(
        nodes[1].read(&client).await["client_secret"],
        client["client_secret"]
    );
    live(nodes.each_ref()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_is_found_by_polling() {
    let Some(mut database) = Database::new().await else {
        return;
    };
    Proxy::before(&mut database);
    patches_of_another_server(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_create_the_tables_without_a_transaction() {
    let Some(mut database) = Database::new().await else {
        return;
    };
    Proxy::before(&mut database);
    let nodes: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Node::start(&database)))
            .collect();
        starts
            .into_iter()
            .map(|node| node.join().unwrap())
            .collect()
    });
    live([&nodes[0], &nodes[3]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_cannot_be_serialized_are_retried() {
    let Some(mut database) = Database::new().await else {
        return;
    };
    let proxy = Proxy::before(&mut database);
    let nodes = [Node::start(&database), Node::start(&database)];
    // Both servers keep writing the same counters, and in addition a third of the commits fails.
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
    // Conflicts can go on for a while; there is time until the client gives up.
    proxy.refuse_commits(60);
    nodes[0].register("late").await;
    for node in &nodes {
        assert!(
            !node.log().contains("tokio_postgres"),
            "notices of the database are logged: {}",
            node.log()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_with_4_byte_integers_are_used_as_they_are() {
    let Some(mut database) = Database::new().await else {
        return;
    };
    // As all previous versions created them.
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
    assert_eq!(
        query::<i32>(&database.url, "SELECT version FROM registrar_schema").await,
        1
    );
}
