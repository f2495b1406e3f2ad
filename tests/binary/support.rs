//! The origin of the tests of one server, for servers that fetch from it.

#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests of one server use all of it, and report problems by failing"
)]
#[path = "../server/support/certificates.rs"]
mod certificates;
#[expect(
    dead_code,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the tests of one server use all of it, and report problems by failing"
)]
#[path = "../server/support/origin.rs"]
mod origin;

pub(crate) use certificates::Files;
pub(crate) use origin::{Origin, Reply};

/// The time at which every test begins: 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600;
