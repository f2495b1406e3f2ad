//! Imports of invalid exports.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, GRANT, TestServer, machine, with};
use crate::transfer::{export, import, read, write};

/// Returns a valid client of another store with this identifier.
async fn client(id: &str) -> Value {
    let from = TestServer::new().await;
    from.register(&machine()).await;
    let (clients, _) = read(&export(&from).await);
    with(clients[0].clone(), json!({"client_id": id}))
}

/// Returns `client` with `value` at `path`; null removes the member.
fn spoiled(client: &Value, path: &str, value: &Value) -> Value {
    let mut spoiled = client.clone();
    let (parent, name) = path.rsplit_once('/').expect("a path");
    let members = spoiled
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("an object");
    if value.is_null() {
        members.shift_remove(name);
    } else {
        members.insert(name.to_owned(), value.clone());
    }
    spoiled
}

#[tokio::test]
async fn an_invalid_member_is_named_but_its_value_is_not_repeated() {
    let server = TestServer::new().await;
    let good = client("good").await;
    let text = "garbage-5e0b7f4c";
    let cases = [
        (
            "/client_id",
            vec![
                json!(null),
                json!(5),
                json!(""),
                json!("with space"),
                json!("x".repeat(129)),
                json!("administrator"),
                json!("https://a.example/client"),
            ],
        ),
        (
            "/client_id_issued_at",
            vec![json!(text), json!(-1), json!(1.5), json!([])],
        ),
        ("/expires_at", vec![json!(text), json!(-1), json!({})]),
        (
            "/client_secret",
            vec![json!(null), json!(5), json!(""), json!([text])],
        ),
        ("/client_secret_expires_at", vec![json!(text), json!(-5)]),
        (
            "/registration_access_token_sha256",
            vec![json!(text), json!({}), json!({"current": 5})],
        ),
        (
            "/registration_access_token_sha256/current",
            vec![json!(text), json!(""), json!("AAAA"), json!([])],
        ),
        (
            "/registration_access_token_sha256/previous",
            vec![json!(text), json!("AAAA")],
        ),
        ("/revision", vec![json!(text), json!(-1)]),
        ("/metadata", vec![json!(null), json!(text), json!([])]),
        (
            "/metadata/redirect_uris",
            vec![json!(text), json!([5]), json!({})],
        ),
        ("/metadata/client_name", vec![json!(5), json!([text])]),
        ("/metadata/default_max_age", vec![json!(text), json!(-1)]),
        ("/metadata/jwks", vec![json!(text), json!([])]),
        ("/metadata/require_auth_time", vec![json!(text), json!(1)]),
        ("/metadata/client_secret", vec![json!(text)]),
        ("/metadata/registration_access_token", vec![json!(text)]),
        ("/metadata/evidence", vec![json!(text)]),
        (
            "/metadata/scope",
            vec![json!(5), json!("openid clients.write")],
        ),
        ("/provenance", vec![json!(text), json!({})]),
        (
            "/provenance/trust_level",
            vec![json!(null), json!(text), json!("operator")],
        ),
        ("/provenance/address", vec![json!(text), json!(5)]),
        ("/unknown", vec![json!(text)]),
    ];
    for (turn, (path, values)) in cases.iter().enumerate() {
        for (number, value) in values.iter().enumerate() {
            let first = with(
                good.clone(),
                json!({"client_id": format!("first-{turn}-{number}")}),
            );
            let lines = write(&[first, spoiled(&good, path, value)]);
            let answer = import(&server, "", lines).await;
            answer.expect_error(400, &["invalid_import"]);
            assert_eq!(
                (&answer.body["line"], &answer.body["imported"]),
                (&json!(2), &json!(1)),
                "{path}: {value}"
            );
            let description = answer.body["error_description"].as_str().unwrap();
            let member = path.split('/').nth(1).unwrap();
            let is_named = description.contains(member) || member == "unknown";
            assert!(
                is_named && description.starts_with("line 2: "),
                "{path}: {value}: {description}"
            );
            assert!(!description.contains(text), "{description}");
        }
    }
    assert_eq!(
        import(&server, "", write(&[good])).await.status,
        200,
        "nothing of an invalid line is stored"
    );
}

#[tokio::test]
async fn an_invalid_line_ends_the_import_and_the_answer_reports_what_was_imported() {
    let server = TestServer::new().await;
    let (one, two) = (client("one").await, client("two").await);
    let deep = format!("{}{}", "{\"a\":".repeat(1_000), "1");
    let long = format!("{{\"client_id\": \"{}\"}}", "x".repeat(1_100_000));
    for bad in [
        "",
        " ",
        "[]",
        "5",
        "null",
        "{}",
        "{",
        "text",
        "{\"client_id\":\"a\",\"client_id\":\"b\"}",
        &deep,
        &long,
    ] {
        let lines = format!("{one}\n{bad}\n{two}\n{{\"clients\":2}}\n");
        let answer = import(&server, "?existing=replace", lines).await;
        answer.expect_error(400, &["invalid_import"]);
        assert_eq!(answer.body["line"], 2, "{}", answer.text);
        let (imported, replaced) = (&answer.body["imported"], &answer.body["replaced"]);
        assert_eq!(imported.as_u64().unwrap() + replaced.as_u64().unwrap(), 1);
    }
    let bytes = [one.to_string().as_bytes(), b"\n\xff\xfe\n"].concat();
    import(&server, "?existing=skip", bytes)
        .await
        .expect_error(400, &["invalid_import"]);
}

#[tokio::test]
async fn a_truncated_export_is_detected() {
    let server = TestServer::new().await;
    let lines = write(&[client("one").await, client("two").await]);
    let (without_end, _) = lines.trim_end().rsplit_once('\n').unwrap();
    let half = &lines[..lines.len() / 3];
    let miscounted = lines.replace("{\"clients\":2}", "{\"clients\":3}");
    let longer = format!("{lines}{}\n", client("three").await);
    for (text, line) in [
        ("", 1),
        (half, 1),
        (without_end, 3),
        (&miscounted, 3),
        (&longer, 4),
    ] {
        let answer = import(&server, "?existing=replace", text.to_owned()).await;
        answer.expect_error(400, &["invalid_import"]);
        assert_eq!(answer.body["line"], line, "{}", answer.text);
    }
    let answer = import(&server, "?existing=replace", lines.trim_end().to_owned()).await;
    assert_eq!(
        answer.body["replaced"], 2,
        "an export without a line feed at the end: {}",
        answer.text
    );
}

#[tokio::test]
async fn a_duplicate_client_counts_as_existing() {
    let server = TestServer::new().await;
    let one = client("one").await;
    let lines = write(&[one.clone(), with(one, json!({"revision": 7}))]);
    let answer = import(&server, "", lines.clone()).await;
    answer.expect_error(400, &["client_exists"]);
    assert_eq!(
        (&answer.body["line"], &answer.body["imported"]),
        (&json!(2), &json!(1))
    );
    let answer = import(&server, "?existing=replace", lines).await;
    assert_eq!(
        answer.body,
        json!({"imported": 0, "skipped": 0, "replaced": 2})
    );
    let shown = server.called("GET", "/admin/v1/clients/one").await;
    assert_eq!(shown.body["revision"], 7, "the later line is stored");
}

/// Adds a client of the operator besides the one that a start creates.
async fn add_operators(server: &TestServer, id: &str) -> Value {
    let administrator = server.stored("administrator").await;
    let other = with(administrator, json!({"id": id}));
    let storage = server.storage();
    storage.insert_client(other.clone()).await.unwrap();
    other
}

#[tokio::test]
async fn a_client_of_the_operator_is_not_replaced() {
    let server = TestServer::new().await;
    let other = add_operators(&server, "other").await;
    let lines = write(&[
        client("one").await,
        client("other").await,
        client("two").await,
    ]);
    let answer = import(&server, "?existing=replace", lines.clone()).await;
    answer.expect_error(400, &["invalid_import"]);
    assert_eq!(
        (&answer.body["line"], &answer.body["imported"]),
        (&json!(2), &json!(1))
    );
    import(&server, "", write(&[client("other").await]))
        .await
        .expect_error(400, &["client_exists"]);
    let skipped = import(&server, "?existing=skip", lines).await;
    assert_eq!(
        skipped.body,
        json!({"imported": 1, "skipped": 2, "replaced": 0})
    );
    assert_eq!(server.stored("other").await, other);
}

#[tokio::test]
async fn the_name_of_the_administrator_stays_reserved_when_it_is_deleted() {
    let server = TestServer::new().await;
    // Both requests use a token of another client of the operator.
    add_operators(&server, "other").await;
    let secret = server.administrator().body["client_secret"]
        .as_str()
        .unwrap()
        .to_owned();
    let sealed = server.storage().seal(&secret, "other").unwrap();
    let usable = json!({"secret": {"sealed": sealed}});
    let usable = with(server.stored("other").await, usable);
    server.storage().replace_client(usable).await.unwrap();
    let asked = crate::support::form(
        server
            .ask("POST", "/token")
            .basic_auth("other", Some(secret)),
        &[GRANT],
    );
    let token = Answer::of(asked)
        .await
        .member("access_token")
        .as_str()
        .unwrap()
        .to_owned();
    let deleted = server
        .ask("DELETE", "/admin/v1/clients/administrator")
        .bearer_auth(&token);
    Answer::of(deleted)
        .await
        .expect_error(403, &["access_denied"]);
    let storage = server.storage();
    storage.remove_client("administrator").await.unwrap();
    for existing in ["refuse", "skip", "replace"] {
        let url = format!("/admin/v1/clients/import?existing={existing}");
        let request = server.ask("POST", &url).bearer_auth(&token);
        let request = request.header("content-type", "application/x-ndjson");
        let answer = Answer::of(request.body(write(&[client("administrator").await]))).await;
        answer.expect_error(400, &["invalid_import"]);
        assert_eq!(answer.body["imported"], 0);
    }
}

#[tokio::test]
async fn violations_of_local_rules_are_only_reported() {
    let server = TestServer::new().await;
    let mut odd = client("odd").await;
    odd["metadata"]["redirect_uris"] = json!(["http://client.example.org/cb"]);
    odd["origins"]["redirect_uris"] = json!("administrator");
    let lines = write(&[odd]);
    let answer = import(&server, "", lines.clone()).await;
    assert_eq!(
        answer.body,
        json!({"imported": 1, "skipped": 0, "replaced": 0, "warnings": 1})
    );
    assert_eq!(export(&server).await, lines);
}

#[tokio::test]
async fn another_media_type_is_rejected() {
    let server = TestServer::new().await;
    let lines = write(&[]);
    for (media_type, status) in [
        ("application/x-ndjson", 200),
        ("application/jsonl; charset=utf-8", 200),
        ("application/ndjson", 200),
        ("application/json", 415),
        ("text/plain", 415),
    ] {
        let request = server
            .administrate("POST", "/admin/v1/clients/import")
            .await;
        let request = request
            .header("content-type", media_type)
            .body(lines.clone());
        let answer = crate::support::Answer::of(request).await;
        assert_eq!(answer.status, status, "{media_type}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_stalled_import_is_answered_with_what_was_imported() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.limits.body_timeout_ms = 2_000;
    })
    .await;
    let token = server.administrator_token().await;
    let one = client("one").await;
    let mut stream = TcpStream::connect(server.server().address()).await.unwrap();
    let head = format!(
        "POST /admin/v1/clients/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: 100000\r\n\r\n{one}\n{{\"half"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"imported\":1"),
        "{answer}"
    );
    server
        .called("GET", "/admin/v1/clients/one")
        .await
        .expect_status(200);
}
