//! Requests that break a rule of Open Finance Brasil are rejected.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::{
    Case, ISSUER, METADATA, NOT_THE_CLIENT, Party, REDIRECT, REDIRECTS, SOFTWARE, STATEMENT,
    UNAPPROVED,
};
use crate::ecosystems::directory::unique;
use crate::support::{Answer, Reply, START, Signer, with};

#[tokio::test]
async fn keys_and_redirect_uris_must_be_those_of_the_statement() {
    let party = Party::new().await;
    let keys = Signer::new(SOFTWARE, Algorithm::Ps256).jwks();
    let cases: [Case; 7] = [
        (json!({"jwks": keys}), METADATA),
        (json!({"jwks": keys, "jwks_uri": null}), METADATA),
        (
            json!({"jwks_uri": party.bank.directory.origin.url("/elsewhere.jwks")}),
            METADATA,
        ),
        (json!({"redirect_uris": null}), REDIRECTS),
        (json!({"redirect_uris": []}), REDIRECTS),
        (
            json!({"redirect_uris": ["https://elsewhere.example/cb"]}),
            REDIRECTS,
        ),
        (
            json!({"redirect_uris": [REDIRECT, "https://elsewhere.example/cb"]}),
            REDIRECTS,
        ),
    ];
    party.expect_refused(cases).await;
}

#[tokio::test]
async fn a_fresh_statement_of_the_directory_is_required() {
    let party = Party::new().await;
    // Its key is in the set of the directory but not for statements.
    let weak = Signer::new(ISSUER, Algorithm::Rs256);
    let keys = json!({"keys": [party.bank.directory.signer.jwk(), weak.jwk()]});
    party
        .bank
        .directory
        .origin
        .set("/directory.jwks", Reply::json(keys));
    let own = json!({"iss": ISSUER, "iat": START, "jti": unique().to_string()});
    let by = |signer: &Signer| json!({"software_statement": signer.raw(&json!({}), with(own.clone(), party.statement_claims(json!({}))))});
    let of = |more: Value| json!({"software_statement": party.statement(more)});
    let cases: [Case; 15] = [
        (json!({"software_statement": null}), STATEMENT),
        (json!({"software_statement": "a.b.c"}), STATEMENT),
        (by(&weak), STATEMENT),
        (by(&Signer::new(ISSUER, Algorithm::Ps256)), STATEMENT),
        (of(json!({"iat": START - 360})), STATEMENT),
        (of(json!({"iat": START - 301})), STATEMENT),
        (of(json!({"iat": START + 61})), STATEMENT),
        (of(json!({"iat": null})), STATEMENT),
        (
            of(json!({"iss": "Open Banking Brasil sandbox SSA issuer"})),
            UNAPPROVED,
        ),
        (of(json!({"iss": null})), STATEMENT),
        (of(json!({"org_id": null})), STATEMENT),
        (of(json!({"software_jwks_uri": null})), STATEMENT),
        (of(json!({"software_redirect_uris": null})), STATEMENT),
        (of(json!({"org_status": "Withdrawn"})), UNAPPROVED),
        (of(json!({"org_status": null})), UNAPPROVED),
    ];
    party.expect_refused(cases).await;
    party
        .register(&party.request(of(json!({"iat": START - 299}))))
        .await;
}

#[tokio::test]
async fn a_statement_and_its_software_register_one_client() {
    let party = Party::new().await;
    let request = party.request(json!({}));
    let client = party.register(&request).await;
    party.post(&request).await.expect_error(
        400,
        &["invalid_client_metadata", "unapproved_software_statement"],
    );
    let again = party.post(&party.request(json!({}))).await;
    again.expect_error(400, METADATA);
    assert!(
        again.text.contains("already has a client"),
        "{}",
        again.text
    );
    // Ten simultaneous requests with one statement create one client.
    let delete = party
        .bank
        .ask("DELETE", &client.uri, Some(&party.transport))
        .bearer_auth(&client.token);
    Answer::of(delete).await.expect_status(204);
    let raced = party.request(json!({}));
    let answers = futures_util::future::join_all((0..10).map(|_| party.post(&raced))).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        1
    );
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 400).count(),
        9
    );
}

#[tokio::test]
async fn algorithms_and_methods_must_be_those_of_the_profile() {
    let party = Party::new().await;
    let cases: [Case; 8] = [
        (json!({"token_endpoint_auth_method": null}), METADATA),
        (
            json!({"token_endpoint_auth_method": "client_secret_basic", "token_endpoint_auth_signing_alg": null}),
            METADATA,
        ),
        (
            json!({"token_endpoint_auth_method": "none", "token_endpoint_auth_signing_alg": null}),
            METADATA,
        ),
        (
            json!({"token_endpoint_auth_signing_alg": "RS256"}),
            METADATA,
        ),
        (json!({"request_object_signing_alg": "RS256"}), METADATA),
        (json!({"id_token_signed_response_alg": "RS256"}), METADATA),
        (
            json!({"request_object_encryption_alg": "RSA-OAEP-256", "request_object_encryption_enc": "A256GCM"}),
            METADATA,
        ),
        (
            json!({"request_object_encryption_alg": "RSA-OAEP", "request_object_encryption_enc": "A128GCM"}),
            METADATA,
        ),
    ];
    party.expect_refused(cases).await;
}

#[tokio::test]
async fn an_update_follows_the_rules_of_a_registration() {
    let party = Party::new().await;
    let client = party.register(&party.request(json!({}))).await;
    let cases: [Case; 8] = [
        (json!({"software_statement": null}), STATEMENT),
        (json!({"software_statement": "a.b.c"}), STATEMENT),
        (
            json!({"software_statement": party.statement(json!({"iat": START - 360}))}),
            STATEMENT,
        ),
        (
            json!({"software_statement": party.statement(json!({"org_status": "Withdrawn"}))}),
            UNAPPROVED,
        ),
        (
            json!({"jwks_uri": party.bank.directory.origin.url("/elsewhere.jwks")}),
            METADATA,
        ),
        (
            json!({"jwks": Signer::new(SOFTWARE, Algorithm::Ps256).jwks()}),
            METADATA,
        ),
        (
            json!({"redirect_uris": ["https://elsewhere.example/cb"]}),
            REDIRECTS,
        ),
        (json!({"token_endpoint_auth_method": null}), METADATA),
    ];
    for (more, codes) in cases {
        let answer = party.put(&client, party.request(more.clone())).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text);
        answer.expect_error(400, codes);
    }
    // The software in another statement belongs to another client.
    let other = json!({"software_id": "58b2b7f2-0000-4000-8000-000000000000"});
    let other = party.request(json!({"software_statement": party.statement(other)}));
    party
        .put(&client, other)
        .await
        .expect_error(401, NOT_THE_CLIENT);
    assert_eq!(
        party.read(&client).await.body["redirect_uris"],
        json!([REDIRECT]),
        "the client is unchanged"
    );
}
