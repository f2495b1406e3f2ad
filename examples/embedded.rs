//! The registrar inside another program: without a process, without files, on a free port.
//!
//! `cargo run --features examples --example embedded`

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "an example shows what it does; a missing JSON member reads as null"
)]

use registrar::config::{self, Sources};
use registrar::server::{self, Start};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scripts = tempfile::tempdir()?;
    let overrides = [
        ("server.listen", "127.0.0.1:0"),
        ("store.url", "memory:"),
        ("scripts.directory", &scripts.path().to_string_lossy()),
        ("registration.dynamicRegistrationExpirationTime", "3600"),
    ];
    let overrides = overrides
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
    let configuration = config::load(&Sources {
        overrides,
        ..Sources::default()
    })?;
    let server = server::start(Start::new(configuration)).await?;
    println!("the registrar listens on {}", server.url());

    let request = json!({"redirect_uris": ["https://client.example.org/callback"]});
    let response = reqwest::Client::new()
        .post(format!("{}/register", server.url()))
        .json(&request)
        .send()
        .await?;
    let client: Value = response.error_for_status()?.json().await?;
    println!(
        "registered {} until {}",
        client["client_id"], client["client_secret_expires_at"]
    );

    server.stop().await;
    Ok(())
}
