//! Whole ecosystems: their directory on loopback, mutual TLS, and a server that is configured as the
//! example says and runs the scripts of the example.

mod brazil;
mod directory;
mod uk;
