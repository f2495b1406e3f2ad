//! Clients that move between stores: the lines of an export, and their import.

pub mod import;
pub mod line;
