//! Fills a store with numbered clients without a request for each.

use std::ops::Range;
use std::time::Instant;

use futures_util::future::join_all;
use registrar::config::StoreSettings;
use registrar::testing::{Storage, token_digest};
use serde_json::{Value, json};

use super::Place;

/// The registration access token of all clients.
pub(crate) const TOKEN: &str = "growth";
/// The first number of the clients that expire.
pub(crate) const EXPIRED: u64 = 1 << 40;
/// The number of clients that share a flush.
const TOGETHER: usize = 1_000;

/// Returns the identifier of a client. Like the identifiers of the server, they have no order.
pub(crate) fn id(number: u64) -> String {
    let digest = openssl::sha::sha256(&number.to_be_bytes());
    let first = digest.first_chunk::<16>().expect("it has 32 bytes");
    let digest = format!("{:032x}", u128::from_be_bytes(*first));
    let part = |range: Range<usize>| digest.get(range).unwrap_or_default().to_owned();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}

fn client(number: u64, expires_at: Option<u64>) -> Value {
    let mut record = json!({
        "id": id(number),
        "metadata": {
            "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
            "client_name": format!("My Example {number}"),
            "software_id": format!("software-{}", number % 1_000),
            "logo_uri": "https://client.example.org/logo.png",
            "contacts": ["ve7jtb@example.org", "mary@example.org"],
            "application_type": "web",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "subject_type": "public",
            "id_token_signed_response_alg": "RS256",
        },
        "issued_at": 1_767_225_600,
        "tokens": {"current": token_digest(TOKEN).expect("a digest")},
        "revision": 1,
        "provenance": {"trust_level": "open", "address": "192.0.2.1", "configuration": "growth"},
    });
    if let (Some(end), Some(members)) = (expires_at, record.as_object_mut()) {
        members.insert("expires_at".to_owned(), end.into());
    }
    record
}

/// Stores the clients with these numbers, and returns the rate per second.
pub(crate) async fn clients(place: &Place, numbers: Range<u64>, expires_at: Option<u64>) -> f64 {
    let data = place.folder.join("data");
    std::fs::create_dir_all(&data).expect("a folder");
    let settings = StoreSettings {
        url: place.database.url(&data).into(),
        key_file: Some(data.join("registrar.key")),
        cache_bytes: 256 << 20,
        ..StoreSettings::default()
    };
    let store = Storage::open(&settings).await.expect("the store opens");
    let (begun, count) = (Instant::now(), numbers.end - numbers.start);
    for first in numbers.clone().step_by(TOGETHER) {
        let some = first..numbers.end.min(first + TOGETHER as u64);
        let stored = some.map(|number| store.insert_client(client(number, expires_at)));
        for outcome in join_all(stored).await {
            outcome.expect("it is stored");
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count is far below 2^52")]
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    rate
}
