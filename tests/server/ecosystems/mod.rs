//! Whole ecosystems: their directory on loopback, mutual TLS, and a server with the configuration and
//! the scripts of the example; and requests of real programs, sent to the shipped configurations.

mod brazil;
mod cdr;
mod clients;
mod directory;
mod manual;
mod shipped;
mod uk;
