//! A verifier on loopback that speaks the challenge-response API of Veraison, with a key of its own.

use registrar::jose::Algorithm;
use serde_json::{Value, json};

use super::running;
use crate::support::{Answer, Origin, Reply, START, Signer, TestServer, minimal, with};

pub(super) const DISCOVERY: &str = "/.well-known/veraison/verification";
pub(super) const SESSIONS: &str = "/challenge-response/v1/newSession";
pub(super) const SESSION: &str = "/challenge-response/v1/session/one";
/// What it takes.
pub(super) const MEDIA_TYPE: &str = "application/psa-attestation-token";
/// Evidence that is no text: the four bytes of a COSE head.
pub(super) const EVIDENCE: &str = "0oRDoQ";

pub(super) struct Verifier {
    pub(super) origin: Origin,
    pub(super) key: Signer,
}

impl Verifier {
    /// One that is ready.
    pub(super) async fn new() -> Self {
        let verifier = Self { origin: Origin::new().await, key: Signer::new("verifier", Algorithm::Es256) };
        verifier.is("READY");
        verifier
    }

    /// From now on its discovery says that it is in this state.
    pub(super) fn is(&self, state: &str) {
        let document = json!({
            "ear-verification-key": self.key.jwk(), "media-types": [MEDIA_TYPE], "version": "tests",
            "service-state": state, "api-endpoints": {"newChallengeResponseSession": SESSIONS},
        });
        self.origin.set(DISCOVERY, Reply::json(document).header("cache-control", "max-age=60"));
    }

    /// A server that requires evidence and believes this verifier, with `more` settings of it.
    pub(super) async fn server(&self, more: Value) -> TestServer {
        let settings = json!({"url": self.origin.url(""), "mediaType": MEDIA_TYPE, "timeoutMs": 9_000});
        running("attestation-veraison", "veraison", with(settings, more)).await
    }

    /// From now on it opens a session with this nonce.
    pub(super) fn opens(&self, nonce: &str) {
        let session = Reply::json(session("waiting", nonce)).with_status(201);
        self.origin.set(SESSIONS, session.header("location", "session/one"));
    }

    /// From now on the session has this result.
    pub(super) fn completes(&self, nonce: &str, result: &str) {
        self.origin.set(SESSION, complete(nonce, result));
    }

    /// An attestation result.
    pub(super) fn sign(&self, claims: Value) -> String {
        self.key.raw(&json!({"typ": "JWT"}), claims)
    }

    /// Opens a session with `nonce` whose result has these claims.
    pub(super) fn says(&self, nonce: &str, claims: Value) {
        self.opens(nonce);
        self.completes(nonce, &self.sign(claims));
    }
}

/// A session as the API shows it.
pub(super) fn session(status: &str, nonce: &str) -> Value {
    json!({"status": status, "nonce": nonce, "expiry": "2026-01-01T00:02:30Z", "accept": [MEDIA_TYPE]})
}

pub(super) fn complete(nonce: &str, result: &str) -> Reply {
    Reply::json(with(session("complete", nonce), json!({"result": result})))
}

/// The claims of a result with the names that deployed verifiers write.
pub(super) fn result(nonce: &str, part: Value) -> Value {
    let part = with(json!({"ear.status": "affirming", "ear.appraisal-policy-id": "policy:PSA_IOT"}), part);
    json!({
        "eat_profile": "tag:github.com,2023:veraison/ear", "iat": START, "eat_nonce": format!("{nonce}="),
        "ear.verifier-id": {"developer": "https://veraison-project.org", "build": "1"},
        "submods": {"PSA_IOT": part},
    })
}

/// A request with evidence for `nonce`.
pub(super) fn attested(nonce: &str) -> Value {
    with(minimal(), json!({"evidence": EVIDENCE, "evidence_nonce": nonce}))
}

/// The verifier is out of order: the client comes again, and nothing is stored.
#[track_caller]
pub(super) fn unavailable(answer: &Answer) {
    answer.expect_error(503, &["temporarily_unavailable"]);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!answer.text.contains(EVIDENCE), "{}", answer.text);
}
