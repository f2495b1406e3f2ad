//! A script grants scopes according to the `software_id` of a client.
//!
//! The script is `examples/scripts/scopes-by-software-id/10-scopes.rhai`. This program starts a server with
//! it, registers two clients, and prints the results: `cargo run --features examples --example scopes_by_software_id`.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "an example shows what it does; a missing JSON member reads as null"
)]

use registrar::config::{self, Sources};
use registrar::server::{self, Start};
use serde_json::{Value, json};

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
[store]
url = "memory:"
[scripts.attributes.softwareScopes]
payments-app = "openid payments"
[[scopes]]
id = "openid"
[[scopes]]
id = "payments"
"#;

const SCRIPT: &str = include_str!("scripts/scopes-by-software-id/10-scopes.rhai");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (file, scripts) = (
        folder.path().join("registrar.toml"),
        folder.path().join("scripts"),
    );
    std::fs::create_dir(&scripts)?;
    std::fs::write(scripts.join("10-scopes.rhai"), SCRIPT)?;
    std::fs::write(&file, CONFIGURATION)?;
    let directory = (
        "scripts.directory".to_owned(),
        scripts.to_string_lossy().into_owned(),
    );
    let sources = Sources {
        file: Some(file),
        overrides: vec![directory],
        ..Sources::default()
    };
    let server = server::start(Start::new(config::load(&sources)?)).await?;

    let register = |software_id: &'static str| {
        let request = json!({
            "redirect_uris": ["https://client.example.org/callback"],
            "software_id": software_id,
            "scope": "openid",
        });
        reqwest::Client::new()
            .post(format!("{}/register", server.url()))
            .json(&request)
            .send()
    };
    let known: Value = register("payments-app")
        .await?
        .error_for_status()?
        .json()
        .await?;
    assert_eq!(known["scope"], "openid payments");
    println!("payments-app got the scopes {}", known["scope"]);

    let unknown = register("something-else").await?;
    assert_eq!(unknown.status(), 400);
    println!("something-else was rejected: {}", unknown.text().await?);
    server.stop().await;
    Ok(())
}
