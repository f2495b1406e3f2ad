//! Clients that move from sled to PostgreSQL and back; each store has its own key.

use std::path::Path;
use std::sync::Arc;

use registrar::clock::SystemClock;
use registrar::config::{Sources, load};
use registrar::server::{Server, Start, start};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::body;
use crate::database::Database;

/// Starts a server in this process, with the credentials of its administrator in `folder`.
async fn server(url: &str, folder: &Path) -> Server {
    let path = |name: &str| folder.join(name).display().to_string();
    let overrides = [
        ("server.listen", "127.0.0.1:0".to_owned()),
        ("store.url", url.to_owned()),
        ("store.keyFile", path("registrar.key")),
        ("admin.credentialsFile", path("credentials.json")),
    ];
    let overrides = overrides
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
    let sources = Sources {
        overrides,
        ..Sources::default()
    };
    let configuration = load(&sources).unwrap();
    start(Start {
        configuration,
        sources,
        clock: Arc::new(SystemClock),
    })
    .await
    .unwrap()
}

/// Returns a request of the administrator.
async fn call(server: &Server, folder: &Path, method: Method, path: &str) -> RequestBuilder {
    let text = std::fs::read_to_string(folder.join("credentials.json")).unwrap();
    let credentials: Value = serde_json::from_str(&text).unwrap();
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let token: Value = reqwest::Client::new()
        .post(format!("{}/token", server.url()))
        .basic_auth(text("client_id"), Some(text("client_secret")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = token["access_token"].as_str().unwrap().to_owned();
    reqwest::Client::new()
        .request(method, format!("{}{path}", server.url()))
        .bearer_auth(token)
}

async fn export(server: &Server, folder: &Path) -> String {
    let answer = call(server, folder, Method::GET, "/admin/v1/clients/export")
        .await
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

async fn import(server: &Server, folder: &Path, lines: &str) -> Value {
    let request = call(
        server,
        folder,
        Method::POST,
        "/admin/v1/clients/import?existing=replace",
    )
    .await;
    let request = request
        .header("content-type", "application/x-ndjson")
        .body(lines.to_owned());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_one_store_equals_an_export_of_the_other() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folders = [
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    ];
    let [one, two, three] = folders.each_ref().map(TempDir::path);
    let sled = server(&format!("sled:{}", one.join("data").display()), one).await;
    let http = reqwest::Client::new();
    let mut clients = Vec::new();
    for turn in 0..250 {
        let mut wanted = body(&format!("Client {turn}"));
        wanted["lifetime"] = json!(if turn % 2 == 0 { 1_000 } else { 0 });
        let answer = http
            .post(format!("{}/register", sled.url()))
            .json(&wanted)
            .send()
            .await
            .unwrap();
        clients.push(answer.json::<Value>().await.unwrap());
    }
    let lines = export(&sled, one).await;
    let postgres = server(&database.url, two).await;
    assert_eq!(
        import(&postgres, two, &lines).await,
        json!({"imported": 250, "skipped": 0, "replaced": 0})
    );
    assert_eq!(export(&postgres, two).await, lines);
    let back = server(&format!("sled:{}", three.join("data").display()), three).await;
    assert_eq!(import(&back, three, &lines).await["imported"], 250);
    assert_eq!(export(&back, three).await, lines);
    assert_eq!(import(&sled, one, &lines).await["replaced"], 250);
    assert_eq!(export(&sled, one).await, lines);
    for server in [&postgres, &back] {
        for client in clients.iter().step_by(60) {
            let text = |name: &str| client[name].as_str().unwrap().to_owned();
            let url = format!("{}/register?client_id={}", server.url(), text("client_id"));
            let request = http.get(url).bearer_auth(text("registration_access_token"));
            let read: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(read["client_secret"], client["client_secret"]);
        }
    }
    for secret in ["client_secret", "registration_access_token"] {
        let secret = clients[0][secret].as_str().unwrap();
        assert_eq!(
            database.rows_with(secret).await,
            0,
            "secrets are encrypted there, too"
        );
    }
    for server in [sled, postgres, back] {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_backed_up_with_its_own_tools() {
    let Some(database) = Database::new().await else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let server = server(&database.url, folder.path()).await;
    let path = "/admin/v1/store/backup";
    let request = call(&server, folder.path(), Method::POST, path).await;
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 409);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["error"], "not_embedded");
    let said = problem["error_description"].as_str().unwrap();
    assert!(said.contains("pg_dump"), "{said}");
}
