//! Whole ecosystems: their directory on loopback, mutual TLS, and a server that is configured as the
//! example says and runs the scripts of the example; and what real programs send to the shipped
//! configurations.

mod brazil;
mod cdr;
mod clients;
mod directory;
mod manual;
mod shipped;
mod uk;
