//! Attestation over the protocol of Veraison.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::verifier::{
    EVIDENCE, MEDIA_TYPE, SESSION, SESSIONS, Verifier, attested, result, session,
};
use super::{nonce, stale};
use crate::support::{Reply, START, Signer, minimal, with};

const JSON: &str = "application/vnd.veraison.challenge-response-session+json";

#[tokio::test]
async fn a_device_is_appraised_in_a_session_with_our_nonce() {
    let verifier = Verifier::new().await;
    let server = verifier
        .server(json!({"requiredSubmods": ["PSA_IOT"]}))
        .await;
    let nonce = nonce(&server).await;
    verifier.says(&nonce, result(&nonce, json!({})));
    let client = server.register(&attested(&nonce)).await;

    let opened = verifier.origin.received(SESSIONS);
    assert_eq!(
        opened[0].uri().query(),
        Some(format!("nonce={nonce}").as_str())
    );
    assert_eq!(
        (opened[0].method().as_str(), &opened[0].headers()["accept"]),
        ("POST", &JSON.parse().unwrap())
    );
    let sent = verifier.origin.received(SESSION);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        &sent[0].body()[..],
        URL_SAFE_NO_PAD.decode(EVIDENCE).unwrap(),
        "the decoded bytes are sent, not their text"
    );
    assert_eq!(sent[0].headers()["content-type"], MEDIA_TYPE);
    assert_eq!(sent[0].headers()["accept"], JSON);

    let provenance = server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "attested");
    assert_eq!(
        provenance["attestation_verifier"],
        "https://veraison-project.org 1"
    );
    assert_eq!(provenance["attestation_policy"], "policy:PSA_IOT");
    assert_eq!(provenance["attestation_digest"].as_str().unwrap().len(), 64);
    for text in [
        client.body.to_string(),
        server.read(&client).await.text,
        provenance.to_string(),
    ] {
        assert!(!text.contains(EVIDENCE) && !text.contains(&nonce), "{text}");
    }
    // The same evidence and other evidence for the same nonce are rejected.
    stale(&server.post(&attested(&nonce)).await);
    stale(
        &server
            .post(&with(attested(&nonce), json!({"evidence": "AAAA"})))
            .await,
    );
    assert_eq!(
        verifier.origin.hits(SESSION),
        1,
        "the verifier is not called for stale evidence"
    );
}

#[tokio::test]
async fn evidence_for_an_unknown_nonce_is_stale_and_the_verifier_is_not_called() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({})).await;
    let late = nonce(&server).await;
    server.clock.advance(151);
    let other = URL_SAFE_NO_PAD.encode([7; 32]);
    let none = with(minimal(), json!({"evidence": EVIDENCE}));
    for body in [attested(&late), attested(&other), attested(""), none] {
        let next = stale(&server.post(&body).await);
        assert!(URL_SAFE_NO_PAD.decode(&next).unwrap().len() >= 32);
        assert!(next != late && next != other);
    }
    assert_eq!(verifier.origin.hits(SESSIONS), 0);
    server.expect_empty().await;
}

#[tokio::test]
async fn the_nonce_of_evidence_that_is_a_jwt_is_read_from_it() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({"encoding": "text"})).await;
    let device = Signer::new("device", Algorithm::Es256);
    let nonce = nonce(&server).await;
    verifier.says(&nonce, result(&nonce, json!({})));
    let evidence = device.token(json!({"eat_nonce": nonce}));
    server
        .register(&with(minimal(), json!({"evidence": evidence})))
        .await;
    assert_eq!(
        &verifier.origin.received(SESSION)[0].body()[..],
        evidence.as_bytes()
    );
}

#[tokio::test]
async fn results_are_read_with_the_names_of_both_drafts() {
    let verifier = Verifier::new().await;
    let claims = json!({"instance-identity": "affirming"});
    let server = verifier
        .server(json!({"claims": claims, "policies": ["policy:PSA_IOT"]}))
        .await;
    for is_dotted in [true, false] {
        let nonce = nonce(&server).await;
        let vector = json!({"instance-identity": 2, "hardware": 2});
        let part = json!({"ear.trustworthiness-vector": vector});
        let claims = result(&nonce, part);
        verifier.says(
            &nonce,
            if is_dotted {
                claims
            } else {
                underscored(&claims, &nonce)
            },
        );
        let body = with(
            attested(&nonce),
            json!({"evidence": if is_dotted { "AAAA" } else { "AAAB" }}),
        );
        let client = server.register(&body).await;
        let provenance = server.provenance(&client).await;
        assert_eq!(
            provenance["attestation_verifier"],
            "https://veraison-project.org 1"
        );
        assert_eq!(provenance["attestation_policy"], "policy:PSA_IOT");
    }
}

/// Returns the same result with the names of the current draft-ietf-rats-ear.
fn underscored(dotted: &Value, nonce: &str) -> Value {
    let part = &dotted["submods"]["PSA_IOT"];
    json!({
        "eat_profile": "tag:ietf.org,2026:rats/ear#03", "iat": START, "eat_nonce": nonce,
        "ear_verifier_id": dotted["ear.verifier-id"],
        "submods": {"PSA_IOT": {
            "ear_status": part["ear.status"],
            "ear_appraisal_policy_ids": [part["ear.appraisal-policy-id"]],
            "ear_trustworthiness_vector": {"instance_identity": 2, "hardware": 2},
        }},
    })
}

#[tokio::test]
async fn verifier_nonces_are_read_in_every_spelling() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({"nonceFrom": "verifier"})).await;
    for (number, padded) in [(0xfb_u8, true), (0xff, false)] {
        let bytes = [number; 32];
        let ours = URL_SAFE_NO_PAD.encode(bytes);
        let theirs = if padded {
            STANDARD.encode(bytes)
        } else {
            ours.clone()
        };
        verifier.says(&theirs, result(&ours, json!({})));
        assert_eq!(nonce(&server).await, ours);
        assert_eq!(
            verifier
                .origin
                .received(SESSIONS)
                .last()
                .unwrap()
                .uri()
                .query(),
            Some("nonceSize=32")
        );
        let body = with(
            attested(&theirs),
            json!({"evidence": format!("AAA{}", u8::from(padded))}),
        );
        server.register(&body).await;
        // Each session is valid once.
        verifier.says(&theirs, result(&ours, json!({})));
        assert_eq!(stale(&server.post(&attested(&ours)).await), ours);
    }
    verifier.opens("c2hvcnQ");
    server
        .post(&minimal())
        .await
        .expect_error(503, &["temporarily_unavailable"]);
}

#[tokio::test]
async fn a_session_url_must_be_on_the_verifier() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({})).await;
    let other = Verifier::new().await;
    let locations = [
        "session/one".to_owned(),
        SESSION.to_owned(),
        verifier.origin.url(SESSION),
    ];
    for (number, location) in locations.into_iter().enumerate() {
        let nonce = nonce(&server).await;
        verifier.says(&nonce, result(&nonce, json!({})));
        let opened = Reply::json(session("waiting", &nonce))
            .with_status(201)
            .header("location", location);
        verifier.origin.set(SESSIONS, opened);
        server
            .register(&with(
                attested(&nonce),
                json!({"evidence": format!("AAA{number}")}),
            ))
            .await;
    }
    let nonce = nonce(&server).await;
    verifier.says(&nonce, result(&nonce, json!({})));
    other.says(&nonce, result(&nonce, json!({})));
    let elsewhere = Reply::json(session("waiting", &nonce)).with_status(201);
    verifier.origin.set(
        SESSIONS,
        elsewhere.header("location", other.origin.url(SESSION)),
    );
    super::verifier::unavailable(&server.post(&attested(&nonce)).await);
    assert_eq!(
        other.origin.hits(SESSION),
        0,
        "evidence is sent to the configured verifier only"
    );
}

#[tokio::test]
async fn the_attested_key_must_be_a_key_of_the_client() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({"bindKey": true})).await;
    let (client, other) = (
        Signer::new("c", Algorithm::Es256),
        Signer::new("o", Algorithm::Es256),
    );
    let part = json!({"ear.veraison.key-attestation": {"akpub": client.akpub()}});
    let post = async |part: &Value, more: Value| {
        let nonce = nonce(&server).await;
        verifier.says(&nonce, result(&nonce, part.clone()));
        server
            .post(&with(
                with(
                    attested(&nonce),
                    json!({"token_endpoint_auth_method": "private_key_jwt"}),
                ),
                more,
            ))
            .await
    };
    let jwks = |signer: &Signer| json!({"jwks": signer.jwks()});
    for (part, more) in [
        (&part, jwks(&other)),
        (&json!({}), jwks(&client)),
        (
            &part,
            json!({"jwks_uri": "https://client.example.org/jwks", "jwks": null}),
        ),
    ] {
        post(part, more).await.expect_bad_metadata("evidence: ");
    }
    server.expect_empty().await;
    let both = json!({"jwks": {"keys": [other.jwk(), client.jwk()]}});
    let registered = post(&part, both).await;
    registered.expect_status(201);
    assert_eq!(
        registered.body["jwks"]["keys"][1]["kid"],
        client.jwk()["kid"]
    );
}
