//! Facts that everything above shares: identifiers, violations, strict JSON. Pure, no I/O.

pub mod ids;
pub mod json;
pub mod violation;

pub use ids::{BadClientId, ClientId};
pub use violation::{ErrorCode, Violation};
