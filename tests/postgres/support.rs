//! The origin of the tests of one server, for servers that fetch from it.

#[expect(
    dead_code,
    reason = "these tests need less of it than those of one server"
)]
#[path = "../server/support/certificates.rs"]
mod certificates;
#[expect(
    dead_code,
    reason = "these tests need less of it than those of one server"
)]
#[path = "../server/support/origin.rs"]
mod origin;

pub(crate) use certificates::Files;
pub(crate) use origin::{Origin, Reply};

/// The time at which every test begins: 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600;
