//! Signed registration requests, with keys from each source.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{
    Answer, Origin, Registered, Reply, START, Signer, TestServer, fetches_locally, minimal,
    registering, with,
};

const REFUSED: &[&str] = &["invalid_client_metadata"];

fn party() -> Signer {
    Signer::new("tpp", Algorithm::Ps256)
}

async fn signed(server: &TestServer, token: &str) -> Answer {
    server.post_bytes("application/jwt", token.to_owned()).await
}

/// Starts a server that accepts signed requests, with these properties.
async fn taking(members: Value) -> TestServer {
    TestServer::registering(with(
        json!({"dcrSignatureValidationEnabled": true}),
        members,
    ))
    .await
}

#[tokio::test]
async fn a_signed_request_is_registered_like_a_plain_one() {
    let party = party();
    let server = taking(json!({"dcrSignatureValidationJwks": party.jwks()})).await;
    for (number, media_type) in ["application/jwt", "application/jose"]
        .into_iter()
        .enumerate()
    {
        let claims = with(
            minimal(),
            json!({"jti": number.to_string(), "aud": server.url(""), "sub": "s", "nbf": START}),
        );
        let answer = server
            .post_bytes(media_type, format!("{}\n", party.token(claims)))
            .await;
        answer.expect_status(201);
        let plain = TestServer::new().await.register(&minimal()).await;
        let names = |body: &Value| {
            body.as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&answer.body), names(&plain.body));
        assert_eq!(answer.body["client_name"], "K");
    }
}

#[tokio::test]
async fn a_signed_request_needs_issuer_audience_time_and_is_valid_once() {
    let (party, other) = (party(), party());
    let server =
        taking(json!({"dcrSignatureValidationJwks": party.jwks(), "dcrMaximumAge": 300})).await;
    let bad = [
        json!({"exp": START - 3_600}),
        json!({"iat": START - 301}),
        json!({"iat": null}),
        json!({"aud": "https://another.example"}),
        json!({"exp": "soon"}),
    ];
    for claims in bad {
        signed(&server, &party.token(with(minimal(), claims)))
            .await
            .expect_error(400, REFUSED);
    }
    signed(&server, &other.token(minimal()))
        .await
        .expect_error(400, REFUSED);
    for body in ["", "abc", "a.b.c", "{}"] {
        signed(&server, body).await.expect_error(400, REFUSED);
    }
    server.expect_empty().await;
    for token in [
        party.token(with(minimal(), json!({"jti": "once"}))),
        party.token(minimal()),
    ] {
        signed(&server, &token).await.expect_status(201);
        let again = signed(&server, &token).await;
        again.expect_error(400, REFUSED);
        assert!(
            again.text.contains("jti: was already used"),
            "{}",
            again.text
        );
    }
    // Another token of the same signer with the same identifier.
    let reused = with(minimal(), json!({"jti": "once", "client_name": "Another"}));
    signed(&server, &party.token(reused))
        .await
        .expect_error(400, REFUSED);
    // A rejected request does not use up its identifier.
    let token = |uri: &str| party.token(json!({"jti": "twice", "redirect_uris": [uri]}));
    signed(&server, &token("http://x"))
        .await
        .expect_error(400, &["invalid_redirect_uri"]);
    signed(&server, &token("https://client.example.org/cb"))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn a_signature_is_required_or_rejected() {
    let party = party();
    let server = taking(json!({"dcrSignatureValidationJwks": party.jwks()})).await;
    let answer = server.post(&minimal()).await;
    answer.expect_error(400, REFUSED);
    assert!(answer.text.contains("application/jwt"), "{}", answer.text);
    let plain = TestServer::new().await;
    let answer = signed(&plain, &party.token(minimal())).await;
    answer.expect_error(400, REFUSED);
    assert!(answer.text.contains("application/json"), "{}", answer.text);
    signed(&taking(json!({})).await, &party.token(minimal()))
        .await
        .expect_error(400, REFUSED);
}

#[tokio::test]
async fn keys_come_from_the_first_configured_source() {
    let (party, directory, origin) = (
        party(),
        Signer::new("directory", Algorithm::Es256),
        Origin::new().await,
    );
    let url = origin.at("/party", Reply::json(party.jwks()));
    let secret = "a shared secret of more than 32 bytes";
    let sharing = Signer::sharing("hmac", secret);
    let entry = json!({"id": "1", "type": "DCR", "issuers": ["tpp"], "jwks": party.jwks()});
    let sources = [
        (
            json!({"dcrSsaValidationConfigs": [entry], "dcrSignatureValidationJwks": directory.jwks()}),
            &party,
            201,
        ),
        (json!({"dcrSsaValidationConfigs": [entry]}), &directory, 400),
        (
            json!({"dcrSignatureValidationJwks": party.jwks().to_string()}),
            &party,
            201,
        ),
        (json!({"dcrSignatureValidationJwksUri": url}), &party, 201),
        (
            json!({"dcrSignatureValidationSharedSecret": secret}),
            &sharing,
            201,
        ),
        (
            json!({"dcrSignatureValidationSharedSecret": secret}),
            &party,
            400,
        ),
        (
            json!({"dcrSignatureValidationJwks": party.jwks()}),
            &sharing,
            400,
        ),
        (
            json!({"dcrSsaValidationConfigs": [{"id": "2", "type": "DCR", "issuers": ["hmac"], "sharedSecret": secret}]}),
            &sharing,
            201,
        ),
    ];
    for (members, signer, status) in sources {
        let server = TestServer::configured(|configuration| {
            fetches_locally(configuration);
            registering(
                configuration,
                with(
                    json!({"dcrSignatureValidationEnabled": true}),
                    members.clone(),
                ),
            );
        })
        .await;
        let answer = signed(&server, &signer.token(minimal())).await;
        assert_eq!(answer.status, status, "{members}: {}", answer.text);
    }
}

/// Starts a server at which the statement of `directory` names the keys that sign the request.
async fn open_banking(directory: &Signer, more: Value) -> TestServer {
    TestServer::configured(|configuration| {
        fetches_locally(configuration);
        let entry =
            json!({"id": "1", "type": "SSA", "issuers": [directory.iss], "jwks": directory.jwks()});
        let members = json!({
            "dcrSignatureValidationEnabled": true,
            "softwareStatementValidationType": "builtin",
            "dcrSsaValidationConfigs": [entry],
            "dcrSignatureValidationSoftwareStatementJwksURIClaim": "software_jwks_endpoint",
            "dcrSignatureValidationSoftwareStatementJwksClaim": "software_jwks",
        });
        registering(configuration, with(members, more));
    })
    .await
}

#[tokio::test]
async fn the_statement_in_a_request_names_the_keys_that_sign_the_request() {
    let (party, other, directory) = (party(), party(), Signer::new("directory", Algorithm::Ps256));
    let origin = Origin::new().await;
    let url = origin.at("/software", Reply::json(party.jwks()));
    let server = open_banking(&directory, json!({})).await;
    for keys in [
        json!({"software_jwks_endpoint": url}),
        json!({"software_jwks": party.jwks()}),
    ] {
        let statement = directory.token(with(json!({"software_id": "s1"}), keys));
        let claims = with(minimal(), json!({"software_statement": statement}));
        let answer = signed(&server, &party.token(claims.clone())).await;
        answer.expect_status(201);
        assert_eq!(answer.body["software_id"], "s1");
        assert_eq!(answer.body["software_statement"], json!(statement));
        assert_eq!(
            server.provenance(&Registered::of(answer.body)).await["trust_level"],
            "statement"
        );
        signed(&server, &other.token(claims))
            .await
            .expect_error(400, REFUSED);
    }
    // A statement without keys leaves no key that could have signed the request.
    let claims = with(
        minimal(),
        json!({"software_statement": directory.token(json!({}))}),
    );
    signed(&server, &party.token(claims))
        .await
        .expect_error(400, REFUSED);
    // A forged statement is rejected before its keys are fetched.
    let forged = other.token(json!({"software_jwks": other.jwks()}));
    let claims = with(minimal(), json!({"software_statement": forged}));
    signed(&server, &other.token(claims))
        .await
        .expect_error(400, &["unapproved_software_statement"]);
}

#[tokio::test]
async fn an_update_is_signed_too() {
    let (party, directory) = (party(), Signer::new("directory", Algorithm::Ps256));
    let server = open_banking(&directory, json!({})).await;
    let statement =
        |name: &str| directory.token(json!({"software_jwks": party.jwks(), "client_name": name}));
    let claims = |name: &str| with(minimal(), json!({"software_statement": statement(name)}));
    let client = Registered::of(signed(&server, &party.token(claims("A"))).await.body);
    let put = async |token: String| {
        let request = server.ask("PUT", &client.uri).bearer_auth(&client.token);
        Answer::of(
            request
                .header("content-type", "application/jwt")
                .body(token),
        )
        .await
    };
    let token = party.token(with(
        claims("B"),
        json!({"client_id": client.id, "jti": "put"}),
    ));
    let answer = put(token.clone()).await;
    answer.expect_status(200);
    assert_eq!(answer.body["client_name"], "B");
    put(token).await.expect_error(400, REFUSED);
    put(party.token(claims("C")))
        .await
        .expect_error(400, REFUSED);
    let plain = with(
        minimal(),
        json!({"client_id": client.id, "software_statement": statement("D")}),
    );
    server
        .update(&client, &plain)
        .await
        .expect_error(400, REFUSED);
    assert_eq!(server.read(&client).await.body["client_name"], "B");
}

#[tokio::test]
async fn a_script_returns_the_keys_of_requests() {
    let (party, sharing) = (
        party(),
        Signer::sharing("hmac", "a secret of a script, with 32 bytes"),
    );
    let jwks = serde_json::to_string(&party.jwks().to_string()).unwrap();
    let script = format!(
        r#"
        fn getDcrJwks(context) {{ if context.dcr.claims.iss == "tpp" {{ {jwks} }} else {{ () }} }}
        fn getDcrHmacSecret(context) {{ "a secret of a script, with 32 bytes" }}
        fn createClient(context) {{ context.client.client_name = context.dcr.header.alg; true }}
        "#
    );
    let server = TestServer::scripted(&[("10-keys.rhai", &script)], |configuration| {
        registering(
            configuration,
            json!({"dcrSignatureValidationEnabled": true}),
        );
    })
    .await;
    assert_eq!(
        signed(&server, &party.token(minimal())).await.body["client_name"],
        "PS256"
    );
    assert_eq!(
        signed(&server, &sharing.token(minimal())).await.body["client_name"],
        "HS256"
    );
    let stranger = Signer::new("stranger", Algorithm::Es256);
    signed(&server, &stranger.token(minimal()))
        .await
        .expect_error(400, REFUSED);
}
