//! Servers that share a PostgreSQL database: real processes and a real database, which
//! `REGISTRAR_TEST_POSTGRES` names (see `.ci/postgres.sh`). Without it these tests are skipped with
//! a message.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests report problems by failing"
)]

mod database;
mod dialect;
mod documents;
mod events;
mod key_rotation;
mod node;
mod origin;
mod outage;
mod proxy;
mod races;
#[path = "../binary/receiver.rs"]
mod receiver;
mod reset;
mod scripts;
mod secrets;
mod sharing;
mod start;
mod support;
mod tenants;
mod transfer;
mod waiting;

use serde_json::{Value, json};

/// The smallest registration, with a name to find it by.
fn body(name: &str) -> Value {
    json!({"redirect_uris": ["https://client.example.org/cb"], "client_name": name})
}
