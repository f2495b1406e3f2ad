//! Basic types that all other layers share: identifiers, violations, strict JSON, absent members,
//! media types, scope texts, and which addresses are public. Pure, no I/O.

pub mod absent;
pub mod address;
pub mod ids;
pub mod json;
pub mod media_type;
pub mod scope;
pub mod violation;

pub use ids::{BadClientId, ClientId};
pub use violation::{ErrorCode, Violation};
