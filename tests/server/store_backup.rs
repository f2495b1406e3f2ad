//! `POST` on the backup of the store: who may make one, and of what.

use serde_json::{Value, json};

use crate::reload::until;
use crate::support::{Answer, TestServer, minimal};
use crate::transfer::{export, import, read, write};

const BACKUP: &str = "/admin/v1/store/backup";

/// The public half of the key in RFC 7517 appendix A.1.
fn recipient() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

async fn asked(server: &TestServer, body: &Value) -> Answer {
    Answer::of(server.administrate("POST", BACKUP).await.json(body)).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, said: &str) {
    answer.expect_error(status, &[code]);
    assert!(answer.text.contains(said), "{}", answer.text);
}

/// Returns the bytes of a backup.
async fn made(server: &TestServer, body: &Value) -> Vec<u8> {
    let request = server.administrate("POST", BACKUP).await.json(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn a_backup_needs_its_scope_and_is_recorded() {
    let server = TestServer::new().await;
    let token = server.administrator_token_for("clients.export").await;
    let request = server.ask("POST", BACKUP).bearer_auth(token);
    let answer = Answer::of(request).await;
    refused(&answer, 403, "insufficient_scope", "store.backup");
    Answer::of(server.ask("POST", BACKUP))
        .await
        .expect_status(401);

    let last = server.last_event().await;
    let token = server.administrator_token_for("store.backup").await;
    let request = server.ask("POST", BACKUP).bearer_auth(token);
    // An empty body counts as an empty object.
    assert_eq!(request.send().await.unwrap().status(), 200);
    made(&server, &json!({"recipient": recipient()})).await;
    let mut seen = Vec::new();
    for event in server.events(last).await {
        if event["action"] == "store_backed_up" {
            assert_eq!(event["actor"], "administrator");
            seen.push(event["details"]["encrypted"].clone());
        }
    }
    assert_eq!(seen, [false, true]);
}

#[tokio::test]
async fn only_an_encrypted_backup_hides_what_is_in_the_store() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let contains = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    let key = std::fs::read_to_string(server.folder.path().join("data/registrar.key")).unwrap();
    let plain = made(&server, &json!({})).await;
    assert!(contains(&plain, &client.id));
    assert!(!contains(&plain, key.trim()), "the key is kept elsewhere");
    let encrypted = made(&server, &json!({"recipient": recipient()})).await;
    assert!(encrypted.starts_with(b"{\"registrarBackup\":1,\"encryptedKey\":\"ey"));
    assert!(!contains(&encrypted, &client.id) && !contains(&encrypted, key.trim()));
}

#[tokio::test]
async fn a_recipient_that_cannot_be_used_is_rejected() {
    let server = TestServer::new().await;
    let with = |name: &str, value: &str| {
        let mut key = recipient();
        key[name] = value.into();
        key
    };
    for (recipient, said) in [
        (
            with("d", "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"),
            "recipient is a private",
        ),
        (with("use", "sig"), "recipient cannot be used to encrypt"),
        (with("x", "AAAA"), "recipient must have 32 bytes in `x`"),
        (
            json!({"kty": "oct", "k": "AAAA"}),
            "recipient is a private or symmetric key",
        ),
        (json!("x"), "recipient: must be an object"),
    ] {
        let answer = asked(&server, &json!({"recipient": recipient})).await;
        refused(&answer, 400, "invalid_request", said);
    }
    let answer = asked(&server, &json!({"recipients": []})).await;
    refused(&answer, 400, "invalid_request", "unknown field");
}

#[tokio::test]
async fn a_second_backup_at_a_time_is_rejected() {
    let server = TestServer::new().await;
    server.register(&minimal()).await;
    let (clients, _) = read(&export(&server).await);
    let named = |turn: usize| {
        let mut client = clients[0].clone();
        client["client_id"] = format!("m{turn:05}").into();
        client
    };
    let many: Vec<Value> = (0..600).map(named).collect();
    import(&server, "", write(&many)).await.expect_status(200);

    // A caller that takes one kilobyte and reads no further.
    let slow = reqwest::Client::builder()
        .http2_prior_knowledge()
        .http2_initial_stream_window_size(1024)
        .build()
        .unwrap();
    let token = server.administrator_token().await;
    let begun = slow.post(server.url(BACKUP)).bearer_auth(token);
    let begun = begun.send().await.unwrap();
    assert_eq!(begun.status(), 200);
    let answer = asked(&server, &json!({})).await;
    refused(
        &answer,
        409,
        "backup_running",
        "another backup is being made",
    );

    // One that ends early makes room.
    drop((begun, slow));
    until(async || {
        let request = server.administrate("POST", BACKUP).await;
        (request.send().await.unwrap().status() == 200).then_some(())
    })
    .await;
}

/// A caller whose program found no key would get its backup in plain text.
#[tokio::test]
async fn a_recipient_of_null_is_not_a_backup_without_one() {
    let server = TestServer::new().await;
    for nothing in [json!(null), json!(""), json!([]), json!({})] {
        let answer = asked(&server, &json!({"recipient": nothing})).await;
        refused(&answer, 400, "invalid_request", "recipient");
    }
}
