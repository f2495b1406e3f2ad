//! Registers a confidential client, then reads, updates and deletes it (RFC 7592).
//!
//! `cargo run` in one terminal, then in another `cargo run --features examples --example confidential_client`.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "an example shows what it does; a missing JSON member reads as null"
)]

use serde_json::{Value, json};

/// Members of answers that a client must not send back (RFC 7592 section 2.2).
const SERVER_MEMBERS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server =
        std::env::var("REGISTRAR_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let http = reqwest::Client::new();

    let request = json!({
        "client_name": "Accounting",
        "client_name#fr": "Comptabilit\u{e9}",
        "redirect_uris": ["https://accounting.example.org/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "openid profile",
    });
    let response = http
        .post(format!("{server}/register"))
        .json(&request)
        .send()
        .await?
        .error_for_status()?;
    let client: Value = response.json().await?;
    let text = |name: &str| {
        client[name]
            .as_str()
            .map(str::to_owned)
            .ok_or(format!("the answer has no {name}"))
    };
    let (uri, token) = (
        text("registration_client_uri")?,
        text("registration_access_token")?,
    );
    println!("registered {}", client["client_id"]);

    let read = http
        .get(&uri)
        .bearer_auth(&token)
        .send()
        .await?
        .error_for_status()?;
    // The revision that was read. With it, an update is rejected if the client has changed since.
    let revision = read.headers().get("etag").ok_or("no ETag")?.clone();
    let mut update: Value = read.json().await?;

    // An update replaces the client and deletes what it leaves out, so it starts from all that was read.
    let members = update.as_object_mut().ok_or("not an object")?;
    members.retain(|name, _| !SERVER_MEMBERS.contains(&name.as_str()));
    members.insert("client_name".to_owned(), "Accounting and tax".into());
    let put = http
        .put(&uri)
        .bearer_auth(&token)
        .header("if-match", revision)
        .json(&update);
    let updated: Value = put.send().await?.error_for_status()?.json().await?;
    println!("it is now called {}", updated["client_name"]);

    http.delete(&uri)
        .bearer_auth(&token)
        .send()
        .await?
        .error_for_status()?;
    let gone = http.get(&uri).bearer_auth(&token).send().await?;
    assert_eq!(
        gone.status(),
        401,
        "the token of a deleted client is invalid"
    );
    println!("deleted");
    Ok(())
}
