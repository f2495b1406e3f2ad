//! Scripts of `examples/scripts` in a real server, which confirms the fakes in their own tests.
//! The scripts of whole ecosystems are tested in `ecosystems/`.

use std::path::Path;
use std::time::Duration;

use registrar::config::SecretSource;
use registrar::testing::HttpAnswer;
use serde_json::{Value, json};

use crate::support::{TestServer, minimal};

#[tokio::test]
async fn hydra_is_notified_of_a_client_and_of_its_secret() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts/notify-hydra");
    let (server, host) = TestServer::hosted(&[], |configuration| {
        let scripts = &mut configuration.settings.scripts;
        scripts.directory = example.clone();
        let hydra = json!({"hydra": {"admin": "https://hydra.example.org"}});
        scripts.attributes = hydra.as_object().unwrap().clone();
        let secret = SecretSource::Env("CARGO_PKG_NAME".to_owned());
        scripts.secrets.insert("hydra".to_owned(), secret);
    })
    .await;
    let clients = "https://hydra.example.org/admin/clients";
    host.answer(
        "POST",
        clients,
        HttpAnswer {
            status: 201,
            ..HttpAnswer::default()
        },
    );
    let client = server.register(&minimal()).await;
    let one = format!("{clients}/{}", client.id);
    // Until the identifier is known, the search fails and is retried.
    host.answer_json("GET", &one, 404, &json!({"error": "Not Found"}));
    while !host.calls().iter().any(|call| call.method == "POST") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    host.answer(
        "DELETE",
        &one,
        HttpAnswer {
            status: 204,
            ..HttpAnswer::default()
        },
    );
    server.delete(&client).await.expect_status(204);
    while !host.calls().iter().any(|call| call.method == "DELETE") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    server.stop().await;
    let calls = host.calls();
    let told: Vec<(&str, &str)> = calls
        .iter()
        .filter(|call| call.method != "GET")
        .map(|call| (call.method.as_str(), call.url.as_str()))
        .collect();
    assert_eq!(told, [("POST", clients), ("DELETE", one.as_str())]);
    let created = calls.iter().find(|call| call.method == "POST").unwrap();
    let sent: Value = serde_json::from_slice(created.body.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&sent["client_id"], &sent["client_secret"]),
        (&json!(client.id), &client.body["client_secret"])
    );
}
