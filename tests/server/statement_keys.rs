//! The sources of keys for software statements.

use registrar::testing::Algorithm;
use serde_json::json;

use crate::slow::affordable;
use crate::statements::{REFUSED, UNAPPROVED, builtin, issuer, keys_at, post, request};
use crate::support::{
    Answer, Origin, Reply, Signer, TestServer, fetches_locally, minimal, registering, with,
};

#[tokio::test]
async fn an_unknown_key_causes_one_fetch_per_interval() {
    let (issuer, next, origin) = (issuer(), issuer(), Origin::new().await);
    let url = origin.at("/jwks", Reply::json(issuer.jwks()));
    let server =
        TestServer::configured(|configuration| keys_at(configuration, &issuer, &url)).await;
    post(&server, &issuer.token(json!({})))
        .await
        .expect_status(201);
    for _ in 0..100 {
        post(&server, &next.token(json!({})))
            .await
            .expect_error(400, REFUSED);
    }
    assert_eq!(origin.hits("/jwks"), 2, "the first fetch and one refetch");
    origin.set("/jwks", Reply::json(json!({"keys": [next.jwk()]})));
    server.clock.advance(31);
    post(&server, &next.token(json!({})))
        .await
        .expect_status(201);
    assert_eq!(origin.hits("/jwks"), 3, "the changed keys were fetched");
    origin.set("/jwks", Reply::status(500));
    server.clock.advance(400);
    post(&server, &next.token(json!({})))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn unavailable_keys_are_an_outage_and_not_a_client_error() {
    let (issuer, origin) = (issuer(), Origin::new().await);
    let url = origin.at("/jwks", Reply::status(503));
    let server =
        TestServer::configured(|configuration| keys_at(configuration, &issuer, &url)).await;
    let answer = post(&server, &issuer.token(json!({}))).await;
    answer.expect_status(503);
    assert!(!answer.header("retry-after").is_empty());
    server.expect_empty().await;
}

#[tokio::test]
async fn keys_with_the_same_kid_are_distinguished() {
    let (issuer, other) = (issuer(), Signer::new("x", Algorithm::Rs256));
    let kid = issuer.jwk()["kid"].clone();
    let keys = json!({"keys": [with(other.jwk(), json!({"kid": kid})), issuer.jwk()]});
    let server = TestServer::registering(builtin(&issuer, json!({"jwks": keys.to_string()}))).await;
    post(&server, &issuer.token(json!({})))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn a_statement_with_its_own_keys_proves_no_trust() {
    let (issuer, origin) = (issuer(), Origin::new().await);
    let url = origin.at("/own", Reply::json(issuer.jwks()));
    let trusted = json!({issuer.iss.clone(): {"automaticallyGrantedScopes": ["email"]}});
    for (kind, claim) in [("jwks", issuer.jwks()), ("jwks_uri", json!(url))] {
        let server = TestServer::configured(|configuration| {
            fetches_locally(configuration);
            let members = json!({
                "softwareStatementValidationType": kind, "softwareStatementValidationClaimName": "keys",
                "trustedSsaIssuers": trusted, "dynamicRegistrationScopesParamEnabled": false,
            });
            registering(configuration, members);
        })
        .await;
        let client = server
            .register(&request(
                &issuer.token(json!({"keys": claim, "software_id": "s"})),
            ))
            .await;
        assert_eq!(client.body["software_id"], "s");
        assert_eq!(
            client.body.get("scope"),
            None,
            "the statement is not trusted, so no scope is granted"
        );
        assert_eq!(server.provenance(&client).await["trust_level"], "open");
        post(&server, &issuer.token(json!({})))
            .await
            .expect_error(400, REFUSED);
        let other = Signer::new(&issuer.iss, Algorithm::Es256);
        post(&server, &other.token(json!({"keys": claim})))
            .await
            .expect_error(400, REFUSED);
    }
    assert_eq!(
        origin.hits("/own"),
        2,
        "the first fetch and one refetch for an unknown key"
    );
}

#[tokio::test]
async fn none_treats_the_claims_as_those_of_the_request() {
    let server = TestServer::registering(json!({"softwareStatementValidationType": "NONE"})).await;
    let client = server
        .register(&request(
            &issuer().token(json!({"client_name": "Own word"})),
        ))
        .await;
    assert_eq!(client.body["client_name"], "Own word");
    assert_eq!(server.provenance(&client).await["trust_level"], "open");
    post(&server, "abc").await.expect_error(400, REFUSED);
}

#[tokio::test]
async fn a_shared_secret_verifies_hmac_and_nothing_else() {
    let secret = "a shared secret of more than 32 bytes";
    let (issuer, sharing) = (
        issuer(),
        Signer::sharing("https://directory.example", secret),
    );
    let server = TestServer::registering(builtin(&issuer, json!({"sharedSecret": secret}))).await;
    post(&server, &sharing.token(json!({})))
        .await
        .expect_status(201);
    post(&server, &issuer.token(json!({})))
        .await
        .expect_status(201);
    let other = Signer::sharing(
        "https://directory.example",
        "another secret of more than 32 bytes!",
    );
    post(&server, &other.token(json!({})))
        .await
        .expect_error(400, REFUSED);
}

#[tokio::test]
async fn a_script_returns_the_keys() {
    let (issuer, sharing) = (
        issuer(),
        Signer::sharing(
            "https://shared.example",
            "a secret of a script, with 32 bytes",
        ),
    );
    let script = format!(
        r#"
        fn getSoftwareStatementJwks(context) {{
            if context.softwareStatement.claims.iss == "https://directory.example" {{ {}.to_string() }} else {{ () }}
        }}
        fn getSoftwareStatementHmacSecret(context) {{ "a secret of a script, with 32 bytes" }}
        fn createClient(context) {{
            context.client.client_name = `${{context.trustLevel}} ${{context.softwareStatement.claims.software_id}}`;
            true
        }}
        "#,
        rhai_text(&issuer.jwks().to_string())
    );
    let server = TestServer::scripted(&[("10-keys.rhai", &script)], |_| {}).await;
    let client = server
        .register(&request(&issuer.token(json!({"software_id": "s1"}))))
        .await;
    assert_eq!(client.body["client_name"], "statement s1");
    let names: Vec<String> = server.provenance(&client).await["scripts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|script| script["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["10-keys.rhai", "10-keys.rhai"],
        "the script returned the keys and decided"
    );
    post(&server, &sharing.token(json!({})))
        .await
        .expect_status(201);
    let stranger = Signer::new("https://stranger.example", Algorithm::Es256);
    post(&server, &stranger.token(json!({})))
        .await
        .expect_error(400, UNAPPROVED);
}

#[tokio::test]
async fn a_discovery_document_names_the_url_of_the_keys() {
    let (issuer, origin) = (issuer(), Origin::new().await);
    let jwks = origin.at("/keys", Reply::json(issuer.jwks()));
    let endpoint = origin.at(
        "/discovery",
        Reply::json(json!({"ssa_jwks_endpoint": jwks})),
    );
    let server = TestServer::configured(|configuration| {
        fetches_locally(configuration);
        let entry = json!({
            "id": "1", "type": "ssa", "issuers": [issuer.iss], "configuration_endpoint": endpoint,
            "configuration_endpoint_claim": "ssa_jwks_endpoint",
        });
        let members =
            json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]});
        registering(configuration, members);
    })
    .await;
    for _ in 0..5 {
        post(&server, &issuer.token(json!({})))
            .await
            .expect_status(201);
    }
    assert_eq!((origin.hits("/discovery"), origin.hits("/keys")), (1, 1));
}

/// Returns `text` as a literal in a script.
fn rhai_text(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_for_keys_delay_no_others() {
    let (issuer, origin) = (issuer(), Origin::new().await);
    let url = origin.at("/jwks", Reply::never());
    let server = TestServer::configured(|configuration| {
        keys_at(configuration, &issuer, &url);
        configuration.settings.fetch.timeout_ms = 60_000;
    })
    .await;
    let statement = issuer.token(json!({}));
    let mut waiting: Vec<_> = (0..affordable(900))
        .map(|_| Box::pin(post(&server, &statement)))
        .collect();
    let mut stuck = Box::pin(futures_util::future::join_all(waiting.iter_mut()));
    let others = async {
        while origin.hits("/jwks") == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..50 {
            let client = server.register(&minimal()).await;
            server.read(&client).await.expect_status(200);
        }
    };
    tokio::select! {
        _ = &mut stuck => panic!("the keys never arrive, so requests that need them are not answered"),
        () = others => {}
    }
    assert_eq!(
        origin.hits("/jwks"),
        1,
        "one fetch for all waiting requests"
    );
}

/// The recipe of the manual.
#[tokio::test]
async fn a_script_returns_the_url_of_the_keys() {
    const PATH: &str = "/acme%2Fb/application.jwks";
    let (issuer, next, origin) = (issuer(), issuer(), Origin::new().await);
    let url = origin.at(PATH, Reply::json(issuer.jwks()));
    let recipe = include_str!("../../examples/scripts/statement-keys-by-organisation/10-keys.rhai");
    let server = TestServer::scripted(&[("10-keys.rhai", recipe)], |configuration| {
        fetches_locally(configuration);
        let keys = url.strip_suffix(PATH).unwrap();
        let directory = json!({"directory": {"issuer": issuer.iss, "keys": keys}});
        configuration.settings.scripts.attributes = directory.as_object().unwrap().clone();
        registering(
            configuration,
            json!({"softwareStatementValidationType": "script"}),
        );
    })
    .await;
    let claims = json!({"org_id": "acme/b"});
    for _ in 0..3 {
        post(&server, &issuer.token(claims.clone()))
            .await
            .expect_status(201);
    }
    assert_eq!(origin.hits(PATH), 1, "the keys are cached");
    origin.set(PATH, Reply::json(json!({"keys": [next.jwk()]})));
    post(&server, &next.token(claims.clone()))
        .await
        .expect_status(201);
    assert_eq!(origin.hits(PATH), 2, "the rotation is noticed");
    post(&server, &next.token(json!({"org_id": "other"})))
        .await
        .expect_error(400, REFUSED);
    origin.at("/down/application.jwks", Reply::status(503));
    post(&server, &next.token(json!({"org_id": "down"})))
        .await
        .expect_status(503);
    post(&server, &next.token(json!({"org_id": 5})))
        .await
        .expect_error(400, UNAPPROVED);
}

/// `jwt::verify` and the server share one cache of keys.
#[tokio::test]
async fn a_script_verifies_a_token_with_the_keys_at_a_url() {
    let (issuer, next, origin) = (issuer(), issuer(), Origin::new().await);
    let url = origin.at("/jwks", Reply::json(issuer.jwks()));
    let script = format!(
        r#"fn createClient(context) {{
             let token = context.httpRequest.headers["x-token"];
             let verified = jwt::verify(token, "{url}", #{{ issuer: "{}" }});
             context.client.client_name = verified.claims.team;
             true
         }}"#,
        issuer.iss
    );
    let server = TestServer::scripted(&[("10-verify.rhai", &script)], fetches_locally).await;
    let register = async |signer: &Signer, team: &str| {
        let token = signer.token(json!({"team": team}));
        let request = server.ask("POST", "/register").header("x-token", token);
        Answer::of(request.json(&minimal())).await
    };
    for team in ["a", "b", "c"] {
        let answer = register(&issuer, team).await;
        answer.expect_status(201);
        assert_eq!(answer.body["client_name"], team);
    }
    assert_eq!(origin.hits("/jwks"), 1, "the keys are cached");
    origin.set("/jwks", Reply::json(json!({"keys": [next.jwk()]})));
    register(&next, "d").await.expect_status(201);
    register(&next, "e").await.expect_status(201);
    assert_eq!(origin.hits("/jwks"), 2, "the rotation is noticed");
    register(&issuer, "f").await.expect_status(500);
    // A trial has the keys of the server, unless it brings its own.
    let fake = json!([{"method": "GET", "url": url, "answer": {"json": issuer.jwks()}}]);
    for (signer, http) in [(&next, json!("refuse")), (&issuer, fake)] {
        let token = signer.token(json!({"team": "tried"}));
        let input = json!({"body": minimal(), "headers": {"x-token": token}, "http": http});
        let judged = crate::trial::tried(&server, &input).await;
        let name = &judged["answer"]["body"]["client_name"];
        assert_eq!(name, "tried", "{judged}");
    }
    assert_eq!(origin.hits("/jwks"), 2);
}
