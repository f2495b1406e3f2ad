//! `POST /admin/v1/try`: a request is judged by the whole pipeline, and nothing is stored or used up.

mod conditions;
mod scripts;
mod secrets;
mod unchanged;

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, machine, minimal, with};

/// Tries the request that `input` describes.
pub(crate) async fn attempt(server: &TestServer, input: &Value) -> Answer {
    let request = server.administrate("POST", "/admin/v1/try").await;
    Answer::of(request.json(input)).await
}

/// Tries the request that `input` describes, which must be possible, and returns how it was judged.
pub(crate) async fn tried(server: &TestServer, input: &Value) -> Value {
    let answer = attempt(server, input).await;
    answer.expect_status(200);
    answer.body
}

/// Returns the step with this name, which must have run.
pub(crate) fn step<'a>(judged: &'a Value, name: &str) -> &'a Value {
    let steps = judged["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == name);
    step.unwrap_or_else(|| panic!("{name} did not run: {judged}"))
}

/// Returns the names of the steps that ran, and those that rejected the request.
fn steps(judged: &Value) -> (Vec<&str>, Vec<&str>) {
    let (mut ran, mut rejecting) = (Vec::new(), Vec::new());
    for step in judged["steps"].as_array().unwrap() {
        let name = step["step"].as_str().unwrap();
        assert!(step["microseconds"].is_u64(), "{step}");
        ran.push(name);
        if step["verdict"] == "rejected" {
            rejecting.push(name);
        }
    }
    (ran, rejecting)
}

#[tokio::test]
async fn the_answer_is_the_answer_that_the_client_would_get() {
    let server = TestServer::new().await;
    let body = with(minimal(), json!({"contacts": ["a@example.org"]}));
    let judged = tried(&server, &json!({"body": body})).await;
    let real = server.post(&body).await;
    real.expect_status(201);
    assert_eq!(judged["answer"]["status"], 201);
    let (shown, expected) = (&judged["answer"]["body"], &real.body);
    let names =
        |body: &Value| -> Vec<String> { body.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(shown), names(expected));
    for (name, value) in expected.as_object().unwrap() {
        let is_own = [
            "client_id",
            "client_secret",
            "registration_access_token",
            "registration_client_uri",
        ]
        .contains(&name.as_str());
        assert_eq!(&shown[name] == value, !is_own, "{name}");
    }
    for name in ["content-type", "cache-control", "pragma", "etag"] {
        assert_eq!(
            judged["answer"]["headers"][name],
            real.header(name),
            "{name}"
        );
    }
    let (ran, rejecting) = steps(&judged);
    let expected = [
        "enabled",
        "client_certificate",
        "body",
        "client_attestation",
        "initial_access_token",
        "parse",
        "software_statement",
        "signed_request",
        "merge",
        "adapt_request",
        "attested_members",
        "evidence",
        "rules",
        "certificate_subject",
        "scripts",
        "evidence_appraised",
        "script_changes",
        "credentials",
        "response",
        "store",
    ];
    assert_eq!((ran, rejecting), (expected.to_vec(), Vec::new()));
    assert_eq!(judged["hooks"], json!([]));
}

#[tokio::test]
async fn the_step_that_rejects_the_request_says_why() {
    let server = TestServer::new().await;
    for (body, status, step, reason) in [
        (
            json!({"redirect_uris": ["http://a.example/cb"]}),
            400,
            "rules",
            "redirect_uris[0]",
        ),
        (json!("{"), 400, "parse", ""),
        (json!("a.b"), 400, "parse", "the signed request"),
        (
            with(minimal(), json!({"software_statement": "e30.e30.e30"})),
            400,
            "software_statement",
            "software_statement",
        ),
        (
            with(minimal(), json!({"client_name": "x".repeat(70_000)})),
            413,
            "body",
            "the body is larger than 65536 bytes",
        ),
    ] {
        let judged = tried(&server, &json!({"body": body})).await;
        assert_eq!(judged["answer"]["status"], status, "{judged}");
        let (_, rejecting) = steps(&judged);
        assert_eq!(rejecting, [step]);
        let steps = judged["steps"].as_array().unwrap();
        let told = steps.last().unwrap()["reason"].as_str().unwrap();
        assert!(told.contains(reason), "{told}");
        assert_eq!(judged["origins"], json!({}));
        assert!(judged["answer"]["body"]["error"].is_string());
    }
}

#[tokio::test]
async fn each_member_of_the_answer_has_an_origin() {
    let server = TestServer::new().await;
    let judged = tried(&server, &json!({"body": minimal()})).await;
    let origins = judged["origins"].as_object().unwrap();
    let answer = judged["answer"]["body"].as_object().unwrap();
    assert_eq!(origins.len(), answer.len());
    for (name, origin) in [
        ("client_name", "request"),
        ("redirect_uris", "request"),
        ("grant_types", "default"),
        ("token_endpoint_auth_method", "default"),
        ("client_id", "server"),
        ("client_secret", "server"),
        ("registration_access_token", "server"),
    ] {
        assert_eq!(origins[name], origin, "{name}");
    }
}

#[tokio::test]
async fn an_update_is_tried_without_the_token_of_the_client() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let body = client.update(json!({"client_name": "Second"}));
    let input = json!({"client_id": client.id, "body": body});
    let judged = tried(&server, &input).await;
    assert_eq!(judged["answer"]["status"], 200, "{judged}");
    assert_eq!(judged["answer"]["body"]["client_name"], "Second");
    assert_eq!(
        judged["answer"]["body"]["client_secret"],
        client.body["client_secret"]
    );
    assert_eq!(judged["answer"]["headers"]["etag"], "\"2\"");
    assert_eq!(steps(&judged).0[..2], ["authentication", "precondition"]);
    let read = server.read(&client).await;
    assert_eq!(
        (read.header("etag"), &read.body["client_name"]),
        ("\"1\"", &json!("K"))
    );

    let stale = with(input.clone(), json!({"headers": {"if-match": "\"9\""}}));
    let judged = tried(&server, &stale).await;
    assert_eq!(judged["answer"]["status"], 412);
    assert_eq!(steps(&judged).1, ["precondition"]);
    let wrong = with(
        input.clone(),
        json!({"headers": {"authorization": "Bearer wrong"}}),
    );
    let judged = tried(&server, &wrong).await;
    assert_eq!(judged["answer"]["status"], 401);
    let other = with(input, json!({"client_id": "unknown"}));
    attempt(&server, &other)
        .await
        .expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn the_scope_of_the_call_is_its_own() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let token = server.access_token(&client).await;
    let request = server.ask("POST", "/admin/v1/try").bearer_auth(token);
    let answer = Answer::of(request.json(&json!({"body": minimal()}))).await;
    answer.expect_error(403, &["insufficient_scope"]);
    assert!(answer.header("www-authenticate").contains("scripts.try"));
}

#[tokio::test]
async fn an_invalid_description_is_rejected_without_its_values() {
    let server = TestServer::new().await;
    let secret = "a-secret-that-must-not-be-repeated";
    for (input, part) in [
        (json!({}), "body: must be the metadata"),
        (json!({"body": 5}), "body: must be the metadata"),
        (
            json!({"body": {}, "bodyy": 1}),
            "unknown member bodyy; the members are body, headers",
        ),
        (json!({"body": {}, secret: 1}), "unknown member; "),
        (json!({"body": {}, "time": secret}), "time: must be seconds"),
        (
            json!({"body": {}, "initial_access_token": [secret]}),
            "initial_access_token: must be the identifier",
        ),
        (json!({"body": {}, "headers": {"a b": "x"}}), "headers: "),
        (
            json!({"body": {}, "headers": {"a": "x".repeat(40_000)}}),
            "headers: must not exceed",
        ),
        (
            json!({"body": {}, "headers": {"a": vec!["x"; 101]}}),
            "headers: must not exceed",
        ),
        (
            json!({"body": {}, "certificate": {"pem": secret}}),
            "certificate: ",
        ),
        (
            json!({"body": {}, "http": "sometimes"}),
            "http: must be `refuse`, `live`",
        ),
        (
            json!({"body": {}, "http": [{"url": secret}]}),
            "http: a fake response has",
        ),
        (
            json!({"body": {}, "scripts": {"a.txt": "x"}}),
            "scripts: a.txt",
        ),
        (
            json!({"body": {}, "scripts": {"../a.rhai": "x"}}),
            "scripts: ../a.rhai",
        ),
        (
            json!({"body": {}, "scripts": {"a.rhai": "fn x( {"}}),
            "a.rhai:1:",
        ),
        (
            json!({"body": {}, "registration": {"noSuchOption": 1}}),
            "noSuchOption",
        ),
        (
            json!({"body": {}, "registration": {"initialAccessToken": "never"}}),
            "initialAccessToken",
        ),
    ] {
        let answer = attempt(&server, &input).await;
        answer.expect_error(400, &["invalid_request"]);
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(description.contains(part), "{description}");
        assert!(!description.contains(secret), "{description}");
    }
    let request = server.administrate("POST", "/admin/v1/try").await;
    let large = json!({"body": "x".repeat(3 << 20)});
    Answer::of(request.json(&large)).await.expect_status(413);
    let request = server.administrate("POST", "/admin/v1/try").await;
    let request = request.header("content-type", "text/plain").body("{}");
    Answer::of(request).await.expect_status(415);
}

#[tokio::test]
async fn each_trial_is_in_the_audit_log() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    tried(&server, &json!({"body": minimal()})).await;
    let broken = json!({"client_id": client.id, "body": {"client_name": 5}});
    tried(&server, &broken).await;
    let events = server.events(0).await;
    let tried: Vec<&Value> = events
        .iter()
        .filter(|event| event["action"] == "request_tried")
        .collect();
    assert_eq!(tried.len(), 2, "{events:?}");
    assert_eq!(tried[0]["actor"], "administrator");
    assert_eq!(tried[0]["details"]["status"], 201);
    assert_eq!(tried[1]["subject"], client.id.as_str());
    assert_eq!(tried[1]["details"]["status"], 400);
    let refused = events
        .iter()
        .any(|event| event["action"] == "update_refused");
    assert!(!refused, "a trial is no refused update");
}
