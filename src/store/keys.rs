//! The keys: one letter for the kind, then what orders it.
//!
//! | Key | Value |
//! |---|---|
//! | `c/` client id | the record of a client |
//! | `e/` seconds since the epoch, 8 bytes, big end first, `/` client id | nothing: it expires then |
//! | `i/software_id/` value, a zero byte, client id | nothing: it has this `software_id` |
//! | `p/configuration` | the patches of the live configuration, sealed |

use crate::client::Client;
use crate::clock::Timestamp;
use crate::model::ClientId;

/// Where the records of clients begin.
pub(super) const CLIENTS: &[u8] = b"c/";
/// Where they end.
pub(super) const CLIENTS_END: &[u8] = b"c0";
/// Where the index of expiry begins.
pub(super) const EXPIRIES: &[u8] = b"e/";

/// The key of a client's record.
pub(super) fn client(id: &ClientId) -> Vec<u8> {
    [CLIENTS, id.as_str().as_bytes()].concat()
}

/// The keys under which `client` is found otherwise.
pub(super) fn indexes(client: &Client) -> Vec<Vec<u8>> {
    let id = client.id.as_str().as_bytes();
    let expiry = client.expires_at.map(|at| [&expiries_from(at)[..], b"/", id].concat());
    let software_id = client.metadata.metadata().text("software_id");
    let software = software_id.map(|value| [b"i/software_id/", value.as_bytes(), b"\0", id].concat());
    expiry.into_iter().chain(software).collect()
}

/// Where the clients that expire at `at` or later begin.
pub(super) fn expiries_from(at: Timestamp) -> Vec<u8> {
    [EXPIRIES, &at.unix().to_be_bytes()].concat()
}

/// The client that a key of the index of expiry names.
pub(super) fn expiring(key: &[u8]) -> Option<ClientId> {
    let id = key.get(EXPIRIES.len() + size_of::<u64>() + 1..)?;
    ClientId::parse(std::str::from_utf8(id).ok()?).ok()
}
