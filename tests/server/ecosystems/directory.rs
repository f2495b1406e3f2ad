//! A directory that publishes keys, and a bank that trusts it.

use std::sync::atomic::{AtomicU64, Ordering};

use registrar::testing::Algorithm;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::shipped;
use crate::support::certificates::{Files, Pair, Subject};
use crate::support::{Answer, Origin, Reply, START, Signer, TestServer, fetches_locally, with};

/// A directory that signs software statements and publishes its own keys and those of all software.
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

    /// Publishes the keys of `software` and returns their URL.
    pub(super) fn publish(&self, software: &Signer) -> String {
        self.origin.at(
            &format!("/software/{}.jwks", software.iss),
            Reply::json(software.jwks()),
        )
    }

    /// Returns the URL of the keys of the software with this identifier.
    pub(super) fn keys_of(&self, software_id: &str) -> String {
        self.origin.url(&format!("/software/{software_id}.jwks"))
    }

    /// Signs a new statement.
    pub(super) fn statement(&self, claims: Value) -> String {
        let own = json!({"iss": self.signer.iss, "iat": START, "jti": unique().to_string()});
        self.signer
            .raw(&json!({"typ": "JWT"}), present(with(own, claims)))
    }
}

/// A bank of an ecosystem, with TLS.
pub(super) struct Bank {
    pub(super) directory: Directory,
    pub(super) files: Files,
    pub(super) server: TestServer,
}

impl Bank {
    /// Starts a bank with the `registrar.toml` of `example`, with the keys of `directory` instead of
    /// those at the URL `keystore`.
    pub(super) async fn new(example: &str, directory: Directory, keystore: &str) -> Self {
        let example = shipped::file(&format!("examples/scripts/{example}/registrar.toml"));
        let text = std::fs::read_to_string(example).unwrap();
        assert!(
            text.contains(keystore),
            "the example must name the keys of its directory"
        );
        let files = Files::new();
        let file = files.path("registrar.toml");
        std::fs::write(
            &file,
            text.replace(keystore, &directory.origin.url("/directory.jwks")),
        )
        .unwrap();
        // In tests, the directory and its key store are on loopback without TLS.
        let changes = [
            ("fetch.allowHttp", "true"),
            ("fetch.allowPrivateAddresses", "true"),
        ];
        let loaded = shipped::load(&file, &changes);
        let server = TestServer::configured(|own| {
            let clients = loaded.settings.server.tls.client_certificates;
            shipped::settle(own, loaded);
            files.switch_on(own, clients);
            fetches_locally(own);
        })
        .await;
        Self {
            directory,
            files,
            server,
        }
    }

    /// Issues a certificate of the ecosystem.
    pub(super) fn certificate(&self, subject: Subject<'_>) -> Pair {
        self.files.authority.client(subject)
    }

    /// Prepares a request over TLS with the client certificate `shown`.
    pub(super) fn ask(&self, method: &str, url: &str, shown: Option<&Pair>) -> RequestBuilder {
        let url = if url.starts_with('/') {
            self.server.url(url)
        } else {
            url.to_owned()
        };
        self.files
            .client(shown)
            .request(method.parse::<Method>().unwrap(), url)
    }

    /// Asserts that the handshake fails without a client certificate.
    pub(super) async fn expect_no_handshake(&self, method: &str, url: &str) {
        let outcome = self.ask(method, url, None).send().await;
        assert!(outcome.is_err(), "{method} {url}: {outcome:?}");
    }

    /// Sends `POST /register`.
    pub(super) async fn post(&self, shown: &Pair, media_type: &str, body: String) -> Answer {
        let request = self
            .ask("POST", "/register", Some(shown))
            .header("content-type", media_type);
        Answer::of(request.body(body)).await
    }
}

/// Returns a number that no other call returns.
pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Returns `claims` without null values, with which a test removes a claim.
pub(super) fn present(mut claims: Value) -> Value {
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}
