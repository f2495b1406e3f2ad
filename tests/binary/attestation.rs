//! Attestation from end to end: the binary, the verifier and the device of the walk-through
//! (`examples/attestation.md`). No part of the evidence and no nonce remains anywhere.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests report problems by failing"
)]

use std::cell::RefCell;
use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::process::Registrar;

#[path = "../../examples/attester.rs"]
#[expect(dead_code, reason = "its commands are for manual use")]
mod attester;
#[path = "../../examples/veraison_verifier.rs"]
#[expect(dead_code, reason = "its command is for manual use")]
mod veraison_verifier;

/// The SHA-256 digest of the software on the devices.
const MEASUREMENT: &str = "5e0b7f4c";

/// A verifier and the folder of a device that is registered with it.
struct Devices {
    folder: tempfile::TempDir,
    /// Address and port of the verifier.
    verifier: String,
    _tasks: TaskTracker,
}

impl Devices {
    async fn new() -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        attester::make_keys(folder.path(), MEASUREMENT).unwrap();
        let endorsement: Value = read(&folder.path().join("endorsement.json"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let verifier = listener.local_addr().unwrap().to_string();
        let tasks = TaskTracker::new();
        tasks.spawn(async move {
            veraison_verifier::serve(listener, &endorsement)
                .await
                .unwrap();
        });
        Self {
            folder,
            verifier,
            _tasks: tasks,
        }
    }

    /// Returns the configuration of the walk-through with this verifier and the most detailed log level.
    fn configuration(&self, format: &str) -> String {
        let shipped =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/attestation/registrar.toml");
        let shipped = std::fs::read_to_string(shipped).unwrap();
        let configured = shipped.replace("127.0.0.1:8084", &self.verifier);
        assert!(
            configured.contains(&self.verifier),
            "the configuration has the address of the verifier"
        );
        // A slow machine must not make a test fail.
        let patience = "[scripts.limits]\ndeadlineMs = 10000\n";
        format!("{configured}\n{patience}[telemetry]\nlevel = \"trace\"\nformat = \"{format}\"\n")
    }

    fn evidence(&self, nonce: &str, measurement: &str, is_open: bool) -> String {
        attester::evidence(self.folder.path(), nonce, measurement, is_open).unwrap()
    }

    /// A request with `evidence`.
    fn request(&self, evidence: &str) -> Value {
        json!({
            "client_name": "Sensor", "grant_types": ["client_credentials"], "evidence": evidence,
            "jwks": read(&self.folder.path().join("jwks.json")), "token_endpoint_auth_method": "private_key_jwt",
        })
    }
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// A device, and the secrets that it sends and receives.
struct Device<'a> {
    registrar: &'a Registrar,
    devices: &'a Devices,
    http: reqwest::Client,
    secrets: RefCell<Vec<String>>,
}

impl<'a> Device<'a> {
    fn new(registrar: &'a Registrar, devices: &'a Devices) -> Self {
        Self {
            registrar,
            devices,
            http: reqwest::Client::new(),
            secrets: RefCell::default(),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder, body: &Value) -> (u16, Value) {
        let answer = request.json(body).send().await.unwrap();
        let (status, answer): (u16, Value) =
            (answer.status().as_u16(), answer.json().await.unwrap());
        let secrets = [body["evidence"].as_str(), answer["nonce"].as_str()];
        self.secrets
            .borrow_mut()
            .extend(secrets.into_iter().flatten().map(str::to_owned));
        (status, answer)
    }

    async fn post(&self, body: &Value) -> (u16, Value) {
        self.send(self.http.post(self.registrar.url("/register")), body)
            .await
    }

    /// Obtains the nonce for evidence with a request that has none.
    async fn nonce(&self) -> String {
        let (status, answer) = self.post(&json!({"client_name": "Sensor"})).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!("stale_evidence")),
            "{answer}"
        );
        answer["nonce"].as_str().unwrap().to_owned()
    }

    /// A request with valid evidence.
    async fn request(&self) -> Value {
        let nonce = self.nonce().await;
        self.devices
            .request(&self.devices.evidence(&nonce, MEASUREMENT, false))
    }
}

/// The life of a device: a registration, rejected requests, and an update.
async fn live(device: &Device<'_>) {
    let stale = |(status, answer): (u16, Value)| {
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!("stale_evidence")),
            "{answer}"
        );
    };
    let good = device.request().await;
    let (status, client) = device.post(&good).await;
    assert_eq!(status, 201, "{client}");
    stale(device.post(&good).await);
    // Another program, and an open debug port.
    for (measurement, is_open) in [("00", false), (MEASUREMENT, true)] {
        let evidence = device
            .devices
            .evidence(&device.nonce().await, measurement, is_open);
        let (status, answer) = device.post(&device.devices.request(&evidence)).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!("invalid_client_metadata")),
            "{answer}"
        );
    }
    let made_up = "bWFkZS11cC1ub25jZS1vZi0zMi1ieXRlcy0wMTIzNDU";
    let evidence = device.devices.evidence(made_up, MEASUREMENT, false);
    stale(device.post(&device.devices.request(&evidence)).await);
    stale(
        device
            .post(
                &device
                    .devices
                    .request("evidence-of-a-device-that-is-no-token-31ba"),
            )
            .await,
    );
    let mut update = device.request().await;
    update["client_id"] = client["client_id"].clone();
    let request = device
        .http
        .put(client["registration_client_uri"].as_str().unwrap());
    let request = request.bearer_auth(client["registration_access_token"].as_str().unwrap());
    let (status, updated) = device.send(request, &update).await;
    assert_eq!(status, 200, "{updated}");
}

/// Returns the bytes of every file below a folder.
fn dump(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() {
            dump(&path)
        } else {
            std::fs::read(path).unwrap()
        });
    }
    bytes
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_evidence_nor_nonces_are_in_the_log_the_store_or_the_metrics() {
    let devices = Devices::new().await;
    for format in ["json", "text"] {
        let mut registrar = Registrar::start_with(&devices.configuration(format));
        let device = Device::new(&registrar, &devices);
        live(&device).await;
        let secrets = device.secrets.take();
        let numbers = reqwest::get(registrar.url("/metrics"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(numbers.contains("trust_level=\"attested\""), "{numbers}");
        // Whatever was buffered in memory is on the disk afterwards.
        assert!(registrar.terminate().success());
        let (log, store) = (registrar.log(), dump(&registrar.folder().join("data")));
        for part in [
            "client registered",
            "client updated",
            "evidence rejected",
            "DEVICE is warning",
        ] {
            assert!(log.contains(part), "{part} is not in\n{log}");
        }
        assert!(has(&store, "Sensor") && has(&store, "https://registrar.example/verifier"));
        assert_eq!(
            secrets.len(),
            14,
            "seven pieces of evidence, and seven nonces: {secrets:?}"
        );
        for part in parts(&secrets) {
            assert!(!log.contains(part), "{part} is in the log:\n{log}");
            assert!(
                !numbers.contains(part),
                "{part} is in the metrics:\n{numbers}"
            );
            assert!(!has(&store, part), "{part} is in the store");
        }
    }
}

/// A token is searched for by each of its parts, since the code might have split it.
fn parts(secrets: &[String]) -> impl Iterator<Item = &str> {
    secrets
        .iter()
        .flat_map(|secret| secret.split('.').filter(|part| part.len() > 30))
}

/// A verifier that is ready and then fails: it never answers, or it repeats what the client sent.
async fn failing(tasks: &TaskTracker, is_silent: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let discovery = json!({
        "ear-verification-key": {"kty": "EC"}, "service-state": "READY",
        "api-endpoints": {"newChallengeResponseSession": "/challenge-response/v1/newSession"},
    });
    let discovery = discovery.to_string();
    let router = Router::new()
        .route(
            "/.well-known/veraison/verification",
            get(move || std::future::ready(discovery.clone())),
        )
        .fallback(move |request: Request| async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            (StatusCode::INTERNAL_SERVER_ERROR, request.uri().to_string())
        });
    tasks.spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_logged_without_the_request_to_the_verifier() {
    let (devices, tasks) = (Devices::new().await, TaskTracker::new());
    for (is_silent, more, cause) in [
        (true, "timeoutMs = 500", ""),
        (false, "", "it returned status 500"),
    ] {
        let verifier = failing(&tasks, is_silent).await;
        let configuration = devices
            .configuration("json")
            .replace(&devices.verifier, &verifier);
        let configuration =
            configuration.replace("bindKey = true", &format!("bindKey = true\n{more}"));
        let mut registrar = Registrar::start_with(&configuration);
        let device = Device::new(&registrar, &devices);
        let (status, answer) = device.post(&device.request().await).await;
        assert_eq!(
            (status, &answer["error"]),
            (503, &json!("temporarily_unavailable")),
            "{answer}"
        );
        let secrets = device.secrets.take();
        assert!(registrar.terminate().success());
        let log = registrar.log();
        assert!(
            log.contains(&format!("evidence verifier unavailable: {cause}")),
            "{log}"
        );
        for part in parts(&secrets) {
            assert!(!log.contains(part), "{part} is in the log:\n{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_survives_kill_9_and_is_still_valid_once() {
    let devices = Devices::new().await;
    let mut registrar = Registrar::start_with(&devices.configuration("json"));
    let request = Device::new(&registrar, &devices).request().await;
    registrar.kill();
    let mut registrar = registrar.start_again();
    let (status, client) = Device::new(&registrar, &devices).post(&request).await;
    assert_eq!(status, 201, "{client}");
    // Its use is stored as durably as the nonce.
    registrar.kill();
    let registrar = registrar.start_again();
    assert_eq!(
        Device::new(&registrar, &devices).post(&request).await.1["error"],
        "stale_evidence"
    );
}
