//! Scripts of `examples/scripts` in a real server, which confirms the fakes in their own tests.
//! The scripts of whole ecosystems are tested in `ecosystems/`.

use std::path::Path;
use std::time::Duration;

use registrar::config::SecretSource;
use registrar::testing::{FakeHost, HttpAnswer};
use serde_json::{Value, json};

use crate::support::{TestServer, minimal, registering, with};
use crate::transfer::{export, import, read, write};

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

const REALM: &str = "https://keycloak.example.org/realms/customers/protocol/openid-connect/token";
const CLIENTS: &str = "https://keycloak.example.org/admin/realms/customers/clients";

/// A Keycloak in a fake host.
struct Keycloak<'a>(&'a FakeHost);

impl Keycloak<'_> {
    fn is_up(&self) {
        let token = json!({"access_token": "of the service account"});
        self.0.answer_json("POST", REALM, 200, &token);
        self.0.answer_json("POST", CLIENTS, 201, &json!(null));
    }

    /// Whether it has the client, which then is `UUID of ID`.
    fn has(&self, id: &str, is_there: bool) {
        let uuid = format!("uuid-{id}");
        let found = json!({"id": uuid, "clientId": id});
        let found = if is_there { json!([found]) } else { json!([]) };
        let search = format!("{CLIENTS}?clientId={id}");
        self.0.answer_json("GET", &search, 200, &found);
        for method in ["PUT", "DELETE"] {
            let one = format!("{CLIENTS}/{uuid}");
            self.0.answer_json(method, &one, 204, &json!(null));
        }
    }

    /// Waits for a request that changes the client, and returns its body.
    async fn changed(&self, method: &str, id: &str) -> Value {
        loop {
            for call in self.0.calls() {
                let body = call.body.as_deref().unwrap_or_default();
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let is_of_client = call.url.ends_with(id) || body["clientId"] == id;
                if call.method == method && is_of_client {
                    return body;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Every type of change, and Keycloak down for the first of them. That the server may stop in between is shown in
/// `tests/binary/crash_events.rs`.
#[tokio::test]
async fn keycloak_follows_every_change_of_a_client() {
    const DAY: u64 = 86_400;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts/notify-keycloak");
    let (server, host) = TestServer::hosted(&[], |configuration| {
        registering(configuration, json!({"unusedClientLifetime": DAY}));
        let scripts = &mut configuration.settings.scripts;
        scripts.directory = example.clone();
        let keycloak = json!({"keycloak": {
            "url": "https://keycloak.example.org", "realm": "customers", "clientId": "registrar",
        }});
        scripts.attributes = keycloak.as_object().unwrap().clone();
        let secret = SecretSource::Env("CARGO_PKG_NAME".to_owned());
        scripts.secrets.insert("keycloak".to_owned(), secret);
    })
    .await;
    let keycloak = Keycloak(&host);
    let client = server
        .register(&with(minimal(), json!({"lifetime": 1_000})))
        .await;
    while host.calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    keycloak.has(&client.id, false);
    keycloak.is_up();
    let created = keycloak.changed("POST", &client.id).await;
    assert_eq!(created["secret"], client.body["client_secret"]);
    keycloak.has(&client.id, true);
    let update = client.update(json!({"client_name": "Second"}));
    server.update(&client, &update).await.expect_status(200);
    let changed = keycloak.changed("PUT", &client.id).await;
    assert_eq!(changed["name"], "Second");
    server.clock.advance(1_001);
    server.inside().sweep().await;
    keycloak.changed("DELETE", &client.id).await;

    let (deleted, unused) = (
        server.register(&minimal()).await,
        server.register(&minimal()).await,
    );
    for client in [&deleted, &unused] {
        keycloak.has(&client.id, false);
        keycloak.changed("POST", &client.id).await;
        keycloak.has(&client.id, true);
    }
    let (exported, _) = read(&export(&server).await);
    server.delete(&deleted).await.expect_status(204);
    keycloak.changed("DELETE", &deleted.id).await;
    server.clock.advance(DAY + 1);
    server.inside().sweep().await;
    keycloak.changed("DELETE", &unused.id).await;

    let mut imported = exported.into_iter();
    let imported = imported.find(|client| client["client_id"] == deleted.id.as_str());
    let imported = with(imported.unwrap(), json!({"client_id": "imported"}));
    keycloak.has("imported", false);
    import(&server, "", write(&[imported]))
        .await
        .expect_status(200);
    let created = keycloak.changed("POST", "imported").await;
    assert_eq!(created["secret"], deleted.body["client_secret"]);
    server.stop().await;
}
