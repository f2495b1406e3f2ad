//! A directory that publishes keys, and a bank that believes it.

use std::sync::atomic::{AtomicU64, Ordering};

use registrar::jose::Algorithm;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::shipped;
use crate::support::certificates::{Files, Pair, Subject};
use crate::support::{Answer, Origin, Reply, START, Signer, TestServer, fetches_locally, with};

/// Signs software statements, and publishes its own keys and those of all software.
pub(super) struct Directory {
    pub(super) origin: Origin,
    pub(super) signer: Signer,
}

impl Directory {
    pub(super) async fn new(iss: &str) -> Self {
        let (origin, signer) = (Origin::new().await, Signer::new(iss, Algorithm::Ps256));
        origin.set("/directory.jwks", Reply::json(signer.jwks()));
        Self { origin, signer }
    }

    /// Publishes the keys of `software`, and says where.
    pub(super) fn publish(&self, software: &Signer) -> String {
        self.origin.at(&format!("/software/{}.jwks", software.iss), Reply::json(software.jwks()))
    }

    /// Where the keys of software with this identifier are.
    pub(super) fn keys_of(&self, software_id: &str) -> String {
        self.origin.url(&format!("/software/{software_id}.jwks"))
    }

    /// A statement of this directory, made now.
    pub(super) fn statement(&self, claims: Value) -> String {
        let own = json!({"iss": self.signer.iss, "iat": START, "jti": unique().to_string()});
        self.signer.raw(&json!({"typ": "JWT"}), present(with(own, claims)))
    }
}

/// A bank of an ecosystem, with TLS.
pub(super) struct Bank {
    pub(super) directory: Directory,
    pub(super) files: Files,
    pub(super) server: TestServer,
}

impl Bank {
    /// A bank that is configured by `registrar.toml` of `example`, but that the keys at the URL
    /// `keystore` are those of `directory`.
    pub(super) async fn new(example: &str, directory: Directory, keystore: &str) -> Self {
        let example = shipped::file(&format!("examples/scripts/{example}/registrar.toml"));
        let text = std::fs::read_to_string(example).unwrap();
        assert!(text.contains(keystore), "the example names the keys of its directory");
        let files = Files::new();
        let file = files.path("registrar.toml");
        std::fs::write(&file, text.replace(keystore, &directory.origin.url("/directory.jwks"))).unwrap();
        // Here, a directory and a store of keys are on loopback, without TLS.
        let changes = [("fetch.allowHttp", "true"), ("fetch.allowPrivateAddresses", "true")];
        let loaded = shipped::load(&file, &changes);
        let server = TestServer::configured(|own| {
            let clients = loaded.settings.server.tls.client_certificates;
            shipped::settle(own, loaded);
            files.switch_on(own, clients);
            fetches_locally(own);
        })
        .await;
        Self { directory, files, server }
    }

    /// A certificate of the ecosystem.
    pub(super) fn certificate(&self, subject: Subject<'_>) -> Pair {
        self.files.authority.client(subject)
    }

    /// A request over TLS by who has the certificate `shown`.
    pub(super) fn ask(&self, method: &str, url: &str, shown: Option<&Pair>) -> RequestBuilder {
        let url = if url.starts_with('/') { self.server.url(url) } else { url.to_owned() };
        self.files.client(shown).request(method.parse::<Method>().unwrap(), url)
    }

    /// Who shows no certificate gets no answer at all: the handshake fails.
    pub(super) async fn expect_no_handshake(&self, method: &str, url: &str) {
        let outcome = self.ask(method, url, None).send().await;
        assert!(outcome.is_err(), "{method} {url}: {outcome:?}");
    }

    /// `POST /register`.
    pub(super) async fn post(&self, shown: &Pair, media_type: &str, body: String) -> Answer {
        let request = self.ask("POST", "/register", Some(shown)).header("content-type", media_type);
        Answer::of(request.body(body)).await
    }
}

/// A number that no other call gets.
pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// `claims` without those that are null: a test takes one away by saying so.
pub(super) fn present(mut claims: Value) -> Value {
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}
