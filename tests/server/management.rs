//! Client management by the client itself (RFC 7592).

use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, minimal, with};

#[tokio::test]
async fn a_client_reads_what_it_registered() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    assert!(
        client.uri.starts_with("http://") && client.uri.contains(&client.id),
        "{}",
        client.uri
    );
    let answer = server.read(&client).await;
    answer.expect_status(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body, client.body);
    assert_eq!(server.read(&client).await.body, client.body);
}

#[tokio::test]
async fn the_management_uri_is_below_the_issuer() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some("https://register.example.org".to_owned());
    })
    .await;
    let client = server.register(&minimal()).await;
    assert_eq!(
        client.uri,
        format!(
            "https://register.example.org/register?client_id={}",
            client.id
        )
    );
}

#[tokio::test]
async fn without_credentials_there_is_a_challenge_without_an_error() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = Answer::of(
            server
                .ask(method, &client.uri)
                .json(&client.update(json!({}))),
        )
        .await;
        answer.expect_status(401);
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer realm=\"registrar\""
        );
        assert!(!answer.text.contains(&client.id));
    }
    assert_eq!(server.read(&client).await.body, client.body);
}

#[tokio::test]
async fn every_invalid_token_is_answered_alike() {
    let server = TestServer::new().await;
    let any = minimal();
    let (one, other, gone) = (
        server.register(&any).await,
        server.register(&any).await,
        server.register(&any).await,
    );
    server.delete(&gone).await.expect_status(204);
    let unknown = one
        .uri
        .replace(&one.id, "00000000-0000-4000-8000-000000000000");
    let attempts = [
        (&one.uri, "garbage"),
        (&one.uri, other.token.as_str()),
        (&gone.uri, gone.token.as_str()),
        (&unknown, "garbage"),
        (&unknown, one.token.as_str()),
    ];
    let body = with(any, json!({"client_id": one.id}));
    let mut answers = Vec::new();
    for (uri, token) in attempts {
        for method in ["GET", "PUT", "DELETE"] {
            let request = server.ask(method, uri).bearer_auth(token).json(&body);
            let answer = Answer::of(request).await;
            answer.expect_error(401, &["invalid_token"]);
            assert!(
                answer
                    .header("www-authenticate")
                    .contains("error=\"invalid_token\"")
            );
            answers.push(answer.text);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(server.read(&one).await.body, one.body);
    assert_eq!(server.read(&other).await.body, other.body);
}

#[tokio::test]
async fn the_token_is_accepted_in_the_authorization_header_only() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let lower = server
        .ask("GET", &client.uri)
        .header("authorization", format!("bearer {}", client.token));
    Answer::of(lower).await.expect_status(200);
    let basic = server
        .ask("GET", &client.uri)
        .basic_auth(&client.id, Some(&client.token));
    Answer::of(basic)
        .await
        .expect_error(401, &["invalid_token"]);
    let query = server.ask(
        "GET",
        &format!("{}&access_token={}", client.uri, client.token),
    );
    Answer::of(query)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn an_update_changes_the_given_members_and_nothing_else() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let answer = server
        .update(&client, &client.update(json!({"client_name": "New"})))
        .await;
    answer.expect_status(200);
    assert_eq!(
        answer.body,
        with(client.body.clone(), json!({"client_name": "New"}))
    );
    assert_eq!(server.read(&client).await.body, answer.body);
}

#[tokio::test]
async fn members_that_an_update_must_not_have_are_rejected() {
    let strict = TestServer::new().await;
    let client = strict.register(&minimal()).await;
    let forbidden = [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ];
    for name in forbidden {
        let body = with(client.update(json!({})), json!({name: client.body[name]}));
        strict
            .update(&client, &body)
            .await
            .expect_bad_metadata(name);
    }
    let lenient = TestServer::registering(json!({"refuseServerMembersInUpdate": false})).await;
    let client = lenient.register(&minimal()).await;
    let answer = lenient
        .update(
            &client,
            &with(client.body.clone(), json!({"client_id_issued_at": 5})),
        )
        .await;
    answer.expect_status(200);
    assert_eq!(answer.body, client.body);
}

#[tokio::test]
async fn an_update_names_its_client_and_its_current_secret() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let wrong = [
        client.update_without(&["client_id"]),
        client.update(json!({"client_id": "another"})),
        client.update(json!({"client_id": 5})),
        client.update(json!({"client_secret": "chosen"})),
        client.update(json!({"client_secret": ["x"]})),
    ];
    for body in wrong {
        server
            .update(&client, &body)
            .await
            .expect_bad_metadata("client_");
    }
    server
        .update(&client, &client.update_without(&["client_secret"]))
        .await
        .expect_status(200);
    assert_eq!(server.read(&client).await.body, client.body);
}

#[tokio::test]
async fn members_that_an_update_leaves_out_are_deleted_or_reset_to_defaults() {
    let server = TestServer::new().await;
    let named = json!({"client_name#fr": "Mon client", "grant_types": ["authorization_code", "refresh_token"]});
    let client = server.register(&with(minimal(), named)).await;
    let body = client.update_without(&["client_name", "client_name#fr", "grant_types"]);
    server.update(&client, &body).await.expect_status(200);
    let read = server.read(&client).await.body;
    assert_eq!(read.get("client_name"), None);
    assert_eq!(read.get("client_name#fr"), None);
    assert_eq!(read["grant_types"], json!(["authorization_code"]));
}

#[tokio::test]
async fn a_rejected_update_changes_nothing() {
    let server = TestServer::new().await;
    let keys = json!({"jwks_uri": "https://client.example.org/jwks.json"});
    let client = server.register(&with(minimal(), keys)).await;
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    let refused = [
        client.update_without(&["redirect_uris"]),
        client.update(json!({"redirect_uris": ["http://client.example.org/cb"]})),
        client.update(json!({"jwks": jwks})),
        client.update(json!({"grant_types": ["foo"]})),
    ];
    for body in refused {
        server
            .update(&client, &body)
            .await
            .expect_error(400, &["invalid_redirect_uri", "invalid_client_metadata"]);
    }
    let put = || server.ask("PUT", &client.uri).bearer_auth(&client.token);
    let text = put()
        .header("content-type", "text/plain")
        .body(client.update(json!({})).to_string());
    Answer::of(text)
        .await
        .expect_error(415, &["invalid_client_metadata"]);
    let broken = put().header("content-type", "application/json").body("{");
    Answer::of(broken).await.expect_bad_metadata("body");
    assert_eq!(server.read(&client).await.body, client.body);
}

#[tokio::test]
async fn a_secret_is_created_and_deleted_with_the_method() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let public = client.update(json!({"token_endpoint_auth_method": "none"}));
    let answer = server.update(&client, &public).await;
    answer.expect_status(200);
    assert_eq!(answer.body.get("client_secret"), None);
    assert_eq!(answer.body.get("client_secret_expires_at"), None);
    let public = Registered::of(answer.body);
    let confidential = public.update(json!({"token_endpoint_auth_method": "client_secret_post"}));
    let answer = server.update(&public, &confidential).await;
    answer.expect_status(200);
    assert_ne!(answer.body["client_secret"], client.body["client_secret"]);
    assert_eq!(answer.body["client_secret_expires_at"], 0);
}

#[tokio::test]
async fn unsupported_methods_on_the_management_url_are_rejected() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    for method in ["PATCH", "POST"] {
        let answer = Answer::of(
            server
                .ask(method, &client.uri)
                .bearer_auth(&client.token)
                .json(&minimal()),
        )
        .await;
        answer.expect_error(405, &["method_not_allowed"]);
        assert_eq!(answer.header("allow"), "GET, PUT, DELETE, OPTIONS");
    }
}

#[tokio::test]
async fn a_deleted_client_no_longer_exists_at_once() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let wrong = server.ask("DELETE", &client.uri).bearer_auth("garbage");
    Answer::of(wrong)
        .await
        .expect_error(401, &["invalid_token"]);
    server.read(&client).await.expect_status(200);
    let answer = server.delete(&client).await;
    answer.expect_status(204);
    assert_eq!(answer.text, "");
    assert_eq!(answer.header("cache-control"), "no-store");
    server
        .read(&client)
        .await
        .expect_error(401, &["invalid_token"]);
    server
        .update(&client, &client.update(json!({})))
        .await
        .expect_error(401, &["invalid_token"]);
    server
        .delete(&client)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn deletion_can_be_disabled() {
    let server = TestServer::registering(json!({"clientDeletionEnabled": false})).await;
    let client = server.register(&minimal()).await;
    let answer = server.delete(&client).await;
    answer.expect_error(405, &["method_not_allowed"]);
    assert_eq!(answer.header("allow"), "GET, PUT, OPTIONS");
    server.read(&client).await.expect_status(200);
}

#[tokio::test]
async fn a_script_makes_a_client_read_only() {
    let forbid = r#"
        fn updateClient(context) {
            throw #{ status: 403, error: "access_denied", error_description: "this client is frozen" };
        }
        fn deleteClient(context) {
            context.createWebApplicationException(403, #{ error: "access_denied", error_description: "this client is frozen" });
            false
        }
    "#;
    let server = TestServer::scripted(&[("10-frozen.rhai", forbid)], |_| {}).await;
    let client = server.register(&minimal()).await;
    server
        .update(&client, &client.update(json!({})))
        .await
        .expect_error(403, &["access_denied"]);
    server
        .delete(&client)
        .await
        .expect_error(403, &["access_denied"]);
    server.read(&client).await.expect_status(200);
}

#[tokio::test]
async fn of_parallel_updates_one_is_applied_completely() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let name = |number: usize| json!({"client_name": format!("n{number}"), "software_version": format!("n{number}")});
    let bodies: Vec<Value> = (0..50).map(|number| client.update(name(number))).collect();
    let updates = bodies.iter().map(|body| server.update(&client, body));
    let answers = futures_util::future::join_all(updates).await;
    assert!(answers.iter().any(|answer| answer.status == 200));
    for answer in &answers {
        assert!([200, 409].contains(&answer.status), "{}", answer.text);
    }
    let last = server.read(&client).await.body;
    assert_eq!(last["client_name"], last["software_version"]);
    assert!(
        answers
            .iter()
            .any(|answer| answer.status == 200 && answer.body["client_name"] == last["client_name"])
    );
}

#[tokio::test]
async fn an_update_of_a_previous_revision_is_rejected() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let first = server.read(&client).await.header("etag").to_owned();
    assert!(!first.is_empty());
    let put = |tag: String| {
        let request = server
            .ask("PUT", &client.uri)
            .bearer_auth(&client.token)
            .header("if-match", tag);
        Answer::of(request.json(&client.update(json!({"client_name": "New"}))))
    };
    put(first.clone()).await.expect_status(200);
    put(first.clone())
        .await
        .expect_error(412, &["precondition_failed"]);
    let delete = server
        .ask("DELETE", &client.uri)
        .bearer_auth(&client.token)
        .header("if-match", first);
    Answer::of(delete)
        .await
        .expect_error(412, &["precondition_failed"]);
    put("*".to_owned()).await.expect_status(200);
    let present = server.read(&client).await.header("etag").to_owned();
    put(present).await.expect_status(200);
}

#[tokio::test]
async fn secrets_are_shown_once_if_so_configured() {
    let server = TestServer::registering(json!({"returnClientSecretOnRead": false})).await;
    let client = server.register(&minimal()).await;
    assert!(client.body["client_secret"].is_string());
    let read = server.read(&client).await.body;
    assert_eq!(read.get("client_secret"), None);
    assert_eq!(read.get("client_secret_expires_at"), None);
    let updated = server.update(&client, &client.update(json!({}))).await;
    updated.expect_status(200);
    assert_eq!(updated.body.get("client_secret"), None);
}
