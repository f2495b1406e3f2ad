//! Basic types that every other module builds on: the time, identifiers and JSON, random values, secrets.

pub mod clock;
pub mod model;
pub mod random;
pub mod secret;
