//! Basic types that all other layers share: identifiers, violations, strict JSON, absent members,
//! media types, scope texts, and which addresses are public. Pure, no I/O.

pub(crate) mod absent;
pub(crate) mod address;
pub(crate) mod ids;
pub(crate) mod json;
pub(crate) mod media_type;
pub(crate) mod scope;
pub(crate) mod violation;

pub use ids::ClientId;
pub(crate) use violation::{ErrorCode, Violation};
