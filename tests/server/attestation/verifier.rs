//! A verifier on loopback with the challenge-response API of Veraison and its own key.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::running;
use crate::support::{Answer, Origin, Reply, START, Signer, TestServer, minimal, with};

pub(super) const DISCOVERY: &str = "/.well-known/veraison/verification";
pub(super) const SESSIONS: &str = "/challenge-response/v1/newSession";
pub(super) const SESSION: &str = "/challenge-response/v1/session/one";
/// The media type that it accepts.
pub(super) const MEDIA_TYPE: &str = "application/psa-attestation-token";
/// Binary evidence: the four bytes of a COSE header.
pub(super) const EVIDENCE: &str = "0oRDoQ";

pub(super) struct Verifier {
    pub(super) origin: Origin,
    pub(super) key: Signer,
}

impl Verifier {
    /// Starts a verifier that is ready.
    pub(super) async fn new() -> Self {
        let verifier = Self {
            origin: Origin::new().await,
            key: Signer::new("verifier", Algorithm::Es256),
        };
        verifier.is("READY");
        verifier
    }

    /// Sets the state in its discovery document.
    pub(super) fn is(&self, state: &str) {
        let document = json!({
            "ear-verification-key": self.key.jwk(), "media-types": [MEDIA_TYPE], "version": "tests",
            "service-state": state, "api-endpoints": {"newChallengeResponseSession": SESSIONS},
        });
        self.origin.set(
            DISCOVERY,
            Reply::json(document).header("cache-control", "max-age=60"),
        );
    }

    /// Starts a server that requires evidence and trusts this verifier, with `more` settings for it.
    pub(super) async fn server(&self, more: Value) -> TestServer {
        let settings =
            json!({"url": self.origin.url(""), "mediaType": MEDIA_TYPE, "timeoutMs": 9_000});
        running("attestation-veraison", "veraison", with(settings, more)).await
    }

    /// Makes it open sessions with this nonce.
    pub(super) fn opens(&self, nonce: &str) {
        let session = Reply::json(session("waiting", nonce)).with_status(201);
        self.origin
            .set(SESSIONS, session.header("location", "session/one"));
    }

    /// Sets the result of the session.
    pub(super) fn completes(&self, nonce: &str, result: &str) {
        self.origin.set(SESSION, complete(nonce, result));
    }

    /// Signs an attestation result.
    pub(super) fn sign(&self, claims: Value) -> String {
        self.key.raw(&json!({"typ": "JWT"}), claims)
    }

    /// Makes it open a session with `nonce` whose result has these claims.
    pub(super) fn says(&self, nonce: &str, claims: Value) {
        self.opens(nonce);
        self.completes(nonce, &self.sign(claims));
    }
}

/// Returns a session in the form of the API.
pub(super) fn session(status: &str, nonce: &str) -> Value {
    json!({"status": status, "nonce": nonce, "expiry": "2026-01-01T00:02:30Z", "accept": [MEDIA_TYPE]})
}

pub(super) fn complete(nonce: &str, result: &str) -> Reply {
    Reply::json(with(session("complete", nonce), json!({"result": result})))
}

/// Returns the claims of a result with the names that deployed verifiers use.
pub(super) fn result(nonce: &str, part: Value) -> Value {
    let part = with(
        json!({"ear.status": "affirming", "ear.appraisal-policy-id": "policy:PSA_IOT"}),
        part,
    );
    json!({
        "eat_profile": "tag:github.com,2023:veraison/ear", "iat": START, "eat_nonce": format!("{nonce}="),
        "ear.verifier-id": {"developer": "https://veraison-project.org", "build": "1"},
        "submods": {"PSA_IOT": part},
    })
}

/// Returns a request with evidence for `nonce`.
pub(super) fn attested(nonce: &str) -> Value {
    with(
        minimal(),
        json!({"evidence": EVIDENCE, "evidence_nonce": nonce}),
    )
}

/// Asserts that the verifier is reported as unavailable and that the client is told to retry.
#[track_caller]
pub(super) fn unavailable(answer: &Answer) {
    answer.expect_error(503, &["temporarily_unavailable"]);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!answer.text.contains(EVIDENCE), "{}", answer.text);
}
