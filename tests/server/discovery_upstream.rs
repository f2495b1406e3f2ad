//! `discovery.upstream`: the metadata of the upstream authorization server, overlaid with our own.

use serde_json::{Value, json};

use crate::support::{Answer, Origin, Reply, TestServer, machine, minimal, registering, with};

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Returns the metadata of the server at `issuer`.
fn theirs(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "registration_endpoint": format!("{issuer}/register"),
        "mtls_endpoint_aliases": {
            "token_endpoint": "https://mtls.example.org/token",
            "registration_endpoint": "https://mtls.example.org/register",
        },
        "signed_metadata": "e30.e30.e30",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "urn:example:their-own"],
        "backchannel_user_code_parameter_supported": false,
        "claims_supported": ["sub", "email"],
    })
}

/// Starts a server with `upstream`, which is on loopback. Only URLs that the operator configured are
/// fetched from there.
async fn beside(upstream: &str) -> TestServer {
    TestServer::configured(|configuration| {
        configuration
            .settings
            .discovery
            .insert("upstream".to_owned(), upstream.into());
    })
    .await
}

async fn document(server: &TestServer) -> Answer {
    Answer::of(server.ask("GET", OAUTH)).await
}

async fn readiness(server: &TestServer) -> Value {
    let answer = Answer::of(server.ask("GET", "/readyz")).await;
    answer.expect_status(200);
    answer.body
}

#[tokio::test]
async fn upstream_metadata_is_published_overlaid_with_our_own() {
    let origin = Origin::new().await;
    let upstream = origin.url("");
    origin.set(OPENID, Reply::json(theirs(&upstream)));
    let server = beside(&upstream).await;
    let found = document(&server).await;
    found.expect_status(200);
    let found = found.body;
    assert_eq!(found["issuer"], server.server().url());
    for member in [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "claims_supported",
    ] {
        assert_eq!(found[member], theirs(&upstream)[member], "{member}");
    }
    for member in [
        "signed_metadata",
        "introspection_endpoint",
        "revocation_endpoint",
        "upstream",
    ] {
        assert_eq!(found[member], Value::Null, "{member}");
    }
    // Nor the methods of our own endpoints, which are not published.
    for member in [
        "revocation_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_methods_supported",
        "tls_client_certificate_bound_access_tokens",
    ] {
        assert_eq!(found.get(member), None, "{member}");
    }
    // Its metadata does not mention PKCE, so support is unknown.
    assert_eq!(found["code_challenge_methods_supported"], Value::Null);
    assert_eq!(
        found["mtls_endpoint_aliases"],
        json!({"token_endpoint": "https://mtls.example.org/token"})
    );
    assert_eq!(
        found["grant_types_supported"],
        json!(["authorization_code"]),
        "what both support"
    );
    assert_eq!(
        found["backchannel_user_code_parameter_supported"],
        json!(false),
        "what both support"
    );
    let endpoint = found["registration_endpoint"].as_str().unwrap();
    Answer::of(server.ask("POST", endpoint).json(&minimal()))
        .await
        .expect_status(201);
    assert_eq!(readiness(&server).await["upstreamError"], Value::Null);
}

#[tokio::test]
async fn a_disabled_registration_is_not_replaced_by_the_upstream_endpoint() {
    let origin = Origin::new().await;
    let upstream = origin.url("");
    origin.set(OPENID, Reply::json(theirs(&upstream)));
    let server = TestServer::configured(|configuration| {
        configuration
            .settings
            .discovery
            .insert("upstream".to_owned(), upstream.as_str().into());
        configuration
            .settings
            .discovery
            .insert("jwks_uri".to_owned(), "https://a.example/jwks".into());
        configuration.live.registration.dynamic_registration_enabled = false;
    })
    .await;
    let found = document(&server).await.body;
    assert_eq!(found["registration_endpoint"], Value::Null);
    assert_eq!(
        found["jwks_uri"], "https://a.example/jwks",
        "configured metadata takes precedence"
    );
}

#[tokio::test]
async fn behind_one_proxy_both_servers_share_an_issuer() {
    let origin = Origin::new().await;
    origin.set(OPENID, Reply::json(theirs("https://as.example.org")));
    let server = TestServer::configured(|configuration| {
        configuration
            .settings
            .discovery
            .insert("upstream".to_owned(), origin.url("/").into());
        configuration.settings.server.issuer = Some("https://as.example.org".to_owned());
    })
    .await;
    let found = document(&server).await.body;
    assert_eq!(found["issuer"], "https://as.example.org");
    assert_eq!(found["token_endpoint"], "https://as.example.org/token");
    assert_eq!(
        found["registration_endpoint"],
        "https://as.example.org/register"
    );
}

#[tokio::test]
async fn the_document_is_also_found_at_the_location_of_rfc_8414() {
    let origin = Origin::new().await;
    let upstream = origin.url("/tenant");
    origin.set(&format!("{OAUTH}/tenant"), Reply::json(theirs(&upstream)));
    let server = beside(&upstream).await;
    let found = document(&server).await;
    found.expect_status(200);
    assert_eq!(found.body["token_endpoint"], format!("{upstream}/token"));
}

#[tokio::test]
async fn it_is_fetched_once_for_many_requests_and_again_after_its_lifetime() {
    let origin = Origin::new().await;
    let upstream = origin.url("");
    origin.set(
        OPENID,
        Reply::json(theirs(&upstream)).header("cache-control", "max-age=120"),
    );
    let server = beside(&upstream).await;
    let answers = (0..8).map(|_| document(&server));
    for answer in futures_util::future::join_all(answers).await {
        answer.expect_status(200);
    }
    assert_eq!(origin.hits(OPENID), 1);
    let newer = with(theirs(&upstream), json!({"claims_supported": ["sub"]}));
    origin.set(OPENID, Reply::json(newer));
    server.clock.advance(119);
    assert_eq!(
        document(&server).await.body["claims_supported"],
        json!(["sub", "email"])
    );
    server.clock.advance(2);
    assert_eq!(
        document(&server).await.body["claims_supported"],
        json!(["sub"])
    );
    assert_eq!(origin.hits(OPENID), 2);
}

#[tokio::test]
async fn the_last_document_is_used_for_a_limited_time_while_upstream_is_down() {
    let origin = Origin::new().await;
    let upstream = origin.url("");
    origin.set(OPENID, Reply::json(theirs(&upstream)));
    let server = beside(&upstream).await;
    document(&server).await.expect_status(200);
    origin.set(OPENID, Reply::status(503));
    server.clock.advance(3_600);
    document(&server).await.expect_status(200);
    server.clock.advance(3_600);
    document(&server)
        .await
        .expect_error(503, &["temporarily_unavailable"]);
    origin.set(OPENID, Reply::json(theirs(&upstream)));
    server.clock.advance(11);
    document(&server).await.expect_status(200);
}

#[tokio::test]
async fn without_upstream_metadata_no_partial_document_is_published() {
    let origin = Origin::new().await;
    let upstream = origin.url("");
    let server = beside(&upstream).await;
    let refused = document(&server).await;
    refused.expect_error(503, &["temporarily_unavailable"]);
    assert_eq!(refused.header("retry-after"), "10");
    let said = readiness(&server).await["upstreamError"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(said.contains(&upstream) && said.contains("404"), "{said}");
    server.register(&minimal()).await;
    origin.set(OPENID, Reply::json(theirs(&upstream)));
    server.clock.advance(11);
    document(&server).await.expect_status(200);
    assert_eq!(readiness(&server).await["upstreamError"], Value::Null);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_rejected() {
    let origin = Origin::new().await;
    let upstream = origin.url("");
    for wrong in [
        json!(["not", "metadata"]),
        theirs("https://other.example.org"),
        json!({}),
    ] {
        origin.set(OPENID, Reply::json(wrong));
        let server = beside(&upstream).await;
        document(&server)
            .await
            .expect_error(503, &["temporarily_unavailable"]);
    }
}

#[tokio::test]
async fn an_upstream_on_loopback_does_not_allow_other_hosts_to_clients() {
    let origin = Origin::new().await;
    let upstream = origin.url("");
    origin.set(OPENID, Reply::json(theirs(&upstream)));
    let server = beside(&upstream).await;
    document(&server).await.expect_status(200);
    let sector = format!("https://{}/sector", origin.address());
    let body = with(
        minimal(),
        json!({"subject_type": "pairwise", "sector_identifier_uri": sector}),
    );
    server
        .post(&body)
        .await
        .expect_bad_metadata("sector_identifier_uri");
    assert_eq!(origin.hits("/sector"), 0);
}

/// Starts a server with the members `ours` in `[registration]`, and with an upstream at `origin` that
/// has the members `theirs_more` in its metadata.
async fn pair(origin: &Origin, theirs_more: Value, ours: Value) -> TestServer {
    let upstream = origin.url("");
    origin.set(OPENID, Reply::json(with(theirs(&upstream), theirs_more)));
    TestServer::configured(|configuration| {
        configuration
            .settings
            .discovery
            .insert("upstream".to_owned(), upstream.as_str().into());
        configuration.live.scopes.clear();
        registering(configuration, ours);
    })
    .await
}

#[tokio::test]
async fn upstream_values_that_cannot_be_registered_here_are_not_published() {
    let origin = Origin::new().await;
    let theirs = json!({
        "id_token_encryption_alg_values_supported": ["RSA-OAEP"],
        "scopes_supported": ["openid"],
        "acr_values_supported": ["urn:example:gold"],
    });
    let ours = json!({"idTokenEncryptionAlgValuesSupported": [], "responseTypesSupported": []});
    let server = pair(&origin, theirs, ours).await;
    let found = document(&server).await.body;
    for member in [
        "id_token_encryption_alg_values_supported",
        "scopes_supported",
    ] {
        assert_eq!(found.get(member), None, "{member}");
    }
    assert_eq!(
        found["response_types_supported"],
        json!([]),
        "RFC 8414 section 2 demands it"
    );
    let keys = json!({"jwks_uri": "https://client.example.org/jwks"});
    let encrypted = with(keys, json!({"id_token_encrypted_response_alg": "RSA-OAEP"}));
    server
        .post(&with(machine(), encrypted))
        .await
        .expect_bad_metadata("id_token_encrypted_response_alg");
    // An empty list of ours allows any value, so the upstream list is what both support.
    assert_eq!(found["acr_values_supported"], json!(["urn:example:gold"]));
    server
        .register(&with(
            machine(),
            json!({"default_acr_values": ["urn:example:gold"]}),
        ))
        .await;
}

#[tokio::test]
async fn the_words_of_a_response_type_have_no_order_and_the_rules_accept_all_of_ours() {
    let origin = Origin::new().await;
    let theirs = json!({"response_types_supported": ["token id_token", "code"]});
    let ours = json!({
        "grantTypesSupported": ["authorization_code", "implicit"],
        "responseTypesSupported": ["code", "id_token token", "token"],
    });
    let server = pair(&origin, theirs, ours).await;
    let found = document(&server).await.body;
    assert_eq!(
        found["response_types_supported"],
        json!(["code", "id_token token"]),
        "what both support"
    );
    for registered in ["token id_token", "id_token token", "token"] {
        let members = json!({"grant_types": ["implicit"], "response_types": [registered]});
        server.register(&with(minimal(), members)).await;
    }
}
