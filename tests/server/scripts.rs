//! Scripts from the view of a client: what they change, what they reject, and how they fail.

use serde_json::json;

use crate::support::{START, TestServer, minimal, with};

async fn server(script: &str) -> TestServer {
    TestServer::scripted(&[("10-test.rhai", script)], |configuration| {
        let attributes = json!({"deniedVendors": ["acme"], "maximum": 3});
        configuration
            .settings
            .scripts
            .attributes
            .clone_from(attributes.as_object().unwrap());
    })
    .await
}

#[tokio::test]
async fn a_script_changes_the_registered_metadata() {
    let server = server(
        r#"fn createClient(context) {
            context.client.contacts.push("registry@example.org");
            context.client.scope = "openid profile";
            context.client.client_name += " (checked)";
            context.client.software_version = ();
            true
        }"#,
    )
    .await;
    let body = with(
        minimal(),
        json!({"contacts": ["a@example.org"], "software_version": "1", "scope": "email"}),
    );
    let client = server.register(&body).await;
    assert_eq!(
        client.body["contacts"],
        json!(["a@example.org", "registry@example.org"])
    );
    assert_eq!(client.body["scope"], "openid profile");
    assert_eq!(client.body["client_name"], "K (checked)");
    assert_eq!(client.body.get("software_version"), None);
    assert_eq!(server.read(&client).await.body, client.body);
}

#[tokio::test]
async fn a_script_can_reject_in_three_ways() {
    let script = r#"fn createClient(context) {
        switch context.registerRequest.software_id {
            "false" => return false,
            "thrown" => throw #{ status: 403, error: "access_denied", error_description: "thrown" },
            "answered" => {
                context.createWebApplicationException(422, #{ error: "custom", error_description: "answered" });
                return true;
            }
            _ => true
        }
    }"#;
    let server = server(script).await;
    let post = |software_id: &'static str| with(minimal(), json!({"software_id": software_id}));
    server
        .post(&post("false"))
        .await
        .expect_error(400, &["invalid_client_metadata"]);
    server
        .post(&post("thrown"))
        .await
        .expect_error(403, &["access_denied"]);
    server
        .post(&post("answered"))
        .await
        .expect_error(422, &["custom"]);
    server.post(&post("other")).await.expect_status(201);
}

#[tokio::test]
async fn a_fault_rejects_the_request_and_discloses_nothing() {
    let scripts = [
        "fn createClient(context) { throw 5 }",
        "fn createClient(context) { undefined_function(context) }",
        "fn createClient(context) { 1 }",
        "fn createClient(context) { || true }",
        "fn createClient(context) { loop { } }",
        "fn createClient(context) { createClient(context) }",
        "fn createClient(context) { let s = \"secret-of-the-script\"; loop { s += s; } }",
        "fn createClient(context) { context.client.client_nam = \"x\"; true }",
        "fn createClient(context) { context.client.client_id = \"x\"; true }",
        "fn createClient(context) { sleep(10); true }",
        "fn createClient(context) { import \"../../x\" as x; true }",
    ];
    for script in scripts {
        let server = server(script).await;
        let answer = server.post(&minimal()).await;
        answer.expect_error(500, &["server_error"]);
        assert!(
            !answer.text.contains("createClient") && !answer.text.contains("secret-of"),
            "{}",
            answer.text
        );
        assert!(!answer.header("x-correlation-id").is_empty());
    }
}

#[tokio::test]
async fn a_script_cannot_bypass_the_rules() {
    let server = server(
        r#"fn createClient(context) {
            context.client.redirect_uris = ["http://evil.example.org/cb"];
            true
        }"#,
    )
    .await;
    server
        .post(&minimal())
        .await
        .expect_error(500, &["server_error"]);
}

#[tokio::test]
async fn scripts_run_in_the_order_of_their_names_until_one_rejects() {
    let first = "fn createClient(context) { context.client.software_id = \"first\"; true }";
    let second = r#"fn createClient(context) {
        if context.client.software_id != "first" { throw "out of order" }
        if context.client.client_name == "refused" { return false; }
        context.client.software_version = "second";
        true
    }"#;
    let third = "fn createClient(context) { if context.client.client_name == \"refused\" { throw \"too late\" } true }";
    let scripts = [
        ("20-b.rhai", second),
        ("10-a.rhai", first),
        ("30-c.rhai", third),
    ];
    let server = TestServer::scripted(&scripts, |_| {}).await;
    let client = server.register(&minimal()).await;
    assert_eq!(
        (
            &client.body["software_id"],
            &client.body["software_version"]
        ),
        (&json!("first"), &json!("second"))
    );
    server
        .post(&with(minimal(), json!({"client_name": "refused"})))
        .await
        .expect_error(400, &["invalid_client_metadata"]);
}

#[tokio::test]
async fn scripts_decide_updates_too() {
    let server = server(
        r#"fn updateClient(context) {
            if context.registerRequest.client_name == "taken" { return false; }
            context.client.software_version = "updated";
            true
        }"#,
    )
    .await;
    let client = server.register(&minimal()).await;
    assert_eq!(client.body.get("software_version"), None);
    server
        .update(&client, &client.update(json!({"client_name": "taken"})))
        .await
        .expect_error(400, &["invalid_client_metadata"]);
    let answer = server
        .update(&client, &client.update(json!({"client_name": "free"})))
        .await;
    answer.expect_status(200);
    assert_eq!(answer.body["software_version"], "updated");
}

/// The identifiers of a client are available to every hook except the one before its creation.
const NAMED: &str = r#"
    fn seen(client) { `${client.client_id ?? "nobody"} ${client.client_id_issued_at ?? "never"}` }
    fn createClient(context) { context.client.software_version = seen(context.client); true }
    fn updateClient(context) {
        if context.client.client_name == "takeover" { context.client.client_id = "another"; }
        if context.client.client_secret != () { throw "a secret that nobody needs here" }
        context.client.software_version = context.client.getClientId() + " " + context.client.client_id_issued_at;
        true
    }
    fn deleteClient(context) {
        throw #{ status: 403, error: "access_denied", error_description: seen(context.client) }
    }
    fn modifyPostResponse(response, context) { response.seen = seen(context.client); true }
    fn modifyPutResponse(response, context) { response.seen = seen(context.client); true }
    fn modifyReadResponse(response, context) { response.seen = seen(context.client); true }
"#;

#[tokio::test]
async fn the_identifiers_of_a_client_can_be_read_but_not_changed() {
    let server = server(NAMED).await;
    let client = server.register(&minimal()).await;
    let named = format!("{} {START}", client.id);
    assert_eq!(
        client.body["software_version"], "nobody never",
        "the client is not created yet"
    );
    assert_eq!(client.body["seen"], json!(named));
    let mut update = client.update(json!({}));
    update.as_object_mut().unwrap().remove("seen");
    let answer = server.update(&client, &update).await;
    answer.expect_status(200);
    assert_eq!(
        (&answer.body["software_version"], &answer.body["seen"]),
        (&json!(named), &json!(named))
    );
    let takeover = with(update, json!({"client_name": "takeover"}));
    server
        .update(&client, &takeover)
        .await
        .expect_error(500, &["server_error"]);
    assert_eq!(server.read(&client).await.body["seen"], json!(named));
    let kept = server.delete(&client).await;
    kept.expect_error(403, &["access_denied"]);
    assert_eq!(kept.body["error_description"], json!(named));
    // The identifiers are not metadata, so they are not stored with it.
    let metadata = server.stored(&client.id).await["metadata"].take();
    assert!(metadata.get("client_name").is_some(), "{metadata}");
    for name in ["client_id", "client_id_issued_at"] {
        assert!(metadata.get(name).is_none(), "{metadata}");
    }
}

#[tokio::test]
async fn answers_can_be_changed_but_not_their_credentials() {
    let server = server(
        r#"
        fn modifyPostResponse(response, context) { response.greeting = "hello"; true }
        fn modifyPutResponse(response, context) { response.greeting = "again"; false }
        fn modifyReadResponse(response, context) {
            response.remove("client_name");
            response.trust = context.trustLevel;
            true
        }"#,
    )
    .await;
    let client = server.register(&minimal()).await;
    assert_eq!(client.body["greeting"], "hello");
    let read = server.read(&client).await.body;
    assert_eq!(
        (
            read.get("client_name"),
            &read["trust"],
            read.get("greeting")
        ),
        (None, &json!("open"), None)
    );
    let mut update = client.update(json!({}));
    update.as_object_mut().unwrap().remove("greeting");
    assert_eq!(
        server.update(&client, &update).await.body.get("greeting"),
        None
    );
    let server = self::server(
        "fn modifyPostResponse(response, context) { response.client_id = \"x\"; true }",
    )
    .await;
    server
        .post(&minimal())
        .await
        .expect_error(500, &["server_error"]);
}

#[tokio::test]
async fn a_fault_in_the_answer_hook_leaves_no_client_behind() {
    let server = server("fn modifyPostResponse(response, context) { throw 1 }").await;
    server
        .post(&minimal())
        .await
        .expect_error(500, &["server_error"]);
    server.expect_empty().await;
}

#[tokio::test]
async fn a_script_sees_the_request_the_configuration_and_no_credentials() {
    let server = server(
        r#"fn createClient(context) {
            let request = context.httpRequest;
            if request.headers.keys().contains("authorization") { throw "a credential" }
            if context.configurationAttributes.maximum != 3 { throw "attributes" }
            if context.getConfigurationAttibutes().deniedVendors.contains(context.client.software_id) {
                context.createWebApplicationException(403, #{ error: "access_denied", error_description: "vendor is blocked" });
                return false;
            }
            if context.evidence != () || context.softwareStatement != () || context.dcr != () { throw "not absent" }
            if context.certificate != () || context.attestation != () { throw "not absent" }
            if context.initialAccessToken.tenant != 7 { throw "no token" }
            context.client.client_name = `${request.method} ${request.path} ${request.ipAddress} ${request.headers["x-team"]}`;
            true
        }"#,
    )
    .await;
    server
        .initial_access("t", json!({"policy": {"attributes": {"tenant": 7}}}))
        .await;
    let ask = server
        .ask("POST", "/register")
        .header("x-team", "blue")
        .bearer_auth("t")
        .json(&minimal());
    let answer = crate::support::Answer::of(ask).await;
    answer.expect_status(201);
    assert_eq!(answer.body["client_name"], "POST /register 127.0.0.1 blue");
    let blocked = with(minimal(), json!({"software_id": "acme"}));
    server
        .post_with("t", &blocked)
        .await
        .expect_error(403, &["access_denied"]);
}

#[tokio::test]
async fn only_libraries_can_be_imported() {
    let library = "fn greet(name) { `Hello ${name}` }";
    let script = r#"import "lib/greetings" as greetings;
        fn createClient(context) {
            context.client.client_name = greetings::greet(context.client.client_name);
            true
        }"#;
    let server = TestServer::scripted(
        &[("lib/greetings.rhai", library), ("10-a.rhai", script)],
        |_| {},
    )
    .await;
    assert_eq!(
        server.register(&minimal()).await.body["client_name"],
        "Hello K"
    );
}

#[tokio::test]
async fn the_store_keeps_the_provenance_of_a_client() {
    let server = server("fn createClient(context) { true }").await;
    let client = server.register(&minimal()).await;
    let provenance = server.provenance(&client).await;
    let script = &provenance["scripts"][0];
    assert_eq!(script["name"], "10-test.rhai");
    assert_eq!(script["hash"].as_str().map(str::len), Some(64));
    assert_eq!(provenance["address"], "127.0.0.1");
    assert_eq!(provenance["trust_level"], "open");
    assert!(!provenance["configuration"].as_str().unwrap().is_empty());
}
