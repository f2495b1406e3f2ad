//! `adaptRequest`: an operator repairs the requests of programs that cannot be changed.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::statements::{builtin, issuer, request};
use crate::support::{Answer, Signer, TestServer, minimal, registering, with};

async fn adapting(body: &str, more: Value) -> TestServer {
    let script = format!("fn adaptRequest(request, context) {{ {body} }}");
    TestServer::scripted(&[("10-adapt.rhai", &script)], |configuration| {
        registering(configuration, more);
    })
    .await
}

#[tokio::test]
async fn a_request_is_repaired_before_any_rule_checks_it() {
    let server = adapting(
        r#"
        if request.application_type == "Web" { request.application_type = "web"; }
        if request.contains("redirect_uri") { request.redirect_uris = [request.redirect_uri]; request.redirect_uri = (); }
        request.remove("request_object_signing_alg");
        request.contacts.push("registry@example.org");
        request["client_name#fr"] = "Le K";
        true
        "#,
        json!({}),
    )
    .await;
    let sent = json!({
        "client_name": "K", "redirect_uri": "https://client.example.org/cb", "application_type": "Web",
        "request_object_signing_alg": "HS1",
    });
    let client = server.register(&sent).await;
    assert_eq!(
        client.body["redirect_uris"],
        json!(["https://client.example.org/cb"])
    );
    assert_eq!(client.body["application_type"], "web");
    assert_eq!(client.body["contacts"], json!(["registry@example.org"]));
    assert_eq!(client.body["client_name#fr"], "Le K");
    assert_eq!(client.body.get("request_object_signing_alg"), None);
    let scripts = &server.provenance(&client).await["scripts"];
    assert_eq!(scripts.as_array().unwrap().len(), 1);
    assert_eq!(scripts[0]["name"], "10-adapt.rhai");
    // An update is repaired too.
    let update = with(sent, json!({"client_id": client.id, "client_name": "L"}));
    let answer = server.update(&client, &update).await;
    answer.expect_status(200);
    assert_eq!(
        (
            &answer.body["client_name"],
            &answer.body["application_type"]
        ),
        (&json!("L"), &json!("web"))
    );
}

#[tokio::test]
async fn an_adapted_request_is_checked_like_any_other() {
    let cases = [
        (
            "request.redirect_uris = [\"http://x.example/cb\"]",
            "invalid_redirect_uri",
        ),
        (
            "request.application_type = \"desktop\"",
            "invalid_client_metadata",
        ),
        ("request.redirect_uris = 5", "invalid_redirect_uri"),
        (
            "request.grant_types = [\"password\"]",
            "invalid_client_metadata",
        ),
    ];
    for (body, code) in cases {
        let server = adapting(&format!("{body}; true"), json!({})).await;
        server.post(&minimal()).await.expect_error(400, &[code]);
        server.expect_empty().await;
    }
}

#[tokio::test]
async fn errors_answers_and_faults_work_as_in_any_hook() {
    let cases = [
        ("false", 400, "invalid_client_metadata"),
        (
            "throw #{ status: 403, error: \"access_denied\", error_description: \"no\" }",
            403,
            "access_denied",
        ),
        (
            "context.createWebApplicationException(409, #{ error: \"x\", error_description: \"y\" }); true",
            409,
            "x",
        ),
        ("5", 500, "server_error"),
        ("throw \"x\"", 500, "server_error"),
        ("request.no_such_member = 1; true", 500, "server_error"),
        ("request.client_id = \"x\"; true", 500, "server_error"),
        ("request.client_secret = \"x\"; true", 500, "server_error"),
        ("request.trusted_client = true; true", 500, "server_error"),
        (
            "request.software_statement = \"a.b.c\"; true",
            500,
            "server_error",
        ),
        (
            "context.client.client_name = \"x\"; true",
            500,
            "server_error",
        ),
        ("loop {}", 500, "server_error"),
    ];
    for (body, status, code) in cases {
        let server = adapting(body, json!({})).await;
        server.post(&minimal()).await.expect_error(status, &[code]);
        server.expect_empty().await;
    }
}

#[tokio::test]
async fn members_of_a_verified_statement_cannot_be_changed() {
    let issuer = issuer();
    let claims = json!({
        "client_name": "Vouched", "redirect_uris": ["https://vouched.example/cb"], "software_uri": "https://vouched.example/",
    });
    let settings = with(
        builtin(&issuer, json!({})),
        json!({"softwareStatementClaims": {"software_uri": "client_uri"}}),
    );
    let settled = [
        "request.client_name = \"x\"",
        "request.remove(\"client_name\")",
        "request[\"client_name#en\"] = \"x\"",
        "request.redirect_uris = [\"https://evil.example/cb\"]",
        "request.redirect_uris.push(\"https://evil.example/cb\")",
        "request.redirect_uris_regex = \".*\"",
        "request.client_uri = \"https://evil.example/\"",
        "request.software_statement = ()",
    ];
    for body in settled {
        let server = adapting(&format!("{body}; true"), settings.clone()).await;
        let answer = server.post(&request(&issuer.token(claims.clone()))).await;
        assert_eq!(answer.status, 500, "{body}: {}", answer.text);
        server.expect_empty().await;
    }
    // All other members, and unchanged values.
    let body = "request.client_name = context.softwareStatement.claims.client_name; request.contacts = [\"a@example.org\"]; true";
    let server = adapting(body, settings.clone()).await;
    let client = server
        .register(&request(&issuer.token(claims.clone())))
        .await;
    assert_eq!(client.body["contacts"], json!(["a@example.org"]));
    // Members of an unverified statement can be changed.
    let unverified = json!({"softwareStatementValidationType": "none"});
    let server = adapting("request.client_name = \"x\"; true", unverified).await;
    assert_eq!(
        server.register(&request(&issuer.token(claims))).await.body["client_name"],
        "x"
    );
}

#[tokio::test]
async fn scripts_see_the_changes_of_previous_scripts_and_later_hooks_see_the_result() {
    let scripts = [
        (
            "10-a.rhai",
            "fn adaptRequest(request, context) { request.client_name += \"a\"; true }",
        ),
        (
            "20-b.rhai",
            r#"
            fn adaptRequest(request, context) {
                if context.registerRequest.client_name != "K" { return false; }
                request.client_name += "b";
                true
            }
            fn createClient(context) {
                context.client.client_uri = "https://" + context.registerRequest.client_name + ".example/";
                true
            }
            "#,
        ),
    ];
    let server = TestServer::scripted(&scripts, |_| {}).await;
    let client = server.register(&minimal()).await;
    assert_eq!(
        (&client.body["client_name"], &client.body["client_uri"]),
        (&json!("Kab"), &json!("https://Kab.example/"))
    );
    let names: Vec<Value> = server.provenance(&client).await["scripts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|script| script["name"].clone())
        .collect();
    assert_eq!(
        names,
        ["10-a.rhai", "20-b.rhai", "20-b.rhai"],
        "the scripts that adapted the request and the one that decided"
    );
}

#[tokio::test]
async fn an_update_shows_the_registered_metadata_without_secrets() {
    let body = r#"
        if context.httpRequest.method == "PUT" {
            for name in ["client_secret", "registration_access_token", "registration_client_uri"] {
                if request.contains(name) || context.client.contains(name) { return false; }
            }
            if request.client_id != context.client.client_id { return false; }
            request.client_name = context.client.client_name + "+";
        } else if !context.client.keys().is_empty() { return false; }
        true
    "#;
    let server = adapting(body, json!({"refuseServerMembersInUpdate": false})).await;
    let client = server
        .register(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
        ))
        .await;
    let answer = server.update(&client, &client.body).await;
    answer.expect_status(200);
    assert_eq!(answer.body["client_name"], "K+");
    // The input of an administrator is not adapted.
    let admin = server.administrator_token().await;
    let request = server
        .ask("PUT", &format!("/admin/v1/clients/{}", client.id))
        .bearer_auth(admin);
    Answer::of(request.json(&client.update(json!({"client_name": "A"}))))
        .await
        .expect_status(200);
    assert_eq!(server.read(&client).await.body["client_name"], "A");
}

#[tokio::test]
async fn a_signed_request_is_adapted_after_its_signature_is_verified() {
    let party = Signer::new("tpp", Algorithm::Ps256);
    let settings =
        json!({"dcrSignatureValidationEnabled": true, "dcrSignatureValidationJwks": party.jwks()});
    let server = adapting(
        "request.client_name = context.dcr.claims.iss; true",
        settings,
    )
    .await;
    let answer = server
        .post_bytes("application/jwt", party.token(minimal()))
        .await;
    answer.expect_status(201);
    assert_eq!(answer.body["client_name"], "tpp");
    let forged = Signer::new("tpp", Algorithm::Ps256).token(minimal());
    server
        .post_bytes("application/jwt", forged)
        .await
        .expect_status(400);
}
