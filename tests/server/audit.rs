//! The audit log records each action and each rejection once and in order.

use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, machine, minimal, with};
use crate::transfer::{export, import};

/// Action, actor, target and error code.
type Told<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn told(event: &Value) -> Told<'_> {
    let text = |name: &str| event[name].as_str();
    (
        text("action").expect("an action"),
        text("actor"),
        text("subject"),
        text("error"),
    )
}

async fn patch(server: &TestServer, value: bool) -> Answer {
    let operations = json!([{"op": "replace", "path": "/registration/dynamicRegistrationEnabled", "value": value}]);
    let request = server.administrate("PATCH", "/admin/v1/config").await;
    let request = request.header("content-type", "application/json-patch+json");
    Answer::of(request.body(operations.to_string())).await
}

#[tokio::test]
async fn each_action_is_recorded_once_and_in_order() {
    let server = TestServer::new().await;
    let administrator = Some("administrator");
    let one = server.register(&minimal()).await;
    let id = one.id.as_str();
    server
        .post(&json!({"redirect_uris": ["http://a.example/cb"]}))
        .await
        .expect_bad_redirect();
    server.events(0).await;
    server.read(&one).await.expect_status(200);
    server
        .update(&one, &one.update(json!({"client_name": "Second"})))
        .await
        .expect_status(200);
    let wrong = Registered {
        token: "wrong".to_owned(),
        ..one.clone()
    };
    server.update(&wrong, &minimal()).await.expect_status(401);
    server.delete(&wrong).await.expect_status(401);
    server.read(&wrong).await.expect_status(401);
    server.events(0).await;
    let path = format!("/admin/v1/clients/{id}");
    Answer::of(server.administrate("PUT", &path).await.json(&minimal()))
        .await
        .expect_status(200);
    Answer::of(
        server
            .administrate("PUT", &path)
            .await
            .json(&json!({"contacts": 5})),
    )
    .await
    .expect_status(400);
    server.events(0).await;
    let lines = export(&server).await;
    server.delete(&one).await.expect_status(204);
    import(&server, "", lines.clone()).await.expect_status(200);
    import(&server, "?existing=skip", lines)
        .await
        .expect_status(200);
    server.called("DELETE", &path).await.expect_status(204);
    server.called("DELETE", &path).await.expect_status(404);
    server.events(0).await;
    let tokens = "/admin/v1/initial-access-tokens";
    let made = Answer::of(
        server
            .administrate("POST", tokens)
            .await
            .json(&json!({"uses": 5})),
    )
    .await;
    let token = made.body["id"].as_str().unwrap();
    let two = Registered::of(
        server
            .post_with(made.body["token"].as_str().unwrap(), &minimal())
            .await
            .body,
    );
    server
        .called("DELETE", &format!("{tokens}/{token}"))
        .await
        .expect_status(204);
    server
        .called("DELETE", &format!("{tokens}/{token}"))
        .await
        .expect_status(404);
    server.events(0).await;
    let patched = patch(&server, false).await;
    let revision = patched.header("etag").trim_matches('"');
    patch(&server, false).await.expect_status(200);
    server
        .post(&minimal())
        .await
        .expect_error(403, &["access_denied"]);

    let events = server.events(0).await;
    let seen: Vec<Told<'_>> = events.iter().map(told).collect();
    let expected: &[Told<'_>] = &[
        ("client_created", None, administrator, None),
        ("client_created", None, Some(id), None),
        (
            "registration_refused",
            None,
            None,
            Some("invalid_redirect_uri"),
        ),
        ("client_updated", Some(id), Some(id), None),
        ("update_refused", None, Some(id), Some("invalid_token")),
        ("deletion_refused", None, Some(id), Some("invalid_token")),
        ("client_updated", administrator, Some(id), None),
        (
            "update_refused",
            administrator,
            Some(id),
            Some("invalid_client_metadata"),
        ),
        ("clients_exported", administrator, None, None),
        ("client_deleted", Some(id), Some(id), None),
        ("client_imported", administrator, Some(id), None),
        ("client_deleted", administrator, Some(id), None),
        (
            "deletion_refused",
            administrator,
            Some(id),
            Some("not_found"),
        ),
        (
            "initial_access_token_created",
            administrator,
            Some(token),
            None,
        ),
        ("client_created", None, Some(&two.id), None),
        (
            "initial_access_token_revoked",
            administrator,
            Some(token),
            None,
        ),
        (
            "administration_refused",
            administrator,
            None,
            Some("not_found"),
        ),
        ("configuration_changed", administrator, Some(revision), None),
        ("registration_refused", None, None, Some("access_denied")),
    ];
    assert_eq!(seen, expected);
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["position"], place + 1, "no gap");
        assert_eq!(event["time"], crate::support::START);
        assert_eq!(
            event["outcome"],
            if event["error"].is_null() {
                "done"
            } else {
                "refused"
            }
        );
    }
    assert_eq!(
        events[3]["details"],
        json!({
            "trust_level": "open", "revision": 2, "changed": ["client_name"], "before": {"client_name": "K"},
            "after": {"client_name": "Second"},
        })
    );
    assert_eq!(events[14]["details"]["initial_access_token"], token);
    assert_eq!(
        events[17]["details"]["changed"],
        json!(["registration.dynamicRegistrationEnabled"]),
        "the event has names of options but no values"
    );
    assert_eq!(events[18]["details"]["status"], 403);
}

#[tokio::test]
async fn rejected_calls_of_administrators_are_recorded() {
    let server = TestServer::new().await;
    let administrator = Some("administrator");
    let client = server.register(&minimal()).await;
    let path = format!("/admin/v1/clients/{}", client.id);
    let begin = server.last_event().await;
    let reader = server.administrator_token_for("clients.read").await;
    Answer::of(server.ask("DELETE", &path))
        .await
        .expect_status(401);
    Answer::of(
        server
            .ask("GET", "/admin/v1/clients/secret-1b7")
            .bearer_auth("wrong-9a1"),
    )
    .await
    .expect_status(401);
    Answer::of(server.ask("DELETE", &path).bearer_auth(&reader))
        .await
        .expect_status(403);
    let stale = server
        .administrate("PUT", &path)
        .await
        .header("if-match", "\"9\"")
        .json(&minimal());
    Answer::of(stale).await.expect_status(412);
    let own = server
        .administrate("PUT", "/admin/v1/clients/administrator")
        .await
        .json(&minimal());
    Answer::of(own).await.expect_status(403);
    server
        .called("DELETE", "/admin/v1/clients/secret-1b7")
        .await
        .expect_status(404);
    let patched = server.administrate("PATCH", "/admin/v1/config").await;
    let patched = patched
        .header("content-type", "application/json-patch+json")
        .body("[5]");
    Answer::of(patched).await.expect_status(400);
    server
        .called("DELETE", "/admin/v1/clients?client_id=")
        .await
        .expect_status(400);
    import(&server, "", "{\"secret\": \"secret-1b7\"}\n")
        .await
        .expect_status(400);
    let odd = server
        .administrate("POST", "/admin/v1/initial-access-tokens")
        .await;
    Answer::of(odd.json(&json!({"uses": "secret-1b7"})))
        .await
        .expect_status(400);
    let answer = server
        .called("GET", &format!("/admin/v1/audit?limit=1000&after={begin}"))
        .await;
    let events = answer.body["events"].as_array().unwrap();
    let seen: Vec<Told<'_>> = events.iter().map(told).collect();
    let expected: &[Told<'_>] = &[
        ("administration_refused", None, None, Some("invalid_token")),
        ("administration_refused", None, None, Some("invalid_token")),
        (
            "administration_refused",
            administrator,
            None,
            Some("insufficient_scope"),
        ),
        (
            "update_refused",
            administrator,
            Some(&client.id),
            Some("precondition_failed"),
        ),
        (
            "update_refused",
            administrator,
            administrator,
            Some("access_denied"),
        ),
        ("deletion_refused", administrator, None, Some("not_found")),
        (
            "configuration_refused",
            administrator,
            None,
            Some("invalid_request"),
        ),
        (
            "administration_refused",
            administrator,
            None,
            Some("invalid_request"),
        ),
        (
            "administration_refused",
            administrator,
            None,
            Some("invalid_import"),
        ),
        (
            "administration_refused",
            administrator,
            None,
            Some("invalid_request"),
        ),
    ];
    assert_eq!(seen, expected);
    assert_eq!(
        events[1]["details"],
        json!({"call": "GET /admin/v1/clients/{id}", "status": 401})
    );
    assert_eq!(
        events[2]["details"],
        json!({"call": "DELETE /admin/v1/clients/{id}", "status": 403})
    );
    assert_eq!(
        events[8]["details"],
        json!({"call": "POST /admin/v1/clients/import", "status": 400})
    );
    assert!(
        !answer.text.contains("secret-") && !answer.text.contains("wrong-"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn an_event_has_the_correlation_id_of_its_request() {
    let server = TestServer::new().await;
    let created = server.post(&minimal()).await;
    let refused = server.post(&json!({"redirect_uris": 5})).await;
    let events = server.events(1).await;
    for (answer, event) in [created, refused].iter().zip(&events) {
        assert_eq!(
            answer.header("x-correlation-id"),
            event["correlation_id"].as_str().unwrap()
        );
        assert_eq!(event["address"], "127.0.0.1");
    }
}

#[tokio::test]
async fn scopes_of_which_none_was_granted_are_in_the_event() {
    let server = TestServer::new().await;
    let of = async |id: &str| {
        let page = server.called("GET", "/admin/v1/audit?limit=1000").await;
        let mut events = page.body["events"].as_array().unwrap().iter();
        let last = events.rfind(|event| event["subject"] == id);
        last.unwrap()["details"]["dropped_scopes"].clone()
    };
    let lost = server
        .register(&with(minimal(), json!({"scope": "api.read \n api.write"})))
        .await;
    assert_eq!(of(&lost.id).await, "api.read api.write");
    let long = "x".repeat(1_000);
    let body = with(minimal(), json!({"client_id": lost.id, "scope": long}));
    server.update(&lost, &body).await.expect_status(200);
    assert_eq!(of(&lost.id).await, "x".repeat(256));
    for scope in [json!("openid api.read"), json!(null)] {
        let client = server
            .register(&with(minimal(), json!({"scope": scope})))
            .await;
        assert_eq!(of(&client.id).await, json!(null));
    }
}

#[tokio::test]
async fn pages_continue_each_other() {
    let server = TestServer::new().await;
    for _ in 0..6 {
        server.register(&minimal()).await;
    }
    let (mut after, mut positions) = (0, Vec::new());
    loop {
        let page = server
            .called("GET", &format!("/admin/v1/audit?after={after}&limit=3"))
            .await;
        page.expect_status(200);
        let events = page.body["events"].as_array().unwrap();
        positions.extend(
            events
                .iter()
                .map(|event| event["position"].as_u64().unwrap()),
        );
        let Some(next) = page.body["next"].as_u64() else {
            break;
        };
        assert_eq!(Some(&next), positions.last());
        after = next;
    }
    assert_eq!(positions, (1..=7).collect::<Vec<_>>());
    let end = server.called("GET", "/admin/v1/audit?after=7").await;
    assert_eq!(end.body, json!({"events": []}));
    for query in [
        "after=x",
        "after=-1",
        "limit=0",
        "limit=1001",
        "limit=x",
        "before=1",
        "after=1&after=2",
    ] {
        let answer = server
            .called("GET", &format!("/admin/v1/audit?{query}"))
            .await;
        answer.expect_error(400, &["invalid_request"]);
    }
}

#[tokio::test]
async fn no_secret_is_in_the_audit_log() {
    let server = TestServer::new().await;
    let client = server.register(&machine()).await;
    let access = server.access_token(&client).await;
    let statement = "eyJhbGciOiJFUzI1NiJ9.eyJzZWNyZXQiOiJzdGF0ZW1lbnQifQ.c2lnbmF0dXJl";
    server
        .post(&with(minimal(), json!({"software_statement": statement})))
        .await
        .expect_status(400);
    server
        .post_with("initial-0c8f", &minimal())
        .await
        .expect_status(401);
    let update =
        json!({"client_id": client.id, "client_secret": "wrong-7f4c", "redirect_uris": [5]});
    server.update(&client, &update).await.expect_status(400);
    let mistaken = server.ask("DELETE", &format!("/register?client_id={}", client.token));
    Answer::of(mistaken).await.expect_status(401);
    let lines = export(&server).await;
    import(&server, "?existing=replace", lines)
        .await
        .expect_status(200);
    let made = Answer::of(
        server
            .administrate("POST", "/admin/v1/initial-access-tokens")
            .await
            .json(&json!({})),
    )
    .await;
    let patch = json!([{"op": "add", "path": "/registration/dcrSignatureValidationSharedSecret",
        "value": "shared-secret-of-at-least-32-bytes-91c2"}]);
    let request = server.administrate("PATCH", "/admin/v1/config").await;
    let request = request.header("content-type", "application/json-patch+json");
    Answer::of(request.body(patch.to_string()))
        .await
        .expect_status(200);
    let answer = server.called("GET", "/admin/v1/audit?limit=1000").await;
    assert!(
        answer.body["events"].as_array().unwrap().len() >= 9,
        "{}",
        answer.text
    );
    let administrator = server.administrator();
    let secrets = [
        client.token.as_str(),
        client.body["client_secret"].as_str().unwrap(),
        &access,
        statement,
        "initial-0c8f",
        "wrong-7f4c",
        made.body["token"].as_str().unwrap(),
        "shared-secret",
        administrator.body["client_secret"].as_str().unwrap(),
    ];
    for secret in secrets {
        assert!(
            !answer.text.contains(secret),
            "{secret} is in {}",
            answer.text
        );
    }
}
