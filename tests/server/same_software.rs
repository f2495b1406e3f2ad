//! An update whose statement is for other software than the registered one is refused: one software does
//! not become another one by a registration access token.

use registrar::jose::Algorithm;
use serde_json::{Value, json};

use crate::statements::{UNAPPROVED, builtin, issuer};
use crate::support::{Answer, Registered, Signer, TestServer, b0, with};

async fn put(server: &TestServer, client: &Registered, statement: Option<String>) -> Answer {
    let body = with(b0(), json!({"client_id": client.id, "software_statement": statement}));
    server.update(client, &body).await
}

#[tokio::test]
async fn software_is_the_issuer_and_the_software_id_or_else_the_subject() {
    let issuer = issuer();
    let server = TestServer::registering(builtin(&issuer, json!({}))).await;
    let cases = [
        (json!({"software_id": "a"}), json!({"software_id": "a", "client_name": "B"}), true),
        (json!({"software_id": "a"}), json!({"software_id": "b"}), false),
        (json!({"software_id": "a"}), json!({"software_id": "A"}), false),
        (json!({"software_id": "a"}), json!({}), false),
        (json!({"software_id": "a"}), json!({"software_id": null, "sub": "a"}), false),
        (json!({"software_id": "a", "sub": "s"}), json!({"software_id": "a", "sub": "t"}), true),
        (json!({"sub": "s", "client_name": "A"}), json!({"sub": "s", "client_name": "B"}), true),
        (json!({"sub": "s", "client_name": "A"}), json!({"sub": "t", "client_name": "B"}), false),
        (json!({"sub": "s", "client_name": "A"}), json!({"software_id": "s"}), false),
        (json!({}), json!({"client_name": "B"}), true),
        (json!({}), json!({"software_id": "a"}), true),
    ];
    for (first, second, is_same) in cases {
        let body = with(b0(), json!({"software_statement": issuer.token(first.clone())}));
        let client = server.register(&body).await;
        let answer = put(&server, &client, Some(issuer.token(second.clone()))).await;
        if is_same {
            assert_eq!(answer.status, 200, "{first} {second}: {}", answer.text);
        } else {
            answer.expect_error(400, UNAPPROVED);
            assert!(answer.text.contains("other software"), "{}", answer.text);
            assert_eq!(server.read(&client).await.body, client.body, "it is as it was");
        }
    }
}

#[tokio::test]
async fn another_issuer_speaks_of_other_software() {
    let (one, other) = (issuer(), Signer::new("https://another.example", Algorithm::Es256));
    let entry = |signer: &Signer| json!({"id": signer.iss, "type": "SSA", "issuers": [signer.iss], "jwks": signer.jwks()});
    let server = TestServer::registering(json!({
        "softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry(&one), entry(&other)],
    }))
    .await;
    let claims = json!({"software_id": "a"});
    let body = with(b0(), json!({"software_statement": one.token(claims.clone())}));
    let client = server.register(&body).await;
    put(&server, &client, Some(other.token(claims))).await.expect_error(400, UNAPPROVED);
}

#[tokio::test]
async fn an_update_without_a_statement_is_no_way_round() {
    let issuer = issuer();
    let server = TestServer::registering(builtin(&issuer, json!({}))).await;
    let statement = |id: &str| Some(issuer.token(json!({"software_id": id})));
    let client = server.register(&with(b0(), json!({"software_statement": statement("a")}))).await;
    put(&server, &client, None).await.expect_status(200);
    assert_eq!(server.provenance(&client).await["trust_level"], "open");
    put(&server, &client, statement("b")).await.expect_error(400, UNAPPROVED);
    put(&server, &client, statement("a")).await.expect_status(200);
    // A client that never showed one may begin to.
    let plain = server.register(&b0()).await;
    put(&server, &plain, statement("b")).await.expect_status(200);
    put(&server, &plain, statement("a")).await.expect_error(400, UNAPPROVED);
}

#[tokio::test]
async fn an_administrator_is_not_bound_and_what_nobody_verified_binds_nobody() {
    let issuer = issuer();
    let server = TestServer::registering(builtin(&issuer, json!({}))).await;
    let client = server
        .register(&with(b0(), json!({"software_statement": issuer.token(json!({"software_id": "a"}))})))
        .await;
    let token = server.administrator_token().await;
    let body: Value = with(client.update(json!({})), json!({"software_id": "b"}));
    let request = server.ask("PUT", &format!("/admin/v1/clients/{}", client.id)).bearer_auth(token);
    Answer::of(request.json(&body)).await.expect_status(200);
    assert_eq!(server.read(&client).await.body["software_id"], "b");
    let server = TestServer::registering(json!({"softwareStatementValidationType": "none"})).await;
    let statement = |id: &str| Some(issuer.token(json!({"software_id": id})));
    let client = server.register(&with(b0(), json!({"software_statement": statement("a")}))).await;
    put(&server, &client, statement("b")).await.expect_status(200);
}
