//! A key in the header of a token is never fetched and never trusted, wherever a token is read. A
//! token that verifies with the configured key is accepted despite such a header.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::statements::builtin;
use crate::support::{
    Answer, Canary, GRANT, START, Signer, TestServer, machine, minimal, registering, with,
};

const ISSUER: &str = "https://issuer.example";

/// The places where tokens are read, each with the status for a trusted and for an untrusted token.
const PLACES: &[(&str, u16, u16)] = &[
    ("a software statement", 201, 400),
    ("a statement with keys of a script", 201, 400),
    ("a signed request", 201, 400),
    ("a client assertion", 200, 401),
    ("a client attestation", 201, 400),
    ("a proof of a client attestation", 201, 400),
    ("jwt::verify", 201, 500),
    ("attestation::verify_ear", 201, 500),
];

/// Returns headers with every member that contains a key of `signer` or its URL, each alone and all of
/// them together.
fn headers(signer: &Signer, url: &str) -> Vec<Value> {
    // Larger than the limit for a header without certificates.
    let chain = json!(["MIIB".repeat(500), "MIIB".repeat(1_000), "MIIB".repeat(500)]);
    let members = [
        json!({"jwk": signer.jwk()}),
        json!({"x5c": chain}),
        json!({"x5c": "none"}),
        json!({"jku": url}),
        json!({"x5u": url}),
        json!({"x5t": "c2hhMQ"}),
        json!({"x5t#S256": "c2hhMjU2"}),
    ];
    let all = members
        .iter()
        .fold(json!({}), |all, one| with(all, one.clone()));
    members.into_iter().chain([all]).collect()
}

/// A server that reads tokens in one place, with the key that it trusts there.
struct Reader {
    place: &'static str,
    server: TestServer,
    /// Signs with the trusted key.
    known: Signer,
    /// Signs the other tokens of a request.
    other: Signer,
    client_id: String,
}

impl Reader {
    async fn new(place: &'static str) -> Self {
        let (known, other) = (
            Signer::new(ISSUER, Algorithm::Es256),
            Signer::new(ISSUER, Algorithm::Es256),
        );
        let (script, members) = settings(place, &known, &other);
        let scripts: Vec<_> = script
            .iter()
            .map(|text| ("10.rhai", text.as_str()))
            .collect();
        let server = TestServer::scripted(&scripts, |configuration| {
            registering(configuration, members);
        })
        .await;
        let mut reader = Self {
            place,
            server,
            known,
            other,
            client_id: String::new(),
        };
        if place == "a client assertion" {
            let keyed = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": reader.known.jwks()});
            reader.client_id = reader.server.register(&with(machine(), keyed)).await.id;
        }
        reader
    }

    /// Sends a token by `signer` with `header`; `number` makes the token unique.
    async fn send(&self, signer: &Signer, header: &Value, number: usize) -> Answer {
        let jti = number.to_string();
        let times = json!({"iss": ISSUER, "iat": START, "exp": START + 300, "jti": jti});
        let claims = |more: Value| with(times.clone(), more);
        let attested = |key: &Signer| claims(json!({"sub": "wallet", "cnf": {"jwk": key.jwk()}}));
        let proven = claims(json!({"aud": self.server.url("")}));
        let typed = |typ: &str| with(header.clone(), json!({"typ": typ}));
        let (attestation, proof) = (
            "oauth-client-attestation+jwt",
            "oauth-client-attestation-pop+jwt",
        );
        match self.place {
            "a signed request" => {
                let token = signer.raw(header, claims(minimal()));
                self.server.post_bytes("application/jwt", token).await
            }
            "a client assertion" => {
                let own = json!({"iss": self.client_id, "sub": self.client_id, "aud": self.server.url("")});
                let assertion = signer.raw(header, claims(own));
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let form = [
                    GRANT,
                    ("client_assertion_type", kind),
                    ("client_assertion", &assertion),
                ];
                self.server.form("/token", &form).await
            }
            "a client attestation" => {
                let attestation = signer.raw(&typed(attestation), attested(&self.other));
                self.attest(
                    attestation,
                    self.other.raw(&json!({ "typ": proof }), proven),
                )
                .await
            }
            "a proof of a client attestation" => {
                let attestation = self
                    .other
                    .raw(&json!({ "typ": attestation }), attested(&self.known));
                self.attest(attestation, signer.raw(&typed(proof), proven))
                    .await
            }
            "jwt::verify" => self.show(signer.raw(header, claims(json!({})))).await,
            "attestation::verify_ear" => {
                let part = json!({"ear.status": "affirming"});
                let result = claims(json!({"eat_profile": "tag:x", "submods": {"A": part}}));
                self.show(signer.raw(header, result)).await
            }
            _ => {
                let statement = signer.raw(header, claims(json!({"software_id": "s"})));
                self.server
                    .post(&with(minimal(), json!({ "software_statement": statement })))
                    .await
            }
        }
    }

    async fn attest(&self, attestation: String, proof: String) -> Answer {
        let request = self.server.ask("POST", "/register").json(&minimal());
        let request = request.header("OAuth-Client-Attestation", attestation);
        Answer::of(request.header("OAuth-Client-Attestation-PoP", proof)).await
    }

    async fn show(&self, token: String) -> Answer {
        self.server
            .post(&with(minimal(), json!({ "evidence": token })))
            .await
    }
}

/// Returns the script and the settings with which tokens are read in `place`.
fn settings(place: &str, known: &Signer, other: &Signer) -> (Option<String>, Value) {
    let jwks = serde_json::to_string(&known.jwks().to_string()).unwrap();
    let verifying = |call: &str| {
        let expected = if call == "jwt::verify" {
            "{}"
        } else {
            "{ timestampOnly: true }"
        };
        let script = format!(
            "fn createClient(context) {{ {call}(context.registerRequest.evidence, {jwks}, #{expected}); true }}"
        );
        (Some(script), json!({}))
    };
    match place {
        "a software statement" => (None, builtin(known, json!({}))),
        "a statement with keys of a script" => (
            Some(format!("fn getSoftwareStatementJwks(context) {{ {jwks} }}")),
            json!({}),
        ),
        "a signed request" => {
            let keys = json!({"dcrSignatureValidationJwks": known.jwks()});
            (
                None,
                with(keys, json!({"dcrSignatureValidationEnabled": true})),
            )
        }
        "a client attestation" => (None, attesters(known)),
        "a proof of a client attestation" => (None, attesters(other)),
        "jwt::verify" | "attestation::verify_ear" => verifying(place),
        _ => (None, json!({})),
    }
}

fn attesters(attester: &Signer) -> Value {
    json!({"trustedClientAttesters": [{"issuer": ISSUER, "jwks": attester.jwks()}]})
}

#[tokio::test]
async fn a_key_in_a_header_is_neither_fetched_nor_trusted_anywhere() {
    let (canary, stranger) = (Canary::new(), Signer::new(ISSUER, Algorithm::Es256));
    let url = format!("http://127.0.0.1:{}/keys", canary.port());
    for &(place, accepted, refused) in PLACES {
        let reader = Reader::new(place).await;
        let mut number = 0;
        for header in headers(&stranger, &url) {
            for (signer, status) in [(&reader.known, accepted), (&stranger, refused)] {
                number += 1;
                let answer = reader.send(signer, &header, number).await;
                let names: Vec<_> = header.as_object().unwrap().keys().collect();
                assert_eq!(
                    answer.status, status,
                    "{place} with {names:?}: {}",
                    answer.text
                );
            }
        }
        for header in [json!({"crit": ["x"], "x": 1}), json!({"b64": false})] {
            let answer = reader.send(&reader.known, &header, number + 1).await;
            assert_eq!(
                answer.status, refused,
                "{place} with {header}: {}",
                answer.text
            );
        }
    }
    canary.expect_untouched();
}
