//! Answers of an upstream server that are not as they should be, and other ways in which clients come into being.

use serde_json::{Value, json};

use super::World;
use crate::support::{Answer, Origin, Registered, Reply, TestServer, minimal, with};

/// A front of an origin, which answers registrations with `answer`.
async fn before(origin: &Origin, answer: Reply) -> TestServer {
    let url = origin.at("/register", answer);
    TestServer::configured(|configuration| {
        configuration.settings.upstream_registration.url = Some(url);
    })
    .await
}

async fn calls(server: &TestServer) -> Value {
    let mut calls = server.called("GET", "/admin/v1/upstream-calls").await;
    calls.body["calls"].take()
}

fn registered(origin: &Origin, more: Value) -> Reply {
    let members = json!({
        "client_id": "their-id", "client_secret": "their-secret-their-secret-their-secret",
        "client_secret_expires_at": 0, "redirect_uris": ["https://client.example.org/cb"],
        "registration_access_token": "their-token", "registration_client_uri": origin.url("/manage/their-id"),
    });
    Reply::json(with(members, more)).with_status(201)
}

#[tokio::test]
async fn a_token_of_the_upstream_server_is_sent_only_to_the_host_that_the_operator_names() {
    let (origin, elsewhere) = (Origin::new().await, Origin::new().await);
    let uri = elsewhere.at("/manage/their-id?x=1", Reply::status(204));
    let answer = registered(&origin, json!({"registration_client_uri": uri}));
    let front = before(&origin, answer).await;
    origin.set("/manage/their-id", Reply::status(204));
    let client = front.register(&minimal()).await;
    assert_eq!(client.id, "their-id");
    front.delete(&client).await.expect_status(204);
    assert_eq!(elsewhere.hits("/manage/their-id"), 0);
    let deletions = origin.received("/manage/their-id");
    assert_eq!(deletions.len(), 1);
    assert_eq!(deletions[0].method(), "DELETE");
    assert_eq!(deletions[0].uri().query(), Some("x=1"));
    let token = origin.asked("/manage/their-id", "authorization");
    assert_eq!(token.as_deref(), Some("Bearer their-token"));
    assert_eq!(calls(&front).await, json!([]));
    front.must_not_leak("their-token");
}

#[tokio::test]
async fn a_client_with_an_identifier_that_no_client_can_have_here_is_deleted_there() {
    for id in [
        "https://client.example.org/document.json",
        "with space",
        &"x".repeat(200),
    ] {
        let origin = Origin::new().await;
        let front = before(&origin, registered(&origin, json!({"client_id": id}))).await;
        origin.set("/manage/their-id", Reply::status(204));
        front.post(&minimal()).await.expect_status(502);
        assert_eq!(origin.hits("/manage/their-id"), 1, "{id}");
        assert_eq!(calls(&front).await, json!([]), "{id}");
        front.expect_empty().await;
    }
}

#[tokio::test]
async fn a_registered_client_without_metadata_is_deleted_there() {
    let origin = Origin::new().await;
    let answer = registered(
        &origin,
        json!({"redirect_uris": "https://client.example.org/cb"}),
    );
    let front = before(&origin, answer).await;
    origin.set("/manage/their-id", Reply::status(204));
    let answer = front.post(&minimal()).await;
    answer.expect_status(502);
    assert_eq!(answer.body["error"], "server_error");
    assert_eq!(origin.hits("/manage/their-id"), 1);
    assert_eq!(calls(&front).await, json!([]));
    front.expect_empty().await;
}

#[tokio::test]
async fn what_the_upstream_server_adds_by_itself_is_adopted_only_if_it_is_valid_here() {
    let origin = Origin::new().await;
    // As Ory Hydra answers.
    let more = json!({
        "jwks": {}, "userinfo_signed_response_alg": "none", "contacts": [], "client_uri": "", "audience": ["a"],
        "subject_type": "public", "logo_uri": 5, "client_name": "Theirs",
    });
    let front = before(&origin, registered(&origin, more)).await;
    origin.set(
        "/manage/their-id",
        registered(&origin, json!({})).with_status(200),
    );
    let answer = front.post(&minimal()).await;
    answer.expect_status(201);
    for name in [
        "jwks",
        "userinfo_signed_response_alg",
        "contacts",
        "client_uri",
        "audience",
        "logo_uri",
    ] {
        assert_eq!(answer.body.get(name), None, "{name}");
    }
    assert_eq!(answer.body["client_name"], "Theirs");
    // The client sends back what it has read.
    let client = Registered::of(answer.body);
    let mut read = front.read(&client).await.body;
    for own in [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ] {
        read.as_object_mut().expect("an object").remove(own);
    }
    front.update(&client, &read).await.expect_status(200);
}

#[tokio::test]
async fn each_answer_of_the_upstream_server_has_one_meaning() {
    let html = || Reply::text("text/html", "<html>");
    let unknown = "unknown";
    let rows = [
        (Reply::status(500), 503, unknown),
        (Reply::status(502), 503, unknown),
        (Reply::status(504), 503, unknown),
        (html().with_status(201), 502, unknown),
        (
            Reply::json(json!({"client_id": ""})).with_status(201),
            502,
            unknown,
        ),
        (Reply::status(503), 503, unknown),
        (Reply::status(202), 503, unknown),
        (Reply::status(204), 503, unknown),
        (Reply::status(503).header("retry-after", "5"), 503, ""),
        (Reply::status(429), 503, ""),
        (Reply::status(401), 503, ""),
        (Reply::status(403), 503, ""),
        (Reply::status(404), 503, ""),
        (
            Reply::status(307).header("location", "http://127.0.0.1:1/"),
            503,
            "",
        ),
        (html().with_status(400), 400, ""),
    ];
    for (reply, status, aim) in rows {
        let what = format!("{reply:?}");
        let origin = Origin::new().await;
        let front = before(&origin, reply).await;
        let answer = front.post(&minimal()).await;
        assert_eq!(answer.status, status, "{what}: {:?}", answer.body);
        let calls = calls(&front).await;
        assert_eq!(calls[0]["aim"].as_str().unwrap_or_default(), aim, "{what}");
        front.expect_empty().await;
    }
}

#[tokio::test]
async fn an_answer_about_another_client_changes_nothing_here() {
    let origin = Origin::new().await;
    let front = before(&origin, registered(&origin, json!({}))).await;
    let client = front.register(&minimal()).await;
    let other = json!({"client_id": "another", "client_secret": "another-secret-another-secret"});
    origin.set(
        "/manage/their-id",
        registered(&origin, other).with_status(200),
    );
    let stored = front.stored(&client.id).await;
    let update = with(
        minimal(),
        json!({"client_id": client.id, "client_name": "Other"}),
    );
    front.update(&client, &update).await.expect_status(502);
    front.read(&client).await.expect_status(200);
    assert_eq!(front.stored(&client.id).await, stored);
    assert_eq!(calls(&front).await[0]["aim"], "update");
}

#[tokio::test]
async fn a_policy_of_the_upstream_server_is_told() {
    let origin = Origin::new().await;
    let body = json!({"error": "insufficient_scope", "error_description": "Policy 'Hosts' rejected request"});
    let front = before(&origin, Reply::json(body).with_status(403)).await;
    let answer = front.post(&minimal()).await;
    answer.expect_status(400);
    let description = answer.body["error_description"].as_str().expect("a text");
    assert!(
        description.contains("Policy 'Hosts' rejected request"),
        "{description}"
    );
}

#[tokio::test]
async fn an_error_code_that_is_not_one_of_a_registration_is_told_as_invalid_metadata() {
    let origin = Origin::new().await;
    let body = json!({"error": "policy", "error_description": "no\u{7}hosts \u{fc}"});
    let front = before(&origin, Reply::json(body).with_status(400)).await;
    let answer = front.post(&minimal()).await;
    answer.expect_status(400);
    assert_eq!(answer.body["error"], "invalid_client_metadata");
    let description = answer.body["error_description"].as_str().expect("a text");
    assert!(description.contains("(policy): no"), "{description}");
    assert!(
        description
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte))
    );
}

#[tokio::test]
async fn a_client_that_the_upstream_server_does_not_let_be_managed_can_only_be_deleted_here() {
    let origin = Origin::new().await;
    let more = json!({"registration_access_token": null, "registration_client_uri": null});
    let front = before(&origin, registered(&origin, more)).await;
    let client = front.register(&minimal()).await;
    front.read(&client).await.expect_status(200);
    let update = with(minimal(), json!({"client_id": client.id}));
    front.update(&client, &update).await.expect_status(403);
    front.delete(&client).await.expect_status(204);
    // An operator must delete it there.
    let calls = calls(&front).await;
    assert_eq!(
        (&calls[0]["aim"], &calls[0]["client_id"]),
        (&json!("unknown"), &json!("their-id"))
    );
}

#[tokio::test]
async fn a_registration_that_waits_is_registered_upstream_when_it_was_approved() {
    let here = json!({"registrationApproval": "required"});
    let world = World::with(&[], here, json!({})).await;
    let request = with(minimal(), json!({"registration_mode": ["approval"]}));
    let waits = world.front.post(&request).await;
    waits.expect_status(202);
    assert_eq!(world.count_there().await, 1, "only its administrator");
    let pending = world.admin("GET", "/admin/v1/pending").await;
    let id = pending.body["pending"][0]["id"].as_str().expect("an id");
    let approve = format!("/admin/v1/pending/{id}/approve");
    let approval = world
        .front
        .administrate("POST", &approve)
        .await
        .json(&json!({}));
    Answer::of(approval).await.expect_status(204);
    assert_eq!(world.count_there().await, 1);
    let code = json!({"registration_code": waits.body["registration_code"]});
    let registered = world.front.post(&code).await;
    registered.expect_status(201);
    let id = registered.body["client_id"].as_str().expect("an id");
    assert!(world.there(id).await.is_some());
    assert_eq!(world.calls().await, Vec::<Value>::new());
}

#[tokio::test]
async fn identical_public_clients_share_one_client_of_the_upstream_server() {
    let here = json!({"reuseIdenticalPublicClients": true});
    let world = World::with(&[], here, json!({})).await;
    let public = with(minimal(), json!({"token_endpoint_auth_method": "none"}));
    let first = world.front.post(&public).await;
    let second = world.front.post(&public).await;
    assert_eq!(first.body["client_id"], second.body["client_id"]);
    assert_eq!(world.count_there().await, 2, "it and the administrator");
}

#[tokio::test]
async fn clients_that_no_upstream_server_knows_stay_here() {
    let plain = TestServer::new().await;
    // The secret of a confidential client would be sealed with another key.
    let public = with(minimal(), json!({"token_endpoint_auth_method": "none"}));
    let client = plain.register(&public).await;
    let record = plain.stored(&client.id).await;
    assert_eq!(record.get("upstream"), None);
    let origin = Origin::new().await;
    let front = before(&origin, Reply::status(500)).await;
    front
        .storage()
        .insert_client(record)
        .await
        .expect("it is stored");
    let uri = client
        .uri
        .replace(plain.server().url(), front.server().url());
    let read = front.ask("GET", &uri).bearer_auth(&client.token);
    Answer::of(read).await.expect_status(200);
    let update = front.ask("PUT", &uri).bearer_auth(&client.token);
    let update = update.json(&with(public, json!({"client_id": client.id})));
    Answer::of(update).await.expect_status(200);
    let deletion = front.ask("DELETE", &uri).bearer_auth(&client.token);
    Answer::of(deletion).await.expect_status(204);
    assert_eq!(origin.hits("/register"), 0);
}

#[tokio::test]
async fn a_trial_registers_nothing_at_the_upstream_server() {
    let world = World::new().await;
    let tried = world.front.administrate("POST", "/admin/v1/try").await;
    let tried = Answer::of(tried.json(&json!({"body": minimal()}))).await;
    tried.expect_status(200);
    assert_eq!(world.count_there().await, 1, "only its administrator");
    assert_eq!(world.calls().await, Vec::<Value>::new());
}
