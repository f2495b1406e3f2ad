//! OpenID Connect RP Metadata Choices.

use serde_json::json;

use crate::support::{TestServer, minimal, with};

#[tokio::test]
async fn a_list_is_narrowed_to_one_value_that_is_returned() {
    let server =
        TestServer::registering(json!({"idTokenSigningAlgValuesSupported": ["RS256", "ES256"]}))
            .await;
    let list = json!({"id_token_signing_alg_values_supported": ["PS512", "ES256", "RS256"]});
    let client = server.register(&with(minimal(), list)).await;
    assert_eq!(client.body["id_token_signed_response_alg"], "ES256");
    assert_eq!(
        client.body.get("id_token_signing_alg_values_supported"),
        None
    );
    assert_eq!(server.read(&client).await.body, client.body);
}

#[tokio::test]
async fn a_value_must_be_in_its_list_and_one_of_the_list_supported() {
    let server =
        TestServer::registering(json!({"idTokenSigningAlgValuesSupported": ["RS256", "ES256"]}))
            .await;
    let outside = json!({"id_token_signed_response_alg": "RS256", "id_token_signing_alg_values_supported": ["ES256"]});
    server
        .post(&with(minimal(), outside))
        .await
        .expect_bad_metadata("id_token_signed_response_alg");
    let rescued = json!({
        "id_token_signed_response_alg": "PS512",
        "id_token_signing_alg_values_supported": ["PS512", "ES256"],
    });
    assert_eq!(
        server.register(&with(minimal(), rescued)).await.body["id_token_signed_response_alg"],
        "ES256"
    );
    let hopeless = json!({"id_token_signing_alg_values_supported": ["PS512"]});
    server
        .post(&with(minimal(), hopeless))
        .await
        .expect_bad_metadata("id_token_signing_alg_values_supported");
}

#[tokio::test]
async fn lists_of_methods_and_subject_types_are_narrowed_too() {
    let server = TestServer::new().await;
    let lists = json!({
        "token_endpoint_auth_methods_supported": ["made_up", "none"],
        "subject_types_supported": ["pairwise"],
    });
    let client = server.register(&with(minimal(), lists)).await;
    assert_eq!(client.body["token_endpoint_auth_method"], "none");
    assert_eq!(client.body["subject_type"], "pairwise");
}
