//! Registers a public client: a program on a user's device, which cannot keep a secret.
//!
//! `cargo run` in one terminal, then in another `cargo run --features examples --example public_client`.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "an example shows what it does; a missing JSON member reads as null"
)]

use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server =
        std::env::var("REGISTRAR_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let http = reqwest::Client::new();

    // The metadata names the registration endpoint.
    let metadata: Value = http
        .get(format!("{server}/.well-known/openid-configuration"))
        .send()
        .await?
        .json()
        .await?;
    let endpoint = metadata["registration_endpoint"]
        .as_str()
        .ok_or("the metadata has no registration_endpoint")?;

    let request = json!({
        "client_name": "Notes for the desktop",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/callback", "com.example.notes:/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let response = http.post(endpoint).json(&request).send().await?;
    if response.status() != 201 {
        // The error description names the member, the rule and what is accepted.
        return Err(response.text().await?.into());
    }
    let client: Value = response.json().await?;
    assert!(
        client.get("client_secret").is_none(),
        "a public client gets no secret"
    );
    println!(
        "registered {} as {}",
        client["client_name"], client["client_id"]
    );
    Ok(())
}
