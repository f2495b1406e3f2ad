//! Export and import: clients that move from one store to another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, GRANT, Registered, TestServer, machine, minimal, with};

/// Returns an export of all clients.
pub(crate) async fn export(server: &TestServer) -> String {
    let answer = server.called("GET", "/admin/v1/clients/export").await;
    answer.expect_status(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.text
}

/// Imports `lines`.
pub(crate) async fn import(
    server: &TestServer,
    query: &str,
    lines: impl Into<reqwest::Body>,
) -> Answer {
    let request = server
        .administrate("POST", &format!("/admin/v1/clients/import{query}"))
        .await;
    Answer::of(
        request
            .header("content-type", "application/x-ndjson")
            .body(lines),
    )
    .await
}

/// Returns the clients of an export and its last line.
pub(crate) fn read(lines: &str) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.pop().expect("a last line");
    (lines, last)
}

/// Returns the text of an export of `clients`.
pub(crate) fn write(clients: &[Value]) -> String {
    let lines = clients.iter().map(Value::to_string);
    let lines: Vec<String> = lines
        .chain([json!({"clients": clients.len()}).to_string()])
        .collect();
    lines.join("\n") + "\n"
}

/// Returns an export of `count` clients that do not exist in any store.
async fn many(server: &TestServer, count: usize) -> Vec<Value> {
    let client = server
        .register(&with(minimal(), json!({"client_name": "x".repeat(300)})))
        .await;
    let (clients, _) = read(&export(server).await);
    server.delete(&client).await.expect_status(204);
    let named = |turn: usize| {
        with(
            clients[0].clone(),
            json!({"client_id": format!("m{turn:05}")}),
        )
    };
    (0..count).map(named).collect()
}

#[tokio::test]
async fn a_client_keeps_working_in_another_store() {
    let (from, to) = (TestServer::new().await, TestServer::new().await);
    let confidential = from.register(&machine()).await;
    let public = with(
        minimal(),
        json!({"token_endpoint_auth_method": "none", "lifetime": 1_000}),
    );
    let public = from.register(&public).await;
    from.initial_access(
        "initial",
        json!({"policy": {"redirect_hosts": ["client.example.org"]}}),
    )
    .await;
    let bound = Registered::of(from.post_with("initial", &minimal()).await.body);
    from.update(&bound, &bound.update(json!({"client_name": "Second"})))
        .await
        .expect_status(200);

    let lines = export(&from).await;
    let (clients, last) = read(&lines);
    assert_eq!(
        (clients.len(), &last),
        (3, &json!({"clients": 3})),
        "the export leaves out the administrator"
    );
    let answer = import(&to, "", lines.clone()).await;
    answer.expect_status(200);
    assert_eq!(
        answer.body,
        json!({"imported": 3, "skipped": 0, "replaced": 0})
    );
    assert_eq!(export(&to).await, lines, "both exports are identical");

    assert!(
        !to.access_token(&confidential).await.is_empty(),
        "its secret is valid"
    );
    let at = |client: &Registered| Registered {
        uri: to.url(&format!("/register?client_id={}", client.id)),
        ..client.clone()
    };
    let read = to.read(&at(&confidential)).await;
    assert_eq!(
        read.body["client_secret"],
        confidential.body["client_secret"]
    );
    assert_eq!(
        read.body["client_id_issued_at"],
        confidential.body["client_id_issued_at"]
    );
    assert_eq!(to.read(&at(&bound)).await.header("etag"), "\"2\"");
    assert_eq!(to.provenance(&bound).await, from.provenance(&bound).await);
    let other = with(
        minimal(),
        json!({"redirect_uris": ["https://other.example.org/cb"], "client_id": bound.id}),
    );
    to.update(&at(&bound), &other).await.expect_bad_redirect();
    to.delete(&at(&bound)).await.expect_status(204);
    to.read(&at(&public)).await.expect_status(200);
    to.clock.advance(1_000);
    to.read(&at(&public)).await.expect_status(401);
}

#[tokio::test]
async fn existing_clients_are_rejected_skipped_or_replaced() {
    let server = TestServer::new().await;
    let (kept, deleted) = (
        server.register(&machine()).await,
        server.register(&minimal()).await,
    );
    let lines = export(&server).await;
    for query in ["", "?existing=refuse"] {
        let answer = import(&server, query, lines.clone()).await;
        answer.expect_error(400, &["client_exists"]);
        assert_eq!(
            (&answer.body["line"], &answer.body["imported"]),
            (&json!(1), &json!(0))
        );
    }
    server.delete(&deleted).await.expect_status(204);
    server
        .update(&kept, &kept.update(json!({"client_name": "Later"})))
        .await
        .expect_status(200);
    let skipped = import(&server, "?existing=skip", lines.clone()).await;
    assert_eq!(
        skipped.body,
        json!({"imported": 1, "skipped": 1, "replaced": 0})
    );
    assert_eq!(server.read(&kept).await.body["client_name"], "Later");
    let replaced = import(&server, "?existing=replace", lines.clone()).await;
    assert_eq!(
        replaced.body,
        json!({"imported": 0, "skipped": 0, "replaced": 2})
    );
    assert_eq!(server.read(&kept).await.body["client_name"], Value::Null);
    assert_eq!(export(&server).await, lines, "an import can be repeated");
    server.read(&deleted).await.expect_status(200);
    for query in [
        "?existing=",
        "?existing=maybe",
        "?existing=skip&existing=skip",
        "?unknown=1",
    ] {
        import(&server, query, lines.clone())
            .await
            .expect_error(400, &["invalid_request"]);
    }
}

#[tokio::test]
async fn the_body_may_be_larger_than_that_of_a_registration() {
    let server = TestServer::new().await;
    let clients = many(&server, 450).await;
    let lines = write(&clients);
    assert!(lines.len() > 4 * 65_536, "{}", lines.len());
    let answer = import(&server, "", lines.clone()).await;
    assert_eq!(
        answer.body,
        json!({"imported": 450, "skipped": 0, "replaced": 0}),
        "{}",
        answer.text
    );
    assert_eq!(
        export(&server).await,
        lines,
        "more than one page in the same order"
    );
    let answer = server
        .called("DELETE", "/admin/v1/clients?client_id=m&confirm=450")
        .await;
    assert_eq!(
        answer.body,
        json!({"deleted": 450}),
        "more than one page is deleted"
    );
}

#[tokio::test]
async fn an_export_has_each_client_once_while_others_are_created_and_deleted() {
    let server = TestServer::new().await;
    let clients = many(&server, 600).await;
    import(&server, "", write(&clients))
        .await
        .expect_status(200);
    let stayed: BTreeSet<String> = (0..600)
        .filter(|turn| turn % 3 != 0)
        .map(|turn| format!("m{turn:05}"))
        .collect();
    let change = async {
        for turn in (0..600).filter(|turn| turn % 3 == 0) {
            let path = format!("/admin/v1/clients/m{turn:05}");
            server.called("DELETE", &path).await.expect_status(204);
            if turn % 30 == 0 {
                server.register(&minimal()).await;
            }
        }
    };
    let exports = async {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(export(&server).await);
        }
        all
    };
    let (exports, ()) = tokio::join!(exports, change);
    for lines in exports {
        let (clients, last) = read(&lines);
        assert_eq!(last, json!({"clients": clients.len()}));
        let ids: Vec<&str> = clients
            .iter()
            .map(|client| client["client_id"].as_str().unwrap())
            .collect();
        assert!(
            ids.is_sorted_by(|one, next| one < next),
            "the clients are in order without duplicates"
        );
        let ids: BTreeSet<String> = ids.into_iter().map(str::to_owned).collect();
        assert!(
            stayed.is_subset(&ids),
            "all clients that were not deleted are there"
        );
    }
}

#[tokio::test]
async fn an_export_has_no_content_length_and_contains_each_secret_once() {
    let server = TestServer::new().await;
    assert_eq!(export(&server).await, "{\"clients\":0}\n");
    let client = server.register(&machine()).await;
    let lines = export(&server).await;
    assert_eq!(
        lines
            .matches(client.body["client_secret"].as_str().unwrap())
            .count(),
        1
    );
    assert!(
        !lines.contains(&client.token),
        "only a digest of the token is stored"
    );
    let administrator = server.administrator();
    assert!(!lines.contains(administrator.body["client_secret"].as_str().unwrap()));
    server
        .basic(&client, "/token", &[GRANT])
        .await
        .expect_status(200);
    server
        .called("GET", "/admin/v1/clients/export?limit=1")
        .await
        .expect_error(400, &["invalid_request"]);
}
