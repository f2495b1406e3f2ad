//! A software statement, a signed request and other tokens of one issuer, with one key, are told apart.

use registrar::jose::Algorithm;
use serde_json::{Value, json};

use crate::support::{Answer, START, Signer, TestServer, b0, registering, with};

const REFUSED: &[&str] = &["invalid_client_metadata"];

/// An issuer that makes software statements and signs requests, with the same key.
fn both() -> Signer {
    Signer::new("https://directory.example", Algorithm::Es256)
}

/// A server that takes both from `issuer`: by entries of its name, or by keys for everybody.
async fn taking(issuer: &Signer, by_entry: bool, more: Value) -> TestServer {
    let entry =
        |kind: &str| json!({"id": kind, "type": kind, "issuers": [issuer.iss], "jwks": issuer.jwks()});
    let requests = if by_entry {
        json!({"dcrSsaValidationConfigs": [entry("SSA"), entry("DCR")]})
    } else {
        json!({"dcrSsaValidationConfigs": [entry("SSA")], "dcrSignatureValidationJwks": issuer.jwks()})
    };
    let settings =
        json!({"dcrSignatureValidationEnabled": true, "softwareStatementValidationType": "builtin"});
    TestServer::registering(with(with(settings, requests), more)).await
}

async fn signed(server: &TestServer, token: String) -> Answer {
    server.post_bytes("application/jwt", token).await
}

/// What each kind of token of the issuer may look like, the more like a registration the better.
fn others(server: &TestServer, issuer: &Signer) -> Vec<(&'static str, String)> {
    let us = server.server().url().to_owned();
    let claims = |more: Value| with(json!({"iss": issuer.iss, "iat": START, "exp": START + 300}), more);
    let token = |header: Value, more: Value| issuer.raw(&header, claims(more));
    let metadata = with(b0(), json!({"software_id": "s"}));
    vec![
        ("a statement", token(json!({}), metadata.clone())),
        ("a statement called JWT", token(json!({"typ": "JWT"}), metadata.clone())),
        (
            "a statement for us",
            token(json!({}), with(metadata.clone(), json!({"aud": us, "jti": "1", "sub": "s"}))),
        ),
        ("a statement with keys", token(json!({}), with(metadata.clone(), json!({"jwks": issuer.jwks()})))),
        ("a statement by its typ", token(json!({"typ": "software-statement+jwt"}), metadata)),
        (
            "an ID token",
            token(json!({}), json!({"sub": "u", "aud": us, "nonce": "n", "email": "a@example.org"})),
        ),
        (
            "an ID token without nonce",
            token(json!({}), json!({"sub": "u", "aud": us, "email": "a@example.org"})),
        ),
        (
            "an access token",
            token(json!({"typ": "at+jwt"}), json!({"sub": "u", "client_id": "c", "scope": "openid"})),
        ),
        (
            "an access token without typ",
            token(json!({}), json!({"sub": "u", "scope": "openid", "email": "a@b.example"})),
        ),
        ("a client assertion", token(json!({}), json!({"sub": issuer.iss, "aud": us, "jti": "2"}))),
        (
            "a request object",
            token(json!({}), with(b0(), json!({"aud": us, "response_type": "code", "client_id": "c"}))),
        ),
        (
            "a token of grants",
            token(json!({}), json!({"aud": us, "scope": "openid", "claims": ["sub"], "groups": ["g"]})),
        ),
        ("a logout token", token(json!({}), with(b0(), json!({"sub": "u", "events": {}})))),
    ]
}

#[tokio::test]
async fn no_other_token_of_the_issuer_registers_a_client() {
    let issuer = both();
    for by_entry in [true, false] {
        let server = taking(
            &issuer,
            by_entry,
            json!({"grantTypesSupported": ["client_credentials", "authorization_code"]}),
        )
        .await;
        for (what, token) in others(&server, &issuer) {
            let answer = signed(&server, token).await;
            assert_eq!(answer.status, 400, "{what}: {}", answer.text);
            answer.expect_error(400, REFUSED);
        }
        server.expect_empty().await;
    }
}

#[tokio::test]
async fn a_request_is_told_by_the_statement_in_it() {
    let issuer = both();
    for by_entry in [true, false] {
        let server = taking(&issuer, by_entry, json!({})).await;
        let statement = issuer.token(json!({"software_id": "s"}));
        let request = issuer.token(with(b0(), json!({"software_statement": statement})));
        signed(&server, request.clone()).await.expect_status(201);
        // The other way round it is no statement.
        let nested = issuer.token(with(b0(), json!({"software_statement": request, "jti": "n"})));
        let answer = signed(&server, nested).await;
        answer.expect_error(400, &["invalid_software_statement"]);
        assert!(answer.text.contains("not a signed request"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_request_is_told_by_a_type_of_its_own() {
    let issuer = both();
    let server = taking(&issuer, true, json!({"dcrTyp": "client-registration+jwt"})).await;
    let typed =
        |typ: &str| issuer.raw(&json!({"typ": typ}), with(b0(), json!({"iss": issuer.iss, "jti": typ})));
    for typ in ["client-registration+jwt", "application/Client-Registration+JWT"] {
        signed(&server, typed(typ)).await.expect_status(201);
    }
    for (_, token) in others(&server, &issuer) {
        signed(&server, token).await.expect_error(400, REFUSED);
    }
    // And it is no statement then.
    let own = with(b0(), json!({"software_statement": typed("client-registration+jwt"), "iss": issuer.iss}));
    let request = issuer.raw(&json!({"typ": "client-registration+jwt"}), own);
    signed(&server, request).await.expect_error(400, &["invalid_software_statement"]);
}

#[tokio::test]
async fn an_issuer_that_makes_no_statements_needs_none_in_its_requests() {
    let (issuer, party) = (both(), Signer::new("https://tpp.example", Algorithm::Es256));
    let server = taking(&issuer, true, json!({"dcrSignatureValidationJwks": party.jwks()})).await;
    signed(&server, party.token(b0())).await.expect_status(201);
    // Whose request it is must be said all the same.
    let nameless = party.raw(&json!({}), b0());
    let answer = signed(&server, nameless).await;
    answer.expect_error(400, REFUSED);
    assert!(answer.text.contains("`iss`"), "{}", answer.text);
}

#[tokio::test]
async fn scripts_say_whose_statements_there_are() {
    let (issuer, party) = (both(), Signer::new("https://tpp.example", Algorithm::Es256));
    let text = |signer: &Signer| serde_json::to_string(&signer.jwks().to_string()).unwrap();
    let script = format!(
        r#"
        fn getSoftwareStatementJwks(context) {{
            if context.softwareStatement.claims.iss == "{}" {{ return {}; }}
            throw #{{ status: 400, error: "unapproved_software_statement", error_description: "not known" }};
        }}
        fn getDcrJwks(context) {{ if context.dcr.claims.iss == "{}" {{ {} }} else {{ {} }} }}
        "#,
        issuer.iss,
        text(&issuer),
        issuer.iss,
        text(&issuer),
        text(&party),
    );
    let server = TestServer::scripted(&[("10-keys.rhai", &script)], |configuration| {
        registering(configuration, json!({"dcrSignatureValidationEnabled": true}));
    })
    .await;
    for (what, token) in others(&server, &issuer) {
        let answer = signed(&server, token).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
    }
    signed(&server, party.token(b0())).await.expect_status(201);
}
