//! Requests that break a rule of UK Open Banking are rejected.

use registrar::testing::Algorithm;
use serde_json::json;

use super::{
    METADATA, Party, REDIRECT, REDIRECTS, SOFTWARE, STATEMENT, TRANSPORT_DN, UNAPPROVED, jti,
};
use crate::support::{Answer, START, Signer, with};

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_rejected() {
    let party = Party::new().await;
    let cases = [
        // DCR-004.
        (json!({"exp": START - 3_600}), METADATA),
        (json!({"iss": "another"}), METADATA),
        (json!({"iss": ""}), METADATA),
        (json!({"iss": null}), METADATA),
        (json!({"iss": "x".repeat(23)}), METADATA),
        (json!({"token_endpoint_auth_method": "RS256"}), METADATA),
        // DCR-011.
        (json!({"response_types": ["id_token", "token"]}), METADATA),
        (json!({"aud": "0015800001041XXAAX"}), METADATA),
        (json!({"aud": null}), METADATA),
        (json!({"iat": null}), METADATA),
        (json!({"exp": null}), METADATA),
        (json!({"jti": null}), METADATA),
        (json!({"jti": "one"}), METADATA),
        (json!({"software_id": "another"}), METADATA),
        (json!({"software_statement": null}), STATEMENT),
        (
            json!({"redirect_uris": ["https://elsewhere.example/cb"]}),
            REDIRECTS,
        ),
        (
            json!({"redirect_uris": [REDIRECT, "https://elsewhere.example/cb"]}),
            REDIRECTS,
        ),
        (
            json!({"redirect_uris": ["https://tpp.example.org/cb/"]}),
            REDIRECTS,
        ),
        (
            json!({"redirect_uris": ["https://localhost/cb"]}),
            REDIRECTS,
        ),
        (
            json!({"redirect_uris": ["http://tpp.example.org/cb"]}),
            REDIRECTS,
        ),
        (json!({"token_endpoint_auth_method": null}), METADATA),
        (
            json!({"token_endpoint_auth_method": "client_secret_basic", "token_endpoint_auth_signing_alg": null}),
            METADATA,
        ),
        (
            json!({"token_endpoint_auth_method": "none", "token_endpoint_auth_signing_alg": null}),
            METADATA,
        ),
        (json!({"token_endpoint_auth_signing_alg": null}), METADATA),
        (
            json!({"token_endpoint_auth_signing_alg": "RS256"}),
            METADATA,
        ),
        (
            json!({"tls_client_auth_subject_dn": TRANSPORT_DN}),
            METADATA,
        ),
        (
            json!({"token_endpoint_auth_method": "tls_client_auth", "token_endpoint_auth_signing_alg": null}),
            METADATA,
        ),
        (json!({"grant_types": null}), METADATA),
        (json!({"grant_types": ["authorization_code"]}), METADATA),
        (
            json!({"grant_types": ["client_credentials", "password"]}),
            METADATA,
        ),
        (json!({"scope": null}), METADATA),
        (json!({"scope": "openid payments"}), METADATA),
        (json!({"application_type": null}), METADATA),
        (json!({"application_type": "desktop"}), METADATA),
        (json!({"id_token_signed_response_alg": null}), METADATA),
        (json!({"id_token_signed_response_alg": "RS256"}), METADATA),
        (json!({"request_object_signing_alg": null}), METADATA),
        (json!({"request_object_signing_alg": "none"}), METADATA),
        (json!({"jwks": party.software.jwks()}), METADATA),
        (
            json!({"jwks_uri": "https://elsewhere.example/jwks"}),
            METADATA,
        ),
    ];
    for (more, codes) in cases {
        let answer = party.post(party.claims(more.clone())).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text);
        answer.expect_error(400, codes);
        let description = answer.member("error_description").as_str().unwrap();
        assert!(description.len() <= 500, "{description}");
    }
    party.bank.server.expect_empty().await;
    // The common part of all cases is valid.
    party.register().await;
}

#[tokio::test]
async fn a_statement_that_breaks_a_rule_is_rejected() {
    let party = Party::new().await;
    let cases = [
        (json!({"org_status": "Withdrawn"}), UNAPPROVED),
        (json!({"org_status": "Revoked"}), UNAPPROVED),
        (json!({"org_status": null}), UNAPPROVED),
        (json!({"software_mode": "Test"}), UNAPPROVED),
        (json!({"iss": "Another Ltd"}), UNAPPROVED),
        (json!({"iss": null}), STATEMENT),
        (json!({"iat": START - 1_801}), STATEMENT),
        (json!({"iat": null}), STATEMENT),
        (json!({"jti": null}), STATEMENT),
        (json!({"org_id": null}), STATEMENT),
        (json!({"software_redirect_uris": null}), STATEMENT),
        (json!({"software_roles": null}), STATEMENT),
        // No key remains with which the request could be verified.
        (json!({"software_jwks_endpoint": null}), METADATA),
        (
            json!({"software_jwks_endpoint": party.bank.directory.origin.url("/nothing")}),
            METADATA,
        ),
        (json!({"software_id": "another"}), METADATA),
        (json!({"software_roles": ["PISP"]}), METADATA),
    ];
    for (more, codes) in cases {
        let statement = party.statement(SOFTWARE, more.clone());
        let answer = party
            .post(party.claims(json!({"software_statement": statement})))
            .await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text);
        answer.expect_error(400, codes);
    }
    // Signed by a party that claims to be the directory, and with an algorithm that the directory does not
    // use.
    let forger = Signer::new("OpenBanking Ltd", Algorithm::Ps256);
    let directory = Signer::new("OpenBanking Ltd", Algorithm::Rs256);
    for signer in [&forger, &directory] {
        let claims =
            json!({"iss": "OpenBanking Ltd", "iat": START, "jti": jti(), "software_id": SOFTWARE});
        let statement = signer.raw(&json!({"typ": "JWT"}), claims);
        let answer = party
            .post(party.claims(json!({"software_statement": statement})))
            .await;
        answer.expect_error(400, STATEMENT);
    }
    party.bank.server.expect_empty().await;
}

#[tokio::test]
async fn a_request_is_signed_by_the_software_and_registers_once() {
    let party = Party::new().await;
    let other = Signer::new("2ZRiKCgqCLaWpj6PcdfXYm", Algorithm::Ps256);
    party.bank.directory.publish(&other);
    let post = async |token: String| {
        party
            .bank
            .post(&party.transport, "application/jose", token)
            .await
    };
    // Other software of the directory, with its own key or its own statement.
    post(other.raw(&json!({}), party.claims(json!({}))))
        .await
        .expect_error(400, METADATA);
    let borrowed = party.statement(&other.iss, json!({}));
    post(party.signed(party.claims(json!({"software_statement": borrowed}))))
        .await
        .expect_error(400, METADATA);
    // RS256 is not permitted for requests here.
    let weak = Signer::new(SOFTWARE, Algorithm::Rs256);
    post(weak.raw(&json!({}), party.claims(json!({}))))
        .await
        .expect_error(400, METADATA);
    // Not signed.
    let plain = party.claims(json!({})).to_string();
    party
        .bank
        .post(&party.transport, "application/json", plain)
        .await
        .expect_error(400, METADATA);
    party.bank.server.expect_empty().await;
    let token = party.signed(party.claims(json!({})));
    post(token.clone()).await.expect_status(201);
    post(token).await.expect_error(400, METADATA);
}

#[tokio::test]
async fn an_update_follows_the_rules_of_a_registration() {
    let party = Party::new().await;
    let client = party.register().await;
    let token = party.token(&client).await;
    let cases = [
        (json!({"software_statement": null}), STATEMENT),
        (json!({"software_statement": "a.b.c"}), STATEMENT),
        (
            json!({"software_statement": party.statement(SOFTWARE, json!({"org_status": "Withdrawn"}))}),
            UNAPPROVED,
        ),
        (
            json!({"software_statement": party.statement(SOFTWARE, json!({"iat": START - 1_801}))}),
            STATEMENT,
        ),
        (
            json!({"redirect_uris": ["https://elsewhere.example/cb"]}),
            REDIRECTS,
        ),
        (json!({"scope": "openid payments"}), METADATA),
        (
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
            METADATA,
        ),
        (json!({"jwks": party.software.jwks()}), METADATA),
        (json!({"exp": START - 61}), METADATA),
    ];
    for (more, codes) in cases {
        let answer = party.put(&client, &token, party.claims(more.clone())).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text);
        answer.expect_error(400, codes);
    }
    let plain = with(party.claims(json!({})), json!({"client_id": client.id}));
    let request = party
        .bank
        .ask("PUT", &client.uri, Some(&party.transport))
        .bearer_auth(&token);
    Answer::of(request.json(&plain))
        .await
        .expect_error(400, METADATA);
    let read = party.manage("GET", &client, &token).await;
    assert_eq!(
        read.body["redirect_uris"],
        json!([REDIRECT]),
        "the client is unchanged"
    );
}

#[tokio::test]
async fn the_hybrid_flow_needs_no_implicit_grant_and_is_the_default() {
    let party = Party::new().await;
    for types in [json!(["code id_token"]), json!(["code"]), json!(null)] {
        let answer = party
            .post(party.claims(json!({"response_types": types})))
            .await;
        answer.expect_status(201);
        let expected = if types.is_null() {
            json!(["code id_token"])
        } else {
            types
        };
        assert_eq!(answer.body["response_types"], expected);
    }
    let implicit = json!({"grant_types": ["authorization_code", "client_credentials", "implicit"]});
    party
        .post(party.claims(implicit))
        .await
        .expect_error(400, METADATA);
}

#[tokio::test]
async fn a_statement_has_the_type_jwt() {
    let party = Party::new().await;
    for header in [json!({}), json!({"typ": "software-statement+jwt"})] {
        let claims =
            json!({"iss": "OpenBanking Ltd", "iat": START, "jti": jti(), "software_id": SOFTWARE});
        let statement = party.bank.directory.signer.raw(&header, claims);
        let answer = party
            .post(party.claims(json!({"software_statement": statement})))
            .await;
        answer.expect_error(400, STATEMENT);
        assert!(answer.text.contains("typ"), "{}", answer.text);
    }
}
