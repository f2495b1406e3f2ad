//! Several administrators: what each may do, and how they are created, rotated, disabled and deleted.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{Answer, GRANT, Registered, START, Signer, TestServer, minimal, with};

pub(crate) const ALL: &str = "/admin/v1/administrators";

impl TestServer {
    /// Calls the admin API with this access token.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let request = self.ask(method, path).bearer_auth(token);
        Answer::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// Creates an administrator with `members`, as the first one.
    pub(crate) async fn appoint(&self, members: Value) -> Registered {
        let token = self.administrator_token().await;
        let wanted = with(json!({"name": "Other"}), members);
        let made = self.call_as(&token, "POST", ALL, Some(&wanted)).await;
        made.expect_status(201);
        of(&made)
    }

    /// Returns the status of a token request by `administrator`.
    async fn sign_in(&self, administrator: &Registered) -> u16 {
        self.basic(administrator, "/token", &[GRANT]).await.status
    }

    /// Sends a change of `administrator` as the first one.
    pub(crate) async fn patch_admin(&self, id: &str, patch: Value) -> Answer {
        let token = self.administrator_token().await;
        self.call_as(&token, "PATCH", &format!("{ALL}/{id}"), Some(&patch))
            .await
    }
}

fn of(made: &Answer) -> Registered {
    let id = made.member("client_id").as_str().expect("an identifier");
    Registered {
        id: id.to_owned(),
        uri: String::new(),
        token: String::new(),
        body: made.body.clone(),
    }
}

#[tokio::test]
async fn an_administrator_is_created_shown_changed_and_deleted() {
    let server = TestServer::new().await;
    let siem = server
        .appoint(json!({"name": "SIEM", "note": "reads", "scopes": ["audit.read"]}))
        .await;
    let token = server.access_token(&siem).await;
    let audit = server.call_as(&token, "GET", "/admin/v1/audit", None).await;
    audit.expect_status(200);
    let clients = server
        .call_as(&token, "GET", "/admin/v1/clients", None)
        .await;
    clients.expect_error(403, &["insufficient_scope"]);

    let one = format!("{ALL}/{}", siem.id);
    let shown = server.called("GET", &one).await;
    for (name, value) in [
        ("name", json!("SIEM")),
        ("note", json!("reads")),
        ("scopes", json!(["audit.read"])),
        ("all_scopes", json!(false)),
        ("disabled", json!(false)),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("created_at", json!(START)),
        ("created_by", json!("administrator")),
        ("client_secret", Value::Null),
    ] {
        assert_eq!(shown.member(name), &value, "{name}");
    }
    let list = server.called("GET", ALL).await;
    let ids = list.body["administrators"].as_array().unwrap();
    let mut ids: Vec<&str> = ids
        .iter()
        .map(|one| one["client_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let mut expected = ["administrator", siem.id.as_str()];
    expected.sort_unstable();
    assert_eq!(ids, expected);

    let renamed = server
        .patch_admin(&siem.id, json!({"name": "Splunk", "note": null}))
        .await;
    assert_eq!(renamed.member("note"), &Value::Null);
    let audit = server.call_as(&token, "GET", "/admin/v1/audit", None).await;
    audit.expect_status(200);
    let more = json!({"scopes": ["audit.read", "clients.read"]});
    server.patch_admin(&siem.id, more).await.expect_status(200);
    let audit = server.call_as(&token, "GET", "/admin/v1/audit", None).await;
    audit.expect_error(401, &["invalid_token"]);
    let token = server.access_token(&siem).await;
    let clients = server
        .call_as(&token, "GET", "/admin/v1/clients", None)
        .await;
    clients.expect_status(200);

    server.called("DELETE", &one).await.expect_status(204);
    server
        .called("GET", &one)
        .await
        .expect_error(404, &["not_found"]);
    let clients = server
        .call_as(&token, "GET", "/admin/v1/clients", None)
        .await;
    clients.expect_error(401, &["invalid_token"]);
    assert_eq!(server.sign_in(&siem).await, 401);
}

#[tokio::test]
async fn each_call_needs_its_scope() {
    let server = TestServer::new().await;
    let (read, write) = ("admins.read", "admins.write");
    let one = &format!("{ALL}/administrator");
    let rotate = &format!("{one}/rotate");
    for (scope, method, path) in [
        (write, "GET", ALL),
        (write, "GET", one.as_str()),
        (read, "POST", ALL),
        (read, "PATCH", one),
        (read, "DELETE", one),
        (read, "POST", rotate),
    ] {
        let token = server.administrator_token_for(scope).await;
        let answer = server.call_as(&token, method, path, None).await;
        answer.expect_error(403, &["insufficient_scope"]);
    }
}

#[tokio::test]
async fn nobody_gives_or_takes_over_scopes_that_its_token_lacks() {
    let server = TestServer::new().await;
    let limited = server
        .appoint(json!({"scopes": ["admins.write", "audit.read"]}))
        .await;
    let token = server.access_token(&limited).await;
    let wanted = json!({"name": "x", "scopes": ["audit.read", "clients.export"]});
    let answer = server.call_as(&token, "POST", ALL, Some(&wanted)).await;
    answer.expect_error(403, &["insufficient_scope"]);
    let all = json!({"name": "x", "all_scopes": true});
    let answer = server.call_as(&token, "POST", ALL, Some(&all)).await;
    answer.expect_error(403, &["insufficient_scope"]);
    let one = format!("{ALL}/{}", limited.id);
    let more = json!({"scopes": ["admins.write", "config.write"]});
    let answer = server.call_as(&token, "PATCH", &one, Some(&more)).await;
    answer.expect_error(403, &["insufficient_scope"]);
    for (method, path, body) in [
        ("POST", "/administrator/rotate", json!({})),
        ("PATCH", "/administrator", json!({"disabled": true})),
        ("DELETE", "/administrator", json!({})),
    ] {
        let path = format!("{ALL}{path}");
        let answer = server.call_as(&token, method, &path, Some(&body)).await;
        answer.expect_error(403, &["insufficient_scope"]);
    }
    // The scopes of the token count, not those of its administrator.
    let narrow = server.administrator_token_for("admins.write").await;
    let wanted = json!({"name": "x", "scopes": ["audit.read"]});
    let answer = server.call_as(&narrow, "POST", ALL, Some(&wanted)).await;
    answer.expect_error(403, &["insufficient_scope"]);
    server
        .call_as(&token, "POST", ALL, Some(&wanted))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn after_a_rotation_both_secrets_are_valid_during_the_overlap() {
    let server = TestServer::new().await;
    let first = server.appoint(json!({"scopes": ["audit.read"]})).await;
    let token = server.access_token(&first).await;
    let rotate = async |id: &str, body: Value| {
        let admin = server.administrator_token().await;
        let path = format!("{ALL}/{id}/rotate");
        server.call_as(&admin, "POST", &path, Some(&body)).await
    };
    let answer = rotate(&first.id, json!({"overlap": 60})).await;
    assert_eq!(
        answer.member("previous_secret_expires_at"),
        &json!(START + 60)
    );
    let second = of(&answer);
    let audit = server.call_as(&token, "GET", "/admin/v1/audit", None).await;
    audit.expect_error(401, &["invalid_token"]);
    assert_eq!(server.sign_in(&first).await, 200);
    assert_eq!(server.sign_in(&second).await, 200);
    server.clock.advance(60);
    assert_eq!(server.sign_in(&first).await, 401);
    assert_eq!(server.sign_in(&second).await, 200);
    let third = of(&rotate(&first.id, json!({})).await);
    assert_eq!(server.sign_in(&second).await, 401);
    assert_eq!(server.sign_in(&third).await, 200);
    let answer = rotate(&first.id, json!({"overlap": 2_592_001})).await;
    answer.expect_error(400, &["invalid_request"]);

    // The first administrator, whose secret is sealed until then.
    let before = server.administrator();
    let after = of(&rotate(&before.id, json!({"overlap": 60})).await);
    assert_eq!(server.sign_in(&before).await, 200);
    assert_eq!(server.sign_in(&after).await, 200);
    server.clock.advance(60);
    assert_eq!(server.sign_in(&before).await, 401);
    assert_eq!(server.sign_in(&after).await, 200);
}

#[tokio::test]
async fn the_last_administrator_with_all_scopes_stays() {
    let server = TestServer::new().await;
    let off = json!({"disabled": true});
    let answer = server.patch_admin("administrator", off.clone()).await;
    answer.expect_error(409, &["last_administrator"]);
    let other = server.appoint(json!({"all_scopes": true})).await;
    server
        .patch_admin("administrator", off.clone())
        .await
        .expect_status(200);
    assert_eq!(server.sign_in(&server.administrator()).await, 401);
    let token = server.access_token(&other).await;
    let one = format!("{ALL}/{}", other.id);
    for (method, body) in [
        ("PATCH", off),
        ("PATCH", json!({"scopes": ["audit.read"]})),
        ("DELETE", json!({})),
    ] {
        let answer = server.call_as(&token, method, &one, Some(&body)).await;
        answer.expect_error(409, &["last_administrator"]);
    }
    let first = format!("{ALL}/administrator");
    let answer = server
        .call_as(
            &token,
            "PATCH",
            &first,
            Some(&json!({"scopes": ["audit.read"]})),
        )
        .await;
    answer.expect_error(403, &["access_denied"]);
    let on = json!({"disabled": false});
    let answer = server.call_as(&token, "PATCH", &first, Some(&on)).await;
    answer.expect_status(200);
    assert_eq!(server.sign_in(&server.administrator()).await, 200);
    let answer = server.call_as(&token, "DELETE", &first, None).await;
    answer.expect_error(403, &["access_denied"]);
    let answer = server.call_as(&token, "DELETE", &one, None).await;
    answer.expect_status(204);
}

#[tokio::test]
async fn there_are_no_more_than_a_hundred_administrators() {
    let server = TestServer::new().await;
    let token = server.administrator_token().await;
    let wanted = json!({"name": "One of many", "scopes": ["audit.read"]});
    let mut last = String::new();
    // The first one is the hundredth.
    for _ in 0..99 {
        let made = server.call_as(&token, "POST", ALL, Some(&wanted)).await;
        made.expect_status(201);
        made.member("client_id")
            .as_str()
            .unwrap()
            .clone_into(&mut last);
    }
    let refused = server.call_as(&token, "POST", ALL, Some(&wanted)).await;
    refused.expect_error(409, &["too_many_administrators"]);
    let listed = server.call_as(&token, "GET", ALL, None).await;
    let count = listed.body["administrators"].as_array().map(Vec::len);
    assert_eq!(count, Some(100));
    let one = format!("{ALL}/{last}");
    let deleted = server.call_as(&token, "DELETE", &one, None).await;
    deleted.expect_status(204);
    let made = server.call_as(&token, "POST", ALL, Some(&wanted)).await;
    made.expect_status(201);
}

#[tokio::test]
async fn invalid_requests_are_rejected() {
    let server = TestServer::new().await;
    let token = server.administrator_token().await;
    let scopes = json!(["audit.read"]);
    for wanted in [
        json!({"scopes": scopes}),
        json!({"name": "", "scopes": scopes}),
        json!({"name": "x".repeat(65), "scopes": scopes}),
        json!({"name": "a\nb", "scopes": scopes}),
        json!({"name": "x"}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["email"]}),
        json!({"name": "x", "scopes": scopes, "all_scopes": true}),
        json!({"name": "x", "scopes": scopes, "note": "x".repeat(257)}),
        json!({"name": "x", "scopes": scopes, "jwks": {"keys": []}}),
        json!({"name": "x", "scopes": scopes, "jwks_uri": "no url"}),
        json!({"name": "x", "scopes": scopes, "client_secret": "x"}),
    ] {
        let answer = server.call_as(&token, "POST", ALL, Some(&wanted)).await;
        answer.expect_error(400, &["invalid_request"]);
    }
    let answer = server.patch_admin("administrator", json!({})).await;
    answer.expect_error(400, &["invalid_request"]);
    let key = Signer::new("", Algorithm::Es256).jwks();
    let answer = server
        .patch_admin("administrator", json!({"jwks": key}))
        .await;
    answer.expect_error(400, &["invalid_request"]);
    let client = server.register(&minimal()).await;
    let answer = server.called("GET", &format!("{ALL}/{}", client.id)).await;
    answer.expect_error(404, &["not_found"]);
}

#[tokio::test]
async fn the_audit_log_names_the_administrator() {
    let server = TestServer::new().await;
    let desk = server
        .appoint(json!({"name": "Help desk", "scopes": ["clients.read", "clients.write"]}))
        .await;
    let token = server.access_token(&desk).await;
    let client = server.register(&minimal()).await;
    let path = format!("/admin/v1/clients/{}", client.id);
    let answer = server.call_as(&token, "DELETE", &path, None).await;
    answer.expect_status(204);
    let events = server.events(0).await;
    let of = |action: &str| {
        let found = events.iter().rev().find(|event| event["action"] == action);
        found.expect("the event is there")
    };
    let deleted = of("client_deleted");
    assert_eq!(deleted["actor"], desk.id.as_str());
    assert_eq!(deleted["actor_name"], "Help desk");
    let created = of("administrator_created");
    assert_eq!(created["subject"], desk.id.as_str());
    assert_eq!(created["actor"], "administrator");
    assert_eq!(created["details"]["name"], "Help desk");
    assert_eq!(
        created["details"]["scopes"],
        json!(["clients.read", "clients.write"])
    );
}

/// The recipes of `docs/administration.md`: what each administrator may call, and what it may not.
#[tokio::test]
async fn each_recipe_allows_what_it_is_for_and_no_more() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let calls = [
        (
            "clients.used",
            "POST",
            "/admin/v1/clients/used".to_owned(),
            json!([client.id]),
        ),
        (
            "clients.export",
            "GET",
            "/admin/v1/clients/export".to_owned(),
            Value::Null,
        ),
        (
            "audit.read",
            "GET",
            "/admin/v1/audit".to_owned(),
            Value::Null,
        ),
        (
            "clients.read",
            "GET",
            format!("/admin/v1/clients/{}", client.id),
            Value::Null,
        ),
        (
            "pending.read",
            "GET",
            "/admin/v1/pending".to_owned(),
            Value::Null,
        ),
        (
            "config.read",
            "GET",
            "/admin/v1/config".to_owned(),
            Value::Null,
        ),
        ("admins.read", "GET", ALL.to_owned(), Value::Null),
        (
            "tokens.write",
            "GET",
            "/admin/v1/initial-access-tokens".to_owned(),
            Value::Null,
        ),
        (
            "scripts.read",
            "GET",
            "/admin/v1/scripts".to_owned(),
            Value::Null,
        ),
        (
            "clients.write",
            "DELETE",
            "/admin/v1/clients/no-such-client".to_owned(),
            Value::Null,
        ),
    ];
    for scopes in [
        &["clients.used"][..],
        &["clients.export"],
        &["audit.read"],
        &["clients.read", "pending.read"],
    ] {
        let made = server.appoint(json!({"scopes": scopes})).await;
        let token = server.access_token(&made).await;
        for (scope, method, path, body) in &calls {
            let body = Some(body).filter(|body| !body.is_null());
            let answer = server.call_as(&token, method, path, body).await;
            let is_allowed = scopes.contains(scope);
            assert_eq!(answer.status != 403, is_allowed, "{scopes:?} {path}");
            assert!(
                !is_allowed || answer.status < 300,
                "{path} {}",
                answer.status
            );
        }
    }
}
