//! Trustee, the attestation service of Confidential Containers, over its HTTP API.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::verifier::{attested, unavailable};
use super::{nonce, running, stale};
use crate::support::{Origin, Reply, START, Signer, TestServer, with};

const KEYS: &str = "/.well-known/jwks.json";
const ATTESTATION: &str = "/attestation";

struct Trustee {
    origin: Origin,
    key: Signer,
}

impl Trustee {
    async fn new() -> Self {
        let trustee = Self {
            origin: Origin::new().await,
            key: Signer::new("trustee", Algorithm::Es256),
        };
        trustee.origin.set(KEYS, Reply::json(trustee.key.jwks()));
        trustee
    }

    async fn server(&self, more: Value) -> TestServer {
        let settings = json!({
            "url": self.origin.url(""), "tee": "sample", "requiredSubmods": ["cpu0"], "timeoutMs": 9_000,
        });
        running("attestation-trustee", "trustee", with(settings, more)).await
    }

    /// Sets the result to this one part and these additional claims, signed by `key`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a table reads better without borrows"
    )]
    fn says_with(&self, key: &Signer, part: Value, more: Value) {
        let claims = json!({
            "eat_profile": "tag:github.com,2024:confidential-containers/Trustee", "iat": START,
            "ear.verifier-id": {"developer": "https://confidentialcontainers.org", "build": "1"},
            "submods": {"cpu0": part},
        });
        let token = key.raw(&json!({"typ": "JWT"}), with(claims, more));
        // The answer ends with a line feed, as in some versions.
        self.origin
            .set(ATTESTATION, Reply::text("text/plain", format!("{token}\n")));
    }

    fn says(&self, part: Value) {
        self.says_with(&self.key, part, json!({}));
    }
}

/// Returns a part whose evidence has the hash of runtime data with this nonce.
fn part(nonce: &str, more: Value) -> Value {
    let part = json!({
        "ear.status": "affirming", "ear.appraisal-policy-id": "default",
        "ear.trustworthiness-vector": {"executables": 3, "hardware": 2},
        "ear.veraison.annotated-evidence": {"sample": {}, "runtime_data_claims": {"nonce": nonce}},
    });
    with(part, more)
}

#[tokio::test]
async fn a_workload_is_appraised_with_our_nonce_in_its_runtime_data() {
    let trustee = Trustee::new().await;
    let server = trustee.server(json!({"policies": ["registration"]})).await;
    let nonce = nonce(&server).await;
    trustee.says(part(
        &nonce,
        json!({"ear.appraisal-policy-id": "registration"}),
    ));
    let client = server.register(&attested(&nonce)).await;
    let sent = trustee.origin.received(ATTESTATION);
    let sent: Value = serde_json::from_slice(sent[0].body()).unwrap();
    let request = json!({
        "tee": "sample", "evidence": "0oRDoQ", "runtime_data": {"structured": {"nonce": nonce}},
        "runtime_data_hash_algorithm": "sha384",
    });
    assert_eq!(
        sent,
        json!({"verification_requests": [request], "policy_ids": ["registration"]})
    );
    let provenance = server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "attested");
    assert_eq!(
        provenance["attestation_verifier"],
        "https://confidentialcontainers.org 1"
    );
    assert_eq!(provenance["attestation_policy"], "registration");
    stale(&server.post(&attested(&nonce)).await);
    assert_eq!(trustee.origin.hits(ATTESTATION), 1);
}

/// Sets the result of the verifier for evidence with a nonce.
type Said<'a> = &'a dyn Fn(&str);

#[tokio::test]
async fn a_bad_result_is_rejected() {
    let trustee = Trustee::new().await;
    let server = trustee.server(json!({})).await;
    let other = Signer::new("other", Algorithm::Es256);
    let nothing = || json!({});
    let refused = "invalid_client_metadata";
    let out = "temporarily_unavailable";
    let cases: [(Said<'_>, u16, &str); 7] = [
        (
            &|nonce| trustee.says(part(nonce, json!({"ear.status": "contraindicated"}))),
            400,
            refused,
        ),
        (
            &|nonce| trustee.says(part(nonce, json!({"ear.status": "warning"}))),
            400,
            refused,
        ),
        (&|_| trustee.says(part("another", nothing())), 400, refused),
        (
            &|nonce| trustee.says(part(nonce, json!({"ear.veraison.annotated-evidence": {}}))),
            400,
            refused,
        ),
        (
            &|nonce| trustee.says_with(&other, part(nonce, nothing()), nothing()),
            503,
            out,
        ),
        (
            &|nonce| {
                trustee.says_with(
                    &trustee.key,
                    part(nonce, nothing()),
                    json!({"iat": START - 301}),
                );
            },
            503,
            out,
        ),
        (
            &|_| trustee.says_with(&trustee.key, nothing(), json!({"submods": {}})),
            503,
            out,
        ),
    ];
    for (number, (say, status, code)) in cases.into_iter().enumerate() {
        let nonce = nonce(&server).await;
        say(&nonce);
        let answer = server.post(&attested(&nonce)).await;
        assert_eq!(answer.status, status, "{number}: {}", answer.text);
        answer.expect_error(status, &[code]);
    }
    server.expect_empty().await;
}

#[tokio::test]
async fn a_verifier_that_does_not_work_is_an_outage() {
    let trustee = Trustee::new().await;
    let server = trustee.server(json!({"timeoutMs": 300})).await;
    for path in [ATTESTATION, KEYS] {
        for failure in [
            Reply::never(),
            Reply::status(500),
            Reply::text("text/plain", "evidence"),
            Reply::endless(),
        ] {
            // Keys are cached for a minute.
            server.clock.advance(61);
            trustee.origin.set(KEYS, Reply::json(trustee.key.jwks()));
            let nonce = nonce(&server).await;
            trustee.says_with(
                &trustee.key,
                part(&nonce, json!({})),
                json!({"iat": server.now()}),
            );
            trustee.origin.set(path, failure);
            unavailable(&server.post(&attested(&nonce)).await);
        }
    }
    server.expect_empty().await;
}

#[tokio::test]
async fn the_evidence_is_bound_to_the_key_of_the_client() {
    let trustee = Trustee::new().await;
    let server = trustee.server(json!({"bindKey": true})).await;
    let client = Signer::new("client", Algorithm::Es256);
    let keyed = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": client.jwks()});
    let first = nonce(&server).await;
    trustee.says(part(&first, json!({})));
    server
        .post(&attested(&first))
        .await
        .expect_bad_metadata("jwks");
    assert_eq!(trustee.origin.hits(ATTESTATION), 0);
    let second = nonce(&server).await;
    trustee.says(part(&second, json!({})));
    server.register(&with(attested(&second), keyed)).await;
    let sent = trustee.origin.received(ATTESTATION);
    let sent: Value = serde_json::from_slice(sent[0].body()).unwrap();
    let data = &sent["verification_requests"][0]["runtime_data"]["structured"];
    assert_eq!(data, &json!({"nonce": second, "tee-pubkey": client.jwk()}));
}
