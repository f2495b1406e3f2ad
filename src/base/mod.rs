//! Basic types that every other module builds on: the time, identifiers and JSON, random values, secrets.

pub mod clock;
pub(crate) mod model;
pub(crate) mod random;
pub(crate) mod secret;
