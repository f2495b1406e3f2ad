//! Results of a verifier that are rejected.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::verifier::{Verifier, attested, result, unavailable};
use super::{nonce, stale};
use crate::support::{START, Signer, with};

#[tokio::test]
async fn a_device_in_a_bad_state_is_rejected() {
    let verifier = Verifier::new().await;
    let settings = json!({"requiredSubmods": ["PSA_IOT"], "claims": {"hardware": "affirming"}});
    let server = verifier.server(settings).await;
    let good = json!({"ear.trustworthiness-vector": {"hardware": 2}});
    let part = |more: Value| with(good.clone(), more);
    let cases = [
        (
            part(json!({"ear.status": "contraindicated"})),
            "PSA_IOT is contraindicated",
        ),
        (
            part(json!({"ear.status": "warning"})),
            "PSA_IOT is warning; affirming is expected",
        ),
        (part(json!({"ear.status": "none"})), "PSA_IOT is none"),
        (
            json!({"ear.trustworthiness-vector": {"hardware": 2, "executables": 33}}),
            "executables is warning",
        ),
        (
            json!({"ear.trustworthiness-vector": {"executables": 2}}),
            "hardware of PSA_IOT is none",
        ),
    ];
    for (part, rule) in cases {
        let nonce = nonce(&server).await;
        verifier.says(&nonce, result(&nonce, part));
        server
            .post(&attested(&nonce))
            .await
            .expect_bad_metadata(rule);
    }
    let nonce = nonce(&server).await;
    let mut other = result(&nonce, good.clone());
    other["submods"] = json!({"CCA_REALM": other["submods"]["PSA_IOT"]});
    verifier.says(&nonce, other);
    server
        .post(&attested(&nonce))
        .await
        .expect_bad_metadata("PSA_IOT was not appraised");
    server.expect_empty().await;
}

#[tokio::test]
async fn the_operator_chooses_the_acceptable_status_and_the_error_code() {
    let verifier = Verifier::new().await;
    let server = verifier
        .server(json!({"status": "warning", "errorCode": "invalid_evidence"}))
        .await;
    for (status, evidence, expected) in [("warning", "AAAA", 201), ("contraindicated", "AAAB", 400)]
    {
        let nonce = nonce(&server).await;
        verifier.says(&nonce, result(&nonce, json!({"ear.status": status})));
        let answer = server
            .post(&with(attested(&nonce), json!({"evidence": evidence})))
            .await;
        assert_eq!(answer.status, expected, "{}", answer.text);
        assert!(
            expected == 201 || answer.body["error"] == "invalid_evidence",
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn an_untrusted_result_is_an_outage_of_the_verifier() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({})).await;
    let other = Signer::new("other", Algorithm::Es256);
    let typ = json!({"typ": "JWT"});
    let shown = json!({"typ": "JWT", "jwk": other.jwk()});
    let results: [(&str, &dyn Fn(Value) -> String); 8] = [
        ("alg none", &|claims| unsigned(&claims)),
        ("another key", &|claims| other.raw(&typ, claims)),
        ("a key in its header", &|claims| other.raw(&shown, claims)),
        ("an old iat", &|claims| {
            verifier.sign(with(claims, json!({"iat": START - 301})))
        }),
        ("an iat in the future", &|claims| {
            verifier.sign(with(claims, json!({"iat": START + 61})))
        }),
        ("no iat", &|claims| {
            verifier.sign(with(claims, json!({"iat": null})))
        }),
        ("expired", &|claims| {
            verifier.sign(with(claims, json!({"exp": START - 61})))
        }),
        ("no parts", &|claims| {
            verifier.sign(with(claims, json!({"submods": {}})))
        }),
    ];
    for (name, result_of) in results {
        let nonce = nonce(&server).await;
        verifier.opens(&nonce);
        verifier.completes(&nonce, &result_of(result(&nonce, json!({}))));
        let answer = server.post(&attested(&nonce)).await;
        assert_eq!(answer.status, 503, "{name}: {}", answer.text);
        unavailable(&answer);
    }
    server.expect_empty().await;
}

fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.",
        part(&json!({"alg": "none", "typ": "JWT"})),
        part(claims)
    )
}

#[tokio::test]
async fn a_result_for_another_nonce_is_stale() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({})).await;
    let other = URL_SAFE_NO_PAD.encode([7; 32]);
    let mismatch = json!({
        "ear.status": "contraindicated", "ear.trustworthiness-vector": {"hardware": 99, "executables": 99},
        "ear.veraison.policy-claims": {"problem": "freshness: 0707 does not match session nonce"},
    });
    let results: [&dyn Fn(&str) -> Value; 3] = [
        &|_| result(&other, json!({})),
        &|nonce| with(result(nonce, json!({})), json!({"eat_nonce": null})),
        // The form in which Veraison reports that the evidence itself has another nonce.
        &|nonce| result(nonce, mismatch.clone()),
    ];
    for claims in results {
        let nonce = nonce(&server).await;
        verifier.says(&nonce, claims(&nonce));
        let next = stale(&server.post(&attested(&nonce)).await);
        assert_ne!(next, nonce);
    }
    server.expect_empty().await;
}

#[tokio::test]
async fn pinned_keys_take_precedence_over_those_of_the_verifier() {
    let verifier = Verifier::new().await;
    let pinned = Signer::new("pinned", Algorithm::Es384);
    let settings = json!({"keys": pinned.jwks(), "algorithms": ["ES384"]});
    let server = verifier.server(settings).await;
    for (signer, status) in [(&verifier.key, 503), (&pinned, 201)] {
        let nonce = nonce(&server).await;
        verifier.opens(&nonce);
        verifier.completes(&nonce, &signer.raw(&json!({}), result(&nonce, json!({}))));
        server.post(&attested(&nonce)).await.expect_status(status);
    }
}

#[tokio::test]
async fn verifiers_and_policies_may_be_listed() {
    let verifier = Verifier::new().await;
    for (settings, status) in [
        (
            json!({"verifiers": ["https://veraison-project.org"], "policies": ["policy:PSA_IOT"]}),
            201,
        ),
        (json!({"verifiers": ["https://other.example"]}), 503),
        (json!({"policies": ["policy:other"]}), 503),
    ] {
        let server = verifier.server(settings).await;
        let nonce = nonce(&server).await;
        verifier.says(&nonce, result(&nonce, json!({})));
        server.post(&attested(&nonce)).await.expect_status(status);
    }
}
