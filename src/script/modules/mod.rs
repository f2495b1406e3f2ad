//! The modules that the host gives to scripts, one file each. Every function is bounded, and
//! every failure can be caught.

mod attestation;
mod base64;
mod crypto;
mod json;
mod log;
mod net;
mod time;
mod uri;

use std::sync::Arc;

use rhai::Module;

use crate::clock::Clock;

pub(super) use log::readable;

/// Every module with the name under which scripts call it.
pub(super) fn all(clock: &Arc<dyn Clock>) -> Vec<(&'static str, Module)> {
    vec![
        ("attestation", attestation::module()),
        ("base64", base64::module()),
        ("crypto", crypto::module()),
        ("json", json::module()),
        ("log", log::module()),
        ("net", net::module()),
        ("time", time::module(clock)),
        ("uri", uri::module()),
    ]
}
