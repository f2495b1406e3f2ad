//! Errors of a server that cannot start on its database.

use crate::database::Database;
use crate::node::Node;

/// Returns the error of a server that does not start with these lines in its `[store]`.
fn refusal(database: &Database, store: &str) -> String {
    let output = Node::refused(database, store);
    assert_eq!(output.status.code(), Some(1), "{store}");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(
        !text.contains(database.password()),
        "the password is shown: {text}"
    );
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_is_rejected() {
    let Some(database) = Database::new().await else {
        return;
    };
    let running = Node::start(&database);
    running.register("one").await;
    let other = database.key_file().with_file_name("other.key");
    let with_other = format!("keyFile = \"{}\"", other.display());
    let text = refusal(&database, &with_other);
    assert!(
        text.contains("other.key") && text.contains("missing"),
        "{text}"
    );
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    std::fs::write(&other, key).unwrap();
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let text = refusal(&database, &with_other);
    assert!(
        text.contains("other.key") && text.contains("not the key of this store"),
        "{text}"
    );
    running.register("two").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_have_one_key() {
    let Some(database) = Database::new().await else {
        return;
    };
    let nodes: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| Node::start(&database)))
            .collect();
        starts
            .into_iter()
            .map(|node| node.join().unwrap())
            .collect()
    });
    let client = nodes[0].register("one").await;
    for node in &nodes {
        assert_eq!(
            node.read(&client).await["client_secret"],
            client["client_secret"]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_database_is_named() {
    let Some(mut database) = Database::new().await else {
        return;
    };
    let (start, rest) = database.url.rsplit_once("127.0.0.1:").expect("a host");
    let (_, rest) = rest.split_once('/').expect("a database");
    database.url = format!("{start}127.0.0.1:1/{rest}");
    let text = refusal(&database, "");
    assert!(
        text.contains("the store postgres://registrar:********@127.0.0.1:1/"),
        "{text}"
    );
    assert!(
        text.contains("refused") && text.contains("check that the database is running"),
        "{text}"
    );
    assert!(
        !text.contains("--data"),
        "the error must not mention a folder: {text}"
    );
    let text = refusal(&database, "connections = 0\ntimeoutMs = 0");
    assert!(
        text.contains("store.connections") && text.contains("store.timeoutMs"),
        "{text}"
    );
    database.url = database.url.replace('?', "?sslmode=never&");
    let text = refusal(&database, "");
    assert!(text.contains("sslmode must be"), "{text}");
}
