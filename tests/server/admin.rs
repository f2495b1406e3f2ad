//! The admin API: authorization, clients, initial access tokens, scripts, the configuration.

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, minimal, with};

/// Sends a request of the administrator.
async fn call(server: &TestServer, method: &str, path: &str, body: &Value) -> Answer {
    let token = server.administrator_token().await;
    let request = server.ask(method, path).bearer_auth(token);
    Answer::of(if body.is_null() {
        request
    } else {
        request.json(body)
    })
    .await
}

const CALLS: &[(&str, &str)] = &[
    ("GET", "/admin/v1/config"),
    ("PATCH", "/admin/v1/config"),
    ("GET", "/admin/v1/clients"),
    ("GET", "/admin/v1/clients/x"),
    ("DELETE", "/admin/v1/clients?client_name=x"),
    ("PUT", "/admin/v1/clients/x"),
    ("PATCH", "/admin/v1/clients/x"),
    ("DELETE", "/admin/v1/clients/x"),
    ("POST", "/admin/v1/clients"),
    ("POST", "/admin/v1/clients/disable"),
    ("POST", "/admin/v1/clients/enable"),
    ("POST", "/admin/v1/clients/x/secret"),
    ("POST", "/admin/v1/clients/x/registration-token"),
    ("GET", "/admin/v1/clients/export"),
    ("POST", "/admin/v1/clients/import"),
    ("GET", "/admin/v1/clients/resolve?client_id=x"),
    ("GET", "/admin/v1/client-documents"),
    ("GET", "/admin/v1/client-documents/candidate?client_id=x"),
    ("POST", "/admin/v1/client-documents/approve"),
    ("POST", "/admin/v1/client-documents/deny"),
    ("POST", "/admin/v1/client-documents/allow"),
    ("POST", "/admin/v1/client-documents/refresh"),
    ("POST", "/admin/v1/client-documents/pin"),
    ("POST", "/admin/v1/client-documents/unpin"),
    ("GET", "/admin/v1/audit"),
    ("GET", "/admin/v1/initial-access-tokens"),
    ("POST", "/admin/v1/initial-access-tokens"),
    ("GET", "/admin/v1/initial-access-tokens/x"),
    ("DELETE", "/admin/v1/initial-access-tokens/x"),
    ("GET", "/admin/v1/scripts"),
    ("GET", "/admin/v1/schemas/Client"),
];

#[tokio::test]
async fn a_call_needs_a_token_with_the_required_scope() {
    let server = TestServer::new().await;
    let machine = json!({"grant_types": ["client_credentials"], "scope": "openid"});
    let client = server.register(&machine).await;
    let token = server.access_token(&client).await;
    for (method, path) in CALLS {
        let answer = Answer::of(server.ask(method, path)).await;
        answer.expect_status(401);
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="registrar""#,
            "{method} {path}"
        );
        let answer = Answer::of(server.ask(method, path).bearer_auth("wrong")).await;
        answer.expect_error(401, &["invalid_token"]);
        let answer = Answer::of(server.ask(method, path).bearer_auth(&client.token)).await;
        answer.expect_error(401, &["invalid_token"]);
        let answer = Answer::of(server.ask(method, path).bearer_auth(&token)).await;
        answer.expect_error(403, &["insufficient_scope"]);
        assert!(
            answer
                .header("www-authenticate")
                .contains("insufficient_scope"),
            "{method} {path}"
        );
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "",
            "no web page may call the admin API"
        );
    }
    let count = server.storage().count_clients().await.unwrap();
    assert_eq!(count, 2, "nothing was deleted");
}

#[tokio::test]
async fn a_token_is_valid_for_its_scopes_only() {
    let server = TestServer::new().await;
    for (scope, method, path) in [
        ("clients.write", "GET", "/admin/v1/clients"),
        ("clients.read", "PUT", "/admin/v1/clients/x"),
        ("clients.read", "DELETE", "/admin/v1/clients?client_name=x"),
        (
            "clients.read clients.write",
            "GET",
            "/admin/v1/clients/export",
        ),
        (
            "clients.read clients.write",
            "POST",
            "/admin/v1/clients/import",
        ),
        (
            "clients.read clients.export",
            "POST",
            "/admin/v1/clients/import",
        ),
        (
            "clients.read clients.write clients.export config.read",
            "GET",
            "/admin/v1/audit",
        ),
    ] {
        let token = server.administrator_token_for(scope).await;
        let answer = Answer::of(server.ask(method, path).bearer_auth(token)).await;
        answer.expect_error(403, &["insufficient_scope"]);
    }
    let token = server.administrator_token_for("audit.read").await;
    Answer::of(server.ask("GET", "/admin/v1/audit").bearer_auth(token))
        .await
        .expect_status(200);
    let token = server.administrator_token_for("clients.export").await;
    Answer::of(
        server
            .ask("GET", "/admin/v1/clients/export")
            .bearer_auth(token),
    )
    .await
    .expect_status(200);
}

#[tokio::test]
async fn an_unsupported_method_is_answered_with_the_allowed_ones() {
    let server = TestServer::new().await;
    for (method, path, allowed) in [
        ("PUT", "/admin/v1/clients", "GET, HEAD, POST, DELETE"),
        (
            "POST",
            "/admin/v1/clients/x",
            "GET, HEAD, PUT, PATCH, DELETE",
        ),
        ("DELETE", "/admin/v1/clients/export", "GET, HEAD"),
        ("GET", "/admin/v1/clients/import", "POST"),
        ("PUT", "/admin/v1/config", "GET, HEAD, PATCH"),
        ("PUT", "/admin/v1/audit", "GET, HEAD"),
        ("PUT", "/admin/v1/initial-access-tokens", "GET, HEAD, POST"),
    ] {
        let answer = server.called(method, path).await;
        answer.expect_error(405, &["method_not_allowed"]);
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn clients_are_listed_shown_and_deleted() {
    let server = TestServer::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let body = with(
            minimal(),
            json!({"client_name": format!("Client {number}"), "software_id": "s"}),
        );
        ids.push(server.register(&body).await.id);
    }
    let other = server.register(&minimal()).await;
    ids.sort();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = call(
            &server,
            "GET",
            &format!("/admin/v1/clients?software_id=s&limit=2{after}"),
            &json!(null),
        )
        .await;
        page.expect_status(200);
        let clients = page.body["clients"].as_array().unwrap();
        assert!(clients.len() <= 2);
        seen.extend(
            clients
                .iter()
                .map(|client| client["client_id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    assert_eq!(seen, ids);
    let named = call(
        &server,
        "GET",
        "/admin/v1/clients?client_name=client%203",
        &json!(null),
    )
    .await;
    assert_eq!(named.body["clients"].as_array().unwrap().len(), 1);

    let path = format!("/admin/v1/clients/{}", other.id);
    let shown = call(&server, "GET", &path, &json!(null)).await;
    shown.expect_status(200);
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.body["metadata"]["client_name"], "K");
    assert_eq!(shown.body["provenance"]["trust_level"], "open");
    for secret in [&other.token, other.body["client_secret"].as_str().unwrap()] {
        assert!(!shown.text.contains(secret), "no secret is shown");
    }
    call(&server, "DELETE", &path, &json!(null))
        .await
        .expect_status(204);
    server.read(&other).await.expect_status(401);
    call(&server, "DELETE", &path, &json!(null))
        .await
        .expect_error(404, &["not_found"]);

    for query in [
        "unknown=1",
        "limit=0",
        "limit=501",
        "limit=x",
        "trust_level=best",
        "limit=1&limit=2",
    ] {
        let answer = call(
            &server,
            "GET",
            &format!("/admin/v1/clients?{query}"),
            &json!(null),
        )
        .await;
        answer.expect_error(400, &["invalid_request"]);
    }
    let events = server.storage().audited(0).await.unwrap();
    let own = events
        .iter()
        .find(|event| event["action"] == "client_deleted")
        .unwrap();
    assert_eq!(
        (&own["subject"], &own["actor"]),
        (&json!(other.id), &json!("administrator"))
    );
}

#[tokio::test]
async fn initial_access_tokens_are_created_used_shown_and_revoked() {
    let server = TestServer::registering(json!({"initialAccessToken": "required"})).await;
    let tokens = "/admin/v1/initial-access-tokens";
    let wanted = json!({"note": "partner", "uses": 1, "expires_in": 3600,
        "policy": {"redirect_hosts": ["client.example.org"]}});
    let made = call(&server, "POST", tokens, &wanted).await;
    made.expect_status(201);
    let (id, token) = (
        made.body["id"].as_str().unwrap(),
        made.body["token"].as_str().unwrap(),
    );
    assert!(token.len() >= 43 && !id.contains(token));
    let register = |token: String| async {
        Answer::of(
            server
                .ask("POST", "/register")
                .bearer_auth(token)
                .json(&minimal()),
        )
        .await
    };
    register(token.to_owned()).await.expect_status(201);
    register(token.to_owned())
        .await
        .expect_error(401, &["invalid_token"]);
    let one = format!("{tokens}/{id}");
    let shown = call(&server, "GET", &one, &json!(null)).await;
    assert_eq!(
        (&shown.body["used"], &shown.body["note"]),
        (&json!(1), &json!("partner"))
    );
    let list = call(&server, "GET", tokens, &json!(null)).await;
    assert_eq!(
        list.body["initial_access_tokens"].as_array().unwrap().len(),
        1
    );
    assert!(
        !shown.text.contains(token) && !list.text.contains(token),
        "the token is shown only once"
    );

    let free = call(&server, "POST", tokens, &json!({})).await.body["token"]
        .as_str()
        .unwrap()
        .to_owned();
    register(free.clone()).await.expect_status(201);
    let id = call(&server, "GET", tokens, &json!(null)).await.body["initial_access_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|token| token["note"].is_null())
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    call(&server, "DELETE", &format!("{tokens}/{id}"), &json!(null))
        .await
        .expect_status(204);
    register(free).await.expect_error(401, &["invalid_token"]);
    call(&server, "DELETE", &format!("{tokens}/{id}"), &json!(null))
        .await
        .expect_status(404);
    // JSON Schema takes a number with a fraction of 0 for an integer, and many programs write null for nothing.
    let wanted = json!({"note": null, "uses": 2.0, "expires_in": 86400.0, "policy": {"redirect_hosts": null}});
    let made = call(&server, "POST", tokens, &wanted).await;
    made.expect_status(201);
    assert_eq!(
        (&made.body["uses"], made.body.get("note")),
        (&json!(2), None)
    );
    let wanted = json!({"uses": null, "expires_in": null, "policy": null});
    let made = call(&server, "POST", tokens, &wanted).await;
    made.expect_status(201);
    assert_eq!(
        (made.body.get("uses"), made.body.get("expires_at")),
        (None, None)
    );
    call(&server, "POST", tokens, &json!({"uses": 1.5}))
        .await
        .expect_error(400, &["invalid_request"]);
    for bad in [
        json!({"uses": 0}),
        json!({"expires_in": 0}),
        json!({"unknown": 1}),
        json!({"uses": "1"}),
    ] {
        call(&server, "POST", tokens, &bad)
            .await
            .expect_error(400, &["invalid_request"]);
    }
}

#[tokio::test]
async fn version_scripts_and_the_client_schema_can_be_read() {
    let script =
        "fn createClient(context) { context.client.client_name != \"fault\" || 1 / 0 == 0 }";
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    server.register(&minimal()).await;
    server
        .post(&with(minimal(), json!({"client_name": "fault"})))
        .await
        .expect_status(500);
    let shown = call(&server, "GET", "/admin/v1/scripts", &json!(null)).await;
    shown.expect_status(200);
    let script = &shown.body["scripts"][0];
    assert_eq!(
        (&script["name"], &script["hooks"]),
        (&json!("10-a.rhai"), &json!(["createClient"]))
    );
    assert_eq!(script["hash"].as_str().unwrap().len(), 64);
    let calls = &shown.body["calls"][0];
    assert_eq!((&calls["calls"], &calls["faults"]), (&json!(2), &json!(1)));
    let schema = call(&server, "GET", "/admin/v1/schemas/Client", &json!(null)).await;
    assert_eq!(schema.body["properties"]["redirect_uris"]["type"], "array");
}

#[tokio::test]
async fn the_configuration_is_shown_and_patched() {
    let server = TestServer::new().await;
    let patch = async |operations: &Value, revision: &str| {
        let token = server.administrator_token().await;
        let request = server
            .ask("PATCH", "/admin/v1/config")
            .bearer_auth(token)
            .header("if-match", revision);
        let request = request.header("content-type", "application/json-patch+json");
        Answer::of(request.body(operations.to_string())).await
    };
    let shown = call(&server, "GET", "/admin/v1/config", &json!(null)).await;
    assert_eq!(
        shown.body["registration"]["dynamicRegistrationEnabled"],
        true
    );
    let off = json!([{"op": "replace", "path": "/registration/dynamicRegistrationEnabled", "value": false}]);
    patch(&off, "\"another\"")
        .await
        .expect_error(412, &["precondition_failed"]);
    let patched = patch(&off, shown.header("etag")).await;
    patched.expect_status(200);
    assert_eq!(
        patched.body["origins"]["registration.dynamicRegistrationEnabled"],
        "patch"
    );
    server
        .post(&minimal())
        .await
        .expect_error(403, &["access_denied"]);
    let events = server.storage().audited(0).await.unwrap();
    assert_eq!(events.last().unwrap()["actor"], "administrator");
}

#[tokio::test]
async fn a_member_of_another_type_is_named_without_its_value() {
    let server = TestServer::new().await;
    let text = "garbage-5e0b7f4c";
    let admins = "/admin/v1/administrators";
    let tokens = "/admin/v1/initial-access-tokens";
    let versions = "/admin/v1/scripts/versions";
    for (method, path, body, said) in [
        (
            "POST",
            admins,
            json!({"name": "x", "all_scopes": text}),
            "all_scopes: must be true or false",
        ),
        (
            "POST",
            admins,
            json!({"name": "x", "scopes": ["audit.read", {text: text}]}),
            "scopes[1]: must be a text",
        ),
        (
            "POST",
            admins,
            json!({"name": [text]}),
            "name: must be a text",
        ),
        (
            "POST",
            admins,
            json!({"all_scopes": true}),
            "missing field `name`",
        ),
        (
            "PATCH",
            "/admin/v1/administrators/administrator",
            json!({"disabled": text}),
            "disabled: must be true or false",
        ),
        (
            "POST",
            "/admin/v1/administrators/administrator/rotate",
            json!({"overlap": text}),
            "overlap: must be a whole number from 0",
        ),
        (
            "POST",
            "/admin/v1/administrators/administrator/rotate",
            json!({"overlap": -7_351}),
            "overlap: must be a whole number from 0",
        ),
        (
            "POST",
            tokens,
            json!({"expires_in": text}),
            "expires_in: must be a whole number from 0",
        ),
        (
            "POST",
            tokens,
            json!({"policy": {"scopes": text}}),
            "policy.scopes: must be an array",
        ),
        (
            "POST",
            versions,
            json!({"files": {"10-policy.rhai": [text]}}),
            "files.10-policy.rhai: must be a text",
        ),
        (
            "POST",
            "/admin/v1/clients/used",
            json!([text, {text: 7_351}]),
            "must be",
        ),
    ] {
        let answer = call(&server, method, path, &body).await;
        answer.expect_error(400, &["invalid_request"]);
        assert!(answer.text.contains(said), "{body}: {}", answer.text);
        for value in [text, "7351"] {
            assert!(!answer.text.contains(value), "{body}: {}", answer.text);
        }
    }
    let unknown = json!({"name": "x", "secret of the admin": true});
    let answer = call(&server, "POST", admins, &unknown).await;
    answer.expect_error(400, &["invalid_request"]);
    let said = "unknown field, expected one of `name`, `note`, `scopes`";
    assert!(answer.text.contains(said), "{}", answer.text);
}
