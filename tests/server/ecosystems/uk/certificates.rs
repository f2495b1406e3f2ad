//! Mutual TLS and access tokens of UK Open Banking.

use serde_json::json;

use super::{Party, TRANSPORT};
use crate::support::Answer;
use crate::support::certificates::{Authority, Pair};

#[tokio::test]
async fn a_registration_needs_a_certificate_of_the_ecosystem() {
    let party = Party::new().await;
    party.bank.expect_no_handshake("POST", "/register").await;
    let strangers = [
        Authority::new().client(TRANSPORT),
        party.bank.files.authority.expired_client(TRANSPORT),
        Pair::self_signed(TRANSPORT),
    ];
    for shown in &strangers {
        let answer = party
            .bank
            .post(
                shown,
                "application/jose",
                party.signed(party.claims(json!({}))),
            )
            .await;
        answer.expect_error(401, &["invalid_client"]);
    }
    party.bank.server.expect_empty().await;
}

#[tokio::test]
async fn a_client_is_managed_with_its_own_token_and_certificate() {
    let party = Party::new().await;
    let (client, other) = (party.register().await, party.register().await);
    let (token, of_other) = (party.token(&client).await, party.token(&other).await);
    for method in ["GET", "DELETE"] {
        for wrong in ["wrong", &of_other] {
            // DCR-007.
            let answer = party.manage(method, &client, wrong).await;
            answer.expect_error(401, &["invalid_token"]);
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        let unsigned = party.bank.ask(method, &client.uri, Some(&party.transport));
        Answer::of(unsigned).await.expect_status(401);
        party.bank.expect_no_handshake(method, &client.uri).await;
        let neighbour =
            party
                .bank
                .certificate(&[("C", "GB"), ("O", "OpenBanking"), ("CN", "neighbour")]);
        for shown in [&neighbour, &Pair::self_signed(TRANSPORT)] {
            let stolen = party
                .bank
                .ask(method, &client.uri, Some(shown))
                .bearer_auth(&token);
            Answer::of(stolen)
                .await
                .expect_error(401, &["invalid_token"]);
        }
    }
    party
        .put(&client, &of_other, party.claims(json!({})))
        .await
        .expect_error(401, &["invalid_token"]);
    party
        .manage("GET", &client, &token)
        .await
        .expect_status(200);
}
