//! A server that enforces FAPI 2.0: unsupported values are rejected, never replaced.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{Signer, TestServer, minimal, with};

async fn server() -> TestServer {
    TestServer::registering(json!({
        "tokenEndpointAuthMethodsSupported": ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"],
        "responseTypesSupported": ["code"],
        "idTokenSigningAlgValuesSupported": ["PS256", "ES256"],
        "tokenEndpointAuthSigningAlgValuesSupported": ["PS256", "ES256"],
        "defaultSignatureAlgorithm": "PS256",
    }))
    .await
}

/// A client as the profile requires it: no secret, its own key, and tokens bound to that key.
fn profiled() -> Value {
    let keys = Signer::new("https://client.example.org", Algorithm::Es256).jwks();
    with(
        minimal(),
        json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": keys, "response_types": ["code"],
            "grant_types": ["authorization_code"], "id_token_signed_response_alg": "PS256",
            "dpop_bound_access_tokens": true, "require_pushed_authorization_requests": true,
        }),
    )
}

#[tokio::test]
async fn values_that_fapi_2_forbids_are_rejected_and_permitted_ones_are_named() {
    let server = server().await;
    for (members, part) in [
        (
            json!({"token_endpoint_auth_method": "none"}),
            "token_endpoint_auth_method",
        ),
        (
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
            "token_endpoint_auth_method",
        ),
        (
            json!({"id_token_signed_response_alg": "RS256"}),
            "id_token_signed_response_alg",
        ),
        (
            json!({"id_token_signed_response_alg": "none"}),
            "id_token_signed_response_alg",
        ),
        (
            json!({"token_endpoint_auth_signing_alg": "RS256"}),
            "token_endpoint_auth_signing_alg",
        ),
        (
            json!({"response_types": ["code id_token"], "grant_types": ["authorization_code", "implicit"]}),
            "response_types",
        ),
    ] {
        server
            .post(&with(profiled(), members))
            .await
            .expect_bad_metadata(part);
    }
    server.expect_empty().await;
    let client = server.register(&profiled()).await;
    assert_eq!(client.body["dpop_bound_access_tokens"], true);
    assert_eq!(client.body["client_secret"], Value::Null);
    let mut unbound = profiled();
    unbound
        .as_object_mut()
        .unwrap()
        .shift_remove("dpop_bound_access_tokens");
    server.register(&unbound).await;
}
