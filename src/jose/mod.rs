//! Keys and signatures. Knows nothing of clients.

pub mod jwks;
