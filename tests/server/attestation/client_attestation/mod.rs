//! A client attestation and its proof in the headers of `POST /register` (OAuth 2.0
//! Attestation-Based Client Authentication).

mod authentication;
mod challenges;
mod credential;
mod refusals;
mod trials;

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{Answer, START, Signer, TestServer, with};

const ATTESTATION: &str = "OAuth-Client-Attestation";
const PROOF: &str = "OAuth-Client-Attestation-PoP";
const ISSUER: &str = "https://attester.example.org";
/// The attester's name for the software.
const SOFTWARE: &str = "wallet-1";

/// An attester and an instance of the software that it attests.
struct Parties {
    attester: Signer,
    instance: Signer,
}

impl Parties {
    fn new() -> Self {
        Self {
            attester: Signer::new(ISSUER, Algorithm::Es256),
            instance: Signer::new("instance", Algorithm::Es256),
        }
    }

    /// Starts a server that trusts the attester, with `more` on top of its `[registration]`.
    async fn server(&self, more: Value) -> TestServer {
        let trusted = json!([{"issuer": ISSUER, "jwks": self.attester.jwks()}]);
        TestServer::registering(with(json!({ "trustedClientAttesters": trusted }), more)).await
    }

    /// Returns the claims of an attestation.
    fn attested(&self) -> Value {
        json!({"iss": ISSUER, "sub": SOFTWARE, "exp": START + 3_600, "cnf": {"jwk": self.instance.jwk()}})
    }

    /// Signs an attestation.
    fn attestation(&self) -> String {
        attestation(&self.attester, self.attested())
    }

    /// Signs a proof for `server`.
    fn proof(&self, server: &TestServer, jti: &str) -> String {
        proof(&self.instance, proven(server, jti))
    }

    /// Registers `body` with both headers in their valid form.
    async fn post(&self, server: &TestServer, jti: &str, body: &Value) -> Answer {
        post(
            server,
            &[
                (ATTESTATION, self.attestation()),
                (PROOF, self.proof(server, jti)),
            ],
            body,
        )
        .await
    }
}

/// Returns the claims of a proof for `server`.
fn proven(server: &TestServer, jti: &str) -> Value {
    json!({"aud": server.url(""), "jti": jti, "iat": server.now()})
}

fn attestation(signer: &Signer, claims: Value) -> String {
    signer.raw(&json!({"typ": "oauth-client-attestation+jwt"}), claims)
}

fn proof(signer: &Signer, claims: Value) -> String {
    signer.raw(&json!({"typ": "oauth-client-attestation-pop+jwt"}), claims)
}

async fn post(server: &TestServer, headers: &[(&str, String)], body: &Value) -> Answer {
    let request = headers
        .iter()
        .fold(server.ask("POST", "/register"), |request, (name, value)| {
            request.header(*name, value)
        });
    Answer::of(request.json(body)).await
}
