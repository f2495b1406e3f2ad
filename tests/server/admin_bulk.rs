//! Changes of all clients that a filter matches, and the filters for how clients were registered and used.

use serde_json::{Value, json};

use crate::support::{Registered, TestServer, machine, minimal, with};

const ALL: &str = "/admin/v1/clients";

async fn register(server: &TestServer, name: &str) -> Registered {
    let members = json!({"client_name": name, "software_id": "s"});
    server.register(&with(minimal(), members)).await
}

/// Returns the identifiers of the clients that the query selects, sorted.
async fn found(server: &TestServer, query: &str) -> Vec<String> {
    let answer = server.called("GET", &format!("{ALL}?{query}")).await;
    answer.expect_status(200);
    let clients = answer.body["clients"].as_array().unwrap();
    let mut ids: Vec<String> = clients
        .iter()
        .map(|client| client["client_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    ids
}

fn sorted(clients: &[&Registered]) -> Vec<String> {
    let mut ids: Vec<String> = clients.iter().map(|client| client.id.clone()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_dry_run_counts_what_a_confirmed_change_changes() {
    let server = TestServer::new().await;
    let mut clients = Vec::new();
    for turn in 0..23 {
        clients.push(register(&server, &format!("N {turn}")).await);
    }
    let other = server.register(&minimal()).await;
    for (method, path) in [
        ("DELETE", ALL.to_owned()),
        ("POST", format!("{ALL}/disable")),
        ("POST", format!("{ALL}/enable")),
    ] {
        let dry = format!("{path}?software_id=s&dry_run=true");
        let dry = server.called(method, &dry).await;
        dry.expect_status(200);
        assert_eq!(dry.body["count"], 23, "{method} {path}");
        let first = dry.body["first"].as_array().unwrap();
        assert_eq!(first.len(), 20, "a dry run names only the first clients");
        assert!(
            first
                .iter()
                .all(|id| clients.iter().any(|one| *id == one.id.as_str()))
        );
        for count in [0, 22, 24] {
            let wrong = format!("{path}?software_id=s&confirm={count}");
            let wrong = server.called(method, &wrong).await;
            wrong.expect_error(409, &["count_differs"]);
            assert_eq!(wrong.body["count"], 23);
        }
    }
    assert_eq!(server.storage().count_clients().await.unwrap(), 25);
    assert_eq!(found(&server, "disabled=true").await, [""; 0]);
    let after = server.last_event().await;
    let disable = format!("{ALL}/disable?software_id=s&confirm=23");
    let disabled = server.called("POST", &disable).await;
    assert_eq!(disabled.body, json!({"disabled": 23}));
    server.read(&clients[0]).await.expect_status(401);
    server.read(&other).await.expect_status(200);
    let again = server.called("POST", &disable).await;
    assert_eq!(again.body, json!({"disabled": 0, "unchanged": 23}));
    let is_whole =
        |event: &Value| event["action"] == "client_updated" && event["actor"] == "administrator";
    let events = server.events(after).await;
    assert_eq!(events.iter().filter(|event| is_whole(event)).count(), 23);
    let enable = format!("{ALL}/enable?disabled=true&confirm=23");
    let enabled = server.called("POST", &enable).await;
    assert_eq!(enabled.body, json!({"enabled": 23}));
    server.read(&clients[0]).await.expect_status(200);
}

#[tokio::test]
async fn a_change_of_many_clients_needs_a_filter_and_a_count() {
    let server = TestServer::new().await;
    register(&server, "K").await;
    for query in [
        "",
        "?confirm=1",
        "?client_id=&confirm=2",
        "?software_id=s",
        "?software_id=s&dry_run=false",
        "?software_id=s&dry_run=true&confirm=1",
        "?software_id=s&confirm=x",
        "?software_id=s&unknown=1&confirm=1",
        "?address=192.0.2.0/33&confirm=0",
        "?disabled=maybe&confirm=0",
        "?used_before=yesterday&confirm=0",
    ] {
        for verb in ["disable", "enable"] {
            let answer = server.called("POST", &format!("{ALL}/{verb}{query}")).await;
            answer.expect_error(400, &["invalid_request"]);
        }
    }
    let operators = format!("{ALL}/disable?trust_level=operator&confirm=0");
    let operators = server.called("POST", &operators).await;
    assert_eq!(operators.body, json!({"disabled": 0}));
    let token = server.administrator_token_for("clients.read").await;
    for (method, path) in [
        ("POST", "/admin/v1/clients/disable?software_id=s&confirm=1"),
        (
            "POST",
            "/admin/v1/clients/enable?software_id=s&dry_run=true",
        ),
        ("DELETE", "/admin/v1/clients?software_id=s&dry_run=true"),
    ] {
        let answer = server.call_as(&token, method, path, None).await;
        answer.expect_error(403, &["insufficient_scope"]);
    }
    assert_eq!(found(&server, "disabled=true").await, [""; 0]);
}

#[tokio::test]
async fn a_script_can_keep_some_clients_enabled() {
    let script = r#"fn updateClient(context) { context.client.client_name != "kept" }"#;
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    for name in ["kept", "off", "off"] {
        register(&server, name).await;
    }
    let path = format!("{ALL}/disable?software_id=s&confirm=3");
    let answer = server.called("POST", &path).await;
    assert_eq!(answer.body, json!({"disabled": 2, "refused": 1}));
    let events = server.events(0).await;
    let refused = events
        .iter()
        .filter(|event| event["action"] == "update_refused" && event["actor"] == "administrator");
    assert_eq!(refused.count(), 1);
}

#[tokio::test]
async fn clients_are_found_by_how_they_were_registered_and_used() {
    let script = "fn createClient(context) { true }";
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let plain = server.register(&minimal()).await;
    let worker = server.register(&machine()).await;
    server.initial_access("initial", json!({})).await;
    let invited = server.post_with("initial", &minimal()).await;
    let invited = Registered::of(invited.body);
    let token = server.provenance(&invited).await["initial_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let version = server.provenance(&plain).await["script_version"]
        .as_str()
        .unwrap()
        .to_owned();
    let all = sorted(&[&plain, &worker, &invited]);
    for (query, expected) in [
        (format!("initial_access_token={token}"), sorted(&[&invited])),
        (format!("script_version={version}"), all.clone()),
        ("script_version=other".to_owned(), Vec::new()),
        (
            "address=127.0.0.0/8&trust_level=open".to_owned(),
            sorted(&[&plain, &worker]),
        ),
        ("address=192.0.2.1".to_owned(), Vec::new()),
        (
            "disabled=false&never_used=true&address=127.0.0.1".to_owned(),
            all,
        ),
        (
            "statement_iss=https://issuer.example".to_owned(),
            Vec::new(),
        ),
    ] {
        assert_eq!(found(&server, &query).await, expected, "{query}");
    }
    let used = format!("{ALL}/{}/used", worker.id);
    server.called("POST", &used).await.expect_status(204);
    let used = found(&server, "never_used=false&used_from=1&trust_level=open").await;
    assert_eq!(used, sorted(&[&worker]));
    assert_eq!(
        found(&server, "used_before=1&trust_level=open").await,
        [""; 0]
    );
}
