//! What administrators do, once somebody has looked at who they are.

pub mod config;
pub mod endpoint_config;
