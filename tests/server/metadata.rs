//! Every metadata rule, tested from the outside.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::{TestServer, minimal, with};

static KEYS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/keys/jwk.json")).unwrap());

fn jwks(names: &[&str]) -> Value {
    json!({"keys": names.iter().map(|name| KEYS[name].clone()).collect::<Vec<_>>()})
}

/// Registers `minimal` with each of these members on top. Those in `accepted` must be accepted, and those in
/// `refused` rejected with an error that names the member beside them.
pub(crate) async fn check(server: &TestServer, accepted: &[Value], refused: &[(Value, &str)]) {
    for members in accepted {
        let answer = server.post(&with(minimal(), members.clone())).await;
        assert_eq!(answer.status, 201, "{members}: {}", answer.text);
    }
    for (members, part) in refused {
        let answer = server.post(&with(minimal(), members.clone())).await;
        assert_eq!(answer.status, 400, "{members}: {}", answer.text);
        answer.expect_bad_metadata(part);
    }
}

#[tokio::test]
async fn private_key_jwt_needs_keys_and_gets_no_secret() {
    let server = TestServer::new().await;
    let method = json!({"token_endpoint_auth_method": "private_key_jwt"});
    let client = server
        .register(&with(
            with(minimal(), method.clone()),
            json!({"jwks": jwks(&["ec"])}),
        ))
        .await;
    assert_eq!(client.body["jwks"], jwks(&["ec"]));
    assert_eq!(client.body.get("client_secret"), None);
    check(
        &server,
        &[with(
            method.clone(),
            json!({"jwks_uri": "https://client.example.org/jwks"}),
        )],
        &[(method, "jwks")],
    )
    .await;
}

#[tokio::test]
async fn a_key_set_is_public_strong_and_given_once() {
    let server = TestServer::new().await;
    let uri = "https://client.example.org/jwks";
    let accepted = [
        json!({"jwks": jwks(&["rsa", "ec", "ed25519"])}),
        json!({"jwks": {"keys": [{"kty": "FUTURE", "kid": "f"}, KEYS["ec"]]}}),
        json!({"jwks_uri": uri}),
    ];
    let refused = [
        (json!({"jwks": jwks(&["ec"]), "jwks_uri": uri}), "jwks"),
        (json!({"jwks": []}), "jwks"),
        (json!({"jwks": {"keys": {}}}), "jwks"),
        (json!({"jwks": {"kty": "EC"}}), "jwks"),
        (json!({"jwks": "x"}), "jwks"),
        (json!({"jwks": jwks(&["rsa_private"])}), "private"),
        (json!({"jwks": jwks(&["ec_private"])}), "private"),
        (
            json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}),
            "jwks",
        ),
        (json!({"jwks": jwks(&["rsa_1024"])}), "2048"),
        (json!({"jwks": jwks(&["ec_off_curve"])}), "curve"),
        (
            json!({"jwks_uri": "http://client.example.org/jwks"}),
            "jwks_uri",
        ),
    ];
    check(&server, &accepted, &refused).await;
}

#[tokio::test]
async fn a_private_key_is_not_repeated_in_the_error() {
    let server = TestServer::new().await;
    let answer = server
        .post(&with(minimal(), json!({"jwks": jwks(&["ec_private"])})))
        .await;
    answer.expect_bad_metadata("private");
    assert!(
        !answer
            .text
            .contains(KEYS["ec_private"]["d"].as_str().unwrap())
    );
}

#[tokio::test]
async fn an_application_is_web_or_native() {
    let server = TestServer::new().await;
    check(
        &server,
        &[json!({"application_type": "web"})],
        &[(json!({"application_type": "foo"}), "application_type")],
    )
    .await;
}

#[tokio::test]
async fn response_types_are_sets_of_words_with_their_grants() {
    let server = TestServer::registering(json!({
        "grantTypesSupported": ["authorization_code", "implicit", "refresh_token"],
        "responseTypesSupported": ["code", "id_token", "id_token token", "code id_token"],
        "idTokenSigningAlgValuesSupported": ["RS256", "none"],
    }))
    .await;
    let both = json!(["authorization_code", "implicit"]);
    let accepted = [
        json!({"response_types": ["code id_token"], "grant_types": both}),
        json!({"response_types": ["token id_token"], "grant_types": ["implicit"]}),
        json!({"response_types": ["id_token token"], "grant_types": ["implicit"]}),
        json!({"id_token_signed_response_alg": "none"}),
    ];
    let refused = [
        (
            json!({"response_types": ["id_token"], "grant_types": ["authorization_code"]}),
            "implicit",
        ),
        (
            json!({"response_types": ["code id_token"], "grant_types": ["authorization_code"]}),
            "implicit",
        ),
        (
            json!({"response_types": ["code token"], "grant_types": both}),
            "response_types",
        ),
        (
            json!({"response_types": ["id_token"], "grant_types": ["implicit"], "id_token_signed_response_alg": "none"}),
            "id_token_signed_response_alg",
        ),
    ];
    check(&server, &accepted, &refused).await;
    let client = server
        .register(&with(minimal(), json!({"response_types": ["id_token"]})))
        .await;
    assert_eq!(
        client.body["grant_types"],
        json!(["implicit"]),
        "the absent member is derived from the other one"
    );
}

#[tokio::test]
async fn algorithms_are_supported_and_complete() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    assert_eq!(client.body["id_token_signed_response_alg"], "RS256");
    let members = [
        "id_token_encrypted_response",
        "userinfo_encrypted_response",
        "request_object_encryption",
        "authorization_encrypted_response",
        "introspection_encrypted_response",
    ];
    for stem in members {
        let (alg, enc) = (format!("{stem}_alg"), format!("{stem}_enc"));
        let answer = server
            .post(&with(minimal(), json!({enc.as_str(): "A256GCM"})))
            .await;
        answer.expect_bad_metadata(&enc);
        let keyed = json!({alg.as_str(): "ECDH-ES", "jwks": jwks(&["ec"])});
        assert_eq!(
            server.register(&with(minimal(), keyed)).await.body[enc],
            "A128CBC-HS256"
        );
        let answer = server
            .post(&with(
                minimal(),
                json!({alg.as_str(): "RSA1_5", "jwks": jwks(&["rsa"])}),
            ))
            .await;
        answer.expect_bad_metadata("RSA-OAEP");
    }
    let refused = [
        (
            json!({"token_endpoint_auth_signing_alg": "none"}),
            "token_endpoint_auth_signing_alg",
        ),
        (
            json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(&["ec"]),
                   "token_endpoint_auth_signing_alg": "HS256"}),
            "token_endpoint_auth_signing_alg",
        ),
        (
            json!({"token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "RS256"}),
            "token_endpoint_auth_signing_alg",
        ),
        (json!({"id_token_signed_response_alg": "RS1"}), "RS256"),
        (
            json!({"authorization_signed_response_alg": "none"}),
            "authorization_signed_response_alg",
        ),
    ];
    check(&server, &[], &refused).await;
}

#[tokio::test]
async fn pairwise_clients_have_one_host() {
    let server = TestServer::new().await;
    let two = json!(["https://a.example.org/cb", "https://b.example.org/cb"]);
    let accepted = [
        json!({"subject_type": "pairwise"}),
        json!({"redirect_uris": two}),
    ];
    let refused = [
        (
            json!({"subject_type": "pairwise", "redirect_uris": two}),
            "sector_identifier_uri",
        ),
        (json!({"subject_type": "foo"}), "subject_type"),
    ];
    check(&server, &accepted, &refused).await;
    assert_eq!(
        server.register(&minimal()).await.body["subject_type"],
        "public"
    );
}

#[tokio::test]
async fn ciba_metadata_must_be_complete() {
    let server = TestServer::new().await;
    let grant = json!({"grant_types": ["authorization_code", "urn:openid:params:grant-type:ciba"]});
    let ciba = |more: Value| with(grant.clone(), more);
    let endpoint = "https://client.example.org/notify";
    let accepted = [
        ciba(json!({"backchannel_token_delivery_mode": "poll"})),
        ciba(
            json!({"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": endpoint}),
        ),
    ];
    let refused = [
        (grant.clone(), "backchannel_token_delivery_mode"),
        (
            ciba(json!({"backchannel_token_delivery_mode": "ping"})),
            "backchannel_client_notification_endpoint",
        ),
        (
            ciba(json!({"backchannel_token_delivery_mode": "ping",
                        "backchannel_client_notification_endpoint": "http://client.example.org/notify"})),
            "backchannel_client_notification_endpoint",
        ),
        (json!({"backchannel_token_delivery_mode": "poll"}), "ciba"),
    ];
    check(&server, &accepted, &refused).await;
}

#[tokio::test]
async fn a_secret_is_created_if_an_algorithm_needs_one() {
    let server = TestServer::new().await;
    // OpenID Connect Core section 16.19: at least as many octets as the hash.
    for (alg, octets) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let client = server
            .register(&with(
                minimal(),
                json!({"id_token_signed_response_alg": alg}),
            ))
            .await;
        assert!(client.body["client_secret"].as_str().unwrap().len() >= octets);
    }
    let keyed = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(&["ec"])});
    let symmetric = with(
        keyed.clone(),
        json!({"request_object_encryption_alg": "A128KW"}),
    );
    assert!(server.register(&with(minimal(), symmetric)).await.body["client_secret"].is_string());
    assert_eq!(
        server
            .register(&with(minimal(), keyed))
            .await
            .body
            .get("client_secret"),
        None
    );
}

#[tokio::test]
async fn flags_are_booleans_and_are_returned() {
    let server = TestServer::new().await;
    let flags = [
        "dpop_bound_access_tokens",
        "tls_client_certificate_bound_access_tokens",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "use_mtls_endpoint_aliases",
        "access_token_as_jwt",
        "rpt_as_jwt",
        "require_par",
    ];
    for flag in flags {
        assert_eq!(
            server
                .register(&with(minimal(), json!({flag: true})))
                .await
                .body[flag],
            true
        );
        server
            .post(&with(minimal(), json!({flag: "true"})))
            .await
            .expect_bad_metadata(flag);
    }
}

#[tokio::test]
async fn a_certificate_has_one_subject() {
    let server = TestServer::new().await;
    let method = json!({"token_endpoint_auth_method": "tls_client_auth"});
    let mtls = |more: Value| with(method.clone(), more);
    let accepted = [
        mtls(json!({"tls_client_auth_subject_dn": "CN=client,O=Example\\, Inc.,C=DE"})),
        mtls(json!({"tls_client_auth_san_dns": "client.example.org"})),
        mtls(json!({"tls_client_auth_san_uri": "https://client.example.org/id"})),
        mtls(json!({"tls_client_auth_san_ip": "2001:db8::1"})),
        mtls(json!({"tls_client_auth_san_email": "client@example.org"})),
        json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks(&["ec"])}),
    ];
    let refused = [
        (method.clone(), "tls_client_auth"),
        (
            mtls(
                json!({"tls_client_auth_san_dns": "client.example.org", "tls_client_auth_san_ip": "192.0.2.1"}),
            ),
            "tls_client_auth",
        ),
        (
            mtls(json!({"tls_client_auth_san_ip": "999.1.1.1"})),
            "tls_client_auth_san_ip",
        ),
        (
            mtls(json!({"tls_client_auth_subject_dn": "client"})),
            "tls_client_auth_subject_dn",
        ),
        (
            json!({"token_endpoint_auth_method": "self_signed_tls_client_auth"}),
            "jwks",
        ),
    ];
    check(&server, &accepted, &refused).await;
}
