//! Changes without a request are in the audit log, too.

use std::sync::Arc;

use registrar::clock::SystemClock;
use registrar::config::{Sources, load};
use registrar::server::{Start, start};
use registrar::testing::inside;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::reload::until;
use crate::support::{TestServer, minimal, with};

#[tokio::test]
async fn accepted_and_rejected_scripts_are_recorded() {
    let server = TestServer::scripted(
        &[("10-a.rhai", "fn createClient(context) { true }")],
        |_| {},
    )
    .await;
    let after = server.last_event().await;
    let next = async |after: u64| until(async || server.events(after).await.first().cloned()).await;
    server.write_script("10-a.rhai", "fn createClient(context) { 5 > 4 }");
    let event = next(after).await;
    let revision = &server.inside().scripts()["revision"];
    assert_eq!(
        (&event["action"], &event["subject"]),
        (&json!("scripts_reloaded"), revision)
    );
    server.write_script("10-a.rhai", "fn createClient(context) {");
    let event = next(after + 1).await;
    assert_eq!(
        (&event["action"], &event["error"]),
        (&json!("scripts_refused"), &json!("invalid_scripts"))
    );
    assert_eq!(server.last_event().await, after + 2, "each once");
}

#[tokio::test]
async fn accepted_and_rejected_configuration_files_are_recorded() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("registrar.toml");
    let write = |text: &str| {
        let all = format!(
            "[scripts]\ndirectory = {:?}\n[registration]\n{text}\n",
            folder.path().join("scripts")
        );
        std::fs::write(&file, all).unwrap();
    };
    std::fs::create_dir(folder.path().join("scripts")).unwrap();
    write("dynamicRegistrationEnabled = true");
    let overrides = [
        ("server.listen", "127.0.0.1:0".to_owned()),
        (
            "store.url",
            format!("sled:{}", folder.path().join("data").display()),
        ),
    ];
    let overrides = overrides
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
    let sources = Sources {
        file: Some(file.clone()),
        overrides,
        ..Sources::default()
    };
    let configuration = load(&sources).unwrap();
    let server = start(Start {
        configuration,
        sources,
        clock: Arc::new(SystemClock),
    })
    .await
    .unwrap();
    let storage = inside(&server).storage();
    let next = async |after: u64| -> Value {
        until(async || storage.audited(after).await.unwrap().into_iter().next()).await
    };
    let after = storage.last_audited().await.unwrap();
    write("dynamicRegistrationEnabled = false");
    let event = next(after).await;
    assert_eq!(
        (&event["action"], event.get("actor")),
        (&json!("configuration_changed"), None)
    );
    assert_eq!(
        event["details"]["changed"],
        json!(["registration.dynamicRegistrationEnabled"])
    );
    write("dynamicRegistrationEnabled = 5");
    let event = next(after + 1).await;
    assert_eq!(event["action"], "configuration_refused");
    assert_eq!(event["error"], "invalid_configuration");
    server.stop().await;
}

#[tokio::test]
async fn the_removal_of_an_expired_client_is_recorded() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(minimal(), json!({"lifetime": 100})))
        .await;
    let at = crate::support::START + 200;
    let swept = server.storage().sweep_clients(at).await;
    assert_eq!(swept.unwrap(), 1);
    let events = server.events(2).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["action"], "client_expired");
    assert_eq!(events[0]["subject"], client.id);
    assert!(events[0].get("actor").is_none() && events[0].get("error").is_none());
    assert_eq!(events[0]["time"], crate::support::START + 100);
}
