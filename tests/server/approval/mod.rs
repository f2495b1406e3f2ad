//! Registrations and updates that wait for the approval of an administrator
//! (draft-dellaert-oauth-approval-based-dcr).

mod bounds;
mod disabled;
mod documents;
mod draft;
mod held;
mod notified;
mod records;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, machine, minimal, registering, with};

const PAGE: &str = "https://console.example.org/approve?lang=en";

/// Starts a server with these options of `[registration]` on top of a page for approvals.
async fn server(approval: &str, more: Value) -> TestServer {
    let options = json!({"registrationApproval": approval, "registrationApprovalUri": PAGE});
    TestServer::registering(with(options, more)).await
}

/// Returns an ordinary request whose client can wait.
fn waiting() -> Value {
    with(minimal(), json!({"registration_mode": ["approval"]}))
}

/// Asks for the decision.
async fn poll(server: &TestServer, code: &str) -> Answer {
    server.post(&json!({"registration_code": code})).await
}

/// Registers a client that has to wait, and returns its code and the identifier under which administrators see it.
async fn defer(server: &TestServer, body: &Value) -> (String, String) {
    let answer = server.post(body).await;
    answer.expect_status(202);
    let code = answer.body["registration_code"].as_str().unwrap();
    let shown = answer.body["verification_code"].as_str().unwrap();
    let path = format!("/admin/v1/pending?verification_code={shown}");
    let listed = server.called("GET", &path).await;
    listed.expect_status(200);
    assert_eq!(listed.body["pending"].as_array().unwrap().len(), 1);
    let id = listed.body["pending"][0]["id"].as_str().unwrap();
    (code.to_owned(), id.to_owned())
}

async fn decide(server: &TestServer, id: &str, verb: &str, note: &str) -> Answer {
    let path = format!("/admin/v1/pending/{id}/{verb}");
    let request = server.administrate("POST", &path).await;
    Answer::of(request.json(&json!({"note": note}))).await
}

async fn list(server: &TestServer, query: &str) -> Vec<Value> {
    let path = format!("/admin/v1/pending{query}");
    let listed = server.called("GET", &path).await;
    listed.expect_status(200);
    listed.body["pending"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_client_that_waits_is_registered_when_it_was_approved() {
    let server = server("offered", json!({})).await;
    let answer = server.post(&waiting()).await;
    answer.expect_status(202);
    assert_eq!(answer.header("cache-control"), "no-store");
    let members: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "registration_code",
            "verification_code",
            "verification_uri",
            "verification_uri_complete",
            "expires_in",
            "interval"
        ]
    );
    let shown = answer.body["verification_code"].as_str().unwrap();
    assert_eq!(answer.body["verification_uri"], PAGE);
    assert_eq!(
        answer.body["verification_uri_complete"],
        format!("{PAGE}&verification_code={shown}")
    );
    assert_eq!(answer.body["expires_in"], 600);
    assert_eq!(answer.body["interval"], 5);
    server.expect_empty().await;

    let code = answer.body["registration_code"].as_str().unwrap();
    let wait = poll(&server, code).await;
    wait.expect_status(202);
    assert_eq!(wait.body, json!({"expires_in": 600, "interval": 5}));

    let listed = list(&server, "?state=waiting").await;
    assert_eq!(listed.len(), 1);
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(listed[0]["asked"], 1);
    assert!(!json!(listed).to_string().contains(code));
    let detail = server
        .called("GET", &format!("/admin/v1/pending/{id}"))
        .await;
    detail.expect_status(200);
    assert_eq!(
        detail.body["metadata"]["redirect_uris"],
        minimal()["redirect_uris"]
    );
    assert_eq!(detail.body["origins"]["redirect_uris"], "request");
    assert_eq!(detail.body["digest"].as_str().unwrap().len(), 64);
    let lower = shown.to_lowercase().replace('-', " ");
    let path = format!(
        "/admin/v1/pending?verification_code={}",
        lower.replace(' ', "%20")
    );
    assert_eq!(
        server.called("GET", &path).await.body["pending"][0]["id"],
        id
    );

    decide(&server, id, "approve", "known vendor")
        .await
        .expect_status(204);
    decide(&server, id, "approve", "")
        .await
        .expect_error(409, &["conflict"]);
    decide(&server, id, "deny", "")
        .await
        .expect_error(409, &["conflict"]);
    server.expect_empty().await;
    server.clock.advance(7);
    let registered = poll(&server, code).await;
    registered.expect_status(201);
    let client = Registered::of(registered.body);
    assert_eq!(client.body["client_id_issued_at"], server.now());
    assert_eq!(client.body.get("registration_mode"), None);
    let read = server.read(&client).await;
    read.expect_status(200);
    let approval = server.provenance(&client).await["approval"].take();
    assert_eq!(approval["note"], "known vendor");
    assert_eq!(approval["at"].as_u64().unwrap(), server.now() - 7);
    assert!(approval["by"].is_string());

    poll(&server, code)
        .await
        .expect_error(400, &["invalid_registration"]);
    assert!(list(&server, "").await.is_empty());
}

#[tokio::test]
async fn a_client_gets_a_secret_that_works_after_the_approval() {
    let server = server("offered", json!({})).await;
    let body = with(machine(), json!({"registration_mode": ["approval"]}));
    let (code, id) = defer(&server, &body).await;
    decide(&server, &id, "approve", "").await.expect_status(204);
    let registered = poll(&server, &code).await;
    registered.expect_status(201);
    server.access_token(&Registered::of(registered.body)).await;
}

#[tokio::test]
async fn a_denied_client_learns_it_and_a_cancelled_request_is_gone() {
    let server = server("offered", json!({})).await;
    let (code, id) = defer(&server, &waiting()).await;
    decide(&server, &id, "deny", "unknown vendor")
        .await
        .expect_status(204);
    let denied = poll(&server, &code).await;
    denied.expect_error(400, &["access_denied"]);
    assert!(
        !denied.text.contains("unknown vendor"),
        "a note is for administrators"
    );
    assert_eq!(
        list(&server, "?state=denied").await[0]["note"],
        "unknown vendor"
    );

    let (code, id) = defer(&server, &waiting()).await;
    let cancel = json!({"registration_code": code, "cancel_registration": true});
    server.post(&cancel).await.expect_status(204);
    server
        .post(&cancel)
        .await
        .expect_error(400, &["invalid_registration"]);
    decide(&server, &id, "approve", "").await.expect_status(404);
    server.expect_empty().await;
}

#[tokio::test]
async fn a_client_that_asks_too_often_has_to_wait_longer() {
    let server = server("offered", json!({})).await;
    let (code, _) = defer(&server, &waiting()).await;
    poll(&server, &code).await.expect_status(202);
    for expected in ["10", "15", "20"] {
        let hasty = poll(&server, &code).await;
        hasty.expect_error(429, &["slow_down"]);
        assert_eq!(hasty.header("retry-after"), expected);
    }
    // Once the interval has grown to its limit, a client that keeps asking causes no more writes.
    for _ in 0..30 {
        poll(&server, &code).await.expect_error(429, &["slow_down"]);
    }
    let asked = list(&server, "").await[0]["asked"].as_u64().unwrap();
    assert_eq!(asked, 24, "1 in time, and 23 from 10 to 120 seconds");
    let audit = server.called("GET", "/admin/v1/audit?limit=500").await;
    assert!(!audit.text.contains("slow_down"), "{}", audit.text);
    server.clock.advance(120);
    let patient = poll(&server, &code).await;
    patient.expect_status(202);
    assert_eq!(patient.body["interval"], 120);
}

#[tokio::test]
async fn a_request_ends_and_its_record_is_swept() {
    let server = server("offered", json!({"registrationApprovalSeconds": 60})).await;
    let (code, id) = defer(&server, &waiting()).await;
    let (late, approved) = defer(&server, &waiting()).await;
    decide(&server, &approved, "approve", "")
        .await
        .expect_status(204);
    server.clock.advance(60);
    for code in [&code, &late] {
        poll(&server, code)
            .await
            .expect_error(400, &["expired_token"]);
    }
    assert_eq!(list(&server, "?state=expired").await.len(), 2);
    decide(&server, &id, "approve", "")
        .await
        .expect_error(409, &["conflict"]);
    server.clock.advance(600);
    poll(&server, &code)
        .await
        .expect_error(400, &["invalid_registration"]);
    server.expect_empty().await;
}

#[tokio::test]
async fn only_a_client_that_can_wait_is_deferred() {
    let modes = |modes: Value| with(minimal(), json!({"registration_mode": modes}));
    let server = server("offered", json!({})).await;
    server.post(&minimal()).await.expect_status(201);
    server
        .post(&modes(json!(["immediate", "approval"])))
        .await
        .expect_status(201);
    server
        .post(&modes(json!(["immediate"])))
        .await
        .expect_status(201);
    server
        .post(&modes(json!(["approval", "other"])))
        .await
        .expect_status(202);
    // Modes that are not known are ignored.
    server
        .post(&modes(json!(["other"])))
        .await
        .expect_status(201);
    for wrong in [json!("approval"), json!([1])] {
        let answer = server.post(&modes(wrong)).await;
        answer.expect_bad_metadata("registration_mode");
    }

    let required = self::server("required", json!({})).await;
    let answer = required.post(&minimal()).await;
    answer.expect_bad_metadata("registration_mode: must contain approval");
    required
        .post(&modes(json!(["immediate"])))
        .await
        .expect_bad_metadata("registration_mode");
    required
        .post(&modes(json!(["immediate", "approval"])))
        .await
        .expect_status(202);

    let off = TestServer::new().await;
    // A client detects from the answer that nothing waits here.
    off.post(&waiting()).await.expect_status(201);
    off.post(&modes(json!(["immediate", "approval"])))
        .await
        .expect_status(201);
    let answer = off.post(&json!({"registration_code": "x"})).await;
    answer.expect_bad_redirect();
}

#[tokio::test]
async fn the_metadata_of_the_server_names_the_modes() {
    for (approval, more, expected) in [
        ("off", json!({}), Value::Null),
        ("offered", json!({}), json!(["immediate", "approval"])),
        ("required", json!({}), json!(["approval"])),
        (
            "required",
            json!({"registrationApprovalSilent": true}),
            json!(["immediate", "approval"]),
        ),
    ] {
        let server = server(approval, more).await;
        let metadata =
            Answer::of(server.ask("GET", "/.well-known/oauth-authorization-server")).await;
        assert_eq!(
            metadata.body["registration_modes_supported"], expected,
            "{approval}"
        );
    }
}

#[tokio::test]
async fn an_approval_in_the_last_moment_gives_the_client_time_to_ask() {
    let server = server("offered", json!({"registrationApprovalSeconds": 60})).await;
    let (code, id) = defer(&server, &waiting()).await;
    server.clock.advance(59);
    decide(&server, &id, "approve", "").await.expect_status(204);
    server.clock.advance(5);
    poll(&server, &code).await.expect_status(201);
}

#[tokio::test]
async fn a_denied_request_makes_room_soon() {
    let server = server("offered", json!({"registrationApprovalSeconds": 86_400})).await;
    let (code, id) = defer(&server, &waiting()).await;
    decide(&server, &id, "deny", "").await.expect_status(204);
    server.clock.advance(599);
    poll(&server, &code)
        .await
        .expect_error(400, &["access_denied"]);
    server.clock.advance(1);
    poll(&server, &code)
        .await
        .expect_error(400, &["invalid_registration"]);
}

#[tokio::test]
async fn an_administrator_decides_while_the_client_keeps_asking() {
    let server = server("offered", json!({})).await;
    let (code, id) = defer(&server, &waiting()).await;
    let polls = join_all((0..8).map(|_| poll(&server, &code)));
    let (polled, decided) = tokio::join!(polls, decide(&server, &id, "approve", ""));
    decided.expect_status(204);
    assert!(polled.iter().all(|answer| answer.status < 500));
}

#[tokio::test]
async fn what_the_request_uses_up_is_used_when_it_waits() {
    let server = server("required", json!({"initialAccessToken": "required"})).await;
    let request = server
        .administrate("POST", "/admin/v1/initial-access-tokens")
        .await;
    let token = Answer::of(request.json(&json!({"uses": 1}))).await;
    let token = token.body["token"].as_str().unwrap().to_owned();
    let post = || {
        Answer::of(
            server
                .ask("POST", "/register")
                .bearer_auth(&token)
                .json(&waiting()),
        )
    };
    let deferred = post().await;
    deferred.expect_status(202);
    post().await.expect_error(401, &["invalid_token"]);
    // The client asks without the token.
    let code = deferred.body["registration_code"].as_str().unwrap();
    poll(&server, code).await.expect_status(202);
    let id = list(&server, "").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    decide(&server, &id, "approve", "").await.expect_status(204);
    let registered = poll(&server, code).await;
    registered.expect_status(201);
    let client = Registered::of(registered.body);
    assert_eq!(server.provenance(&client).await["trust_level"], "token");
}

#[tokio::test]
async fn as_many_wait_as_are_allowed() {
    let server = TestServer::configured(|configuration| {
        let options = json!({"registrationApproval": "offered", "registrationApprovalUri": PAGE});
        registering(configuration, options);
        configuration.settings.limits.pending_registrations = 2;
    })
    .await;
    let body = waiting();
    let all = join_all((0..8).map(|_| server.post(&body))).await;
    let deferred = all.iter().filter(|answer| answer.status == 202).count();
    assert!(deferred <= 2, "{deferred}");
    let (code, _) = if deferred < 2 {
        defer(&server, &body).await
    } else {
        let first = all.iter().find(|answer| answer.status == 202).unwrap();
        let code = first.body["registration_code"].as_str().unwrap();
        (code.to_owned(), String::new())
    };
    let full = server.post(&body).await;
    if list(&server, "").await.len() == 2 {
        full.expect_status(503);
        assert_eq!(full.header("retry-after"), "60");
    }
    let cancel = json!({"registration_code": code, "cancel_registration": true});
    server.post(&cancel).await.expect_status(204);
    server.post(&body).await.expect_status(202);
}

#[tokio::test]
async fn the_rules_in_force_apply_when_the_client_is_registered() {
    let server = server("offered", json!({})).await;
    let (code, id) = defer(&server, &waiting()).await;
    decide(&server, &id, "approve", "").await.expect_status(204);
    let patch = json!([{"op": "add", "path": "/registration/redirectUriDenyList", "value": ["*.example.org"]}]);
    crate::webhooks::patch(&server, patch)
        .await
        .expect_status(200);
    let answer = poll(&server, &code).await;
    answer.expect_status(400);
    server.expect_empty().await;
    let patch = json!([{"op": "add", "path": "/registration/redirectUriDenyList", "value": []}]);
    crate::webhooks::patch(&server, patch)
        .await
        .expect_status(200);
    poll(&server, &code).await.expect_status(201);
}

#[tokio::test]
async fn of_many_polls_one_gets_the_client() {
    let server = server("offered", json!({})).await;
    let (code, id) = defer(&server, &waiting()).await;
    decide(&server, &id, "approve", "").await.expect_status(204);
    let all = join_all((0..8).map(|_| poll(&server, &code))).await;
    let count = |status: u16| all.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(400)), (1, 7));
}
