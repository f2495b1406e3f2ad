//! `x509::parse(pem)`: what a certificate says.

use std::sync::Arc;

use rhai::ImmutableString;

use super::super::host::Host;
use super::super::value::{failure, to_script};
use super::functions::Functions;

/// Bytes of one certificate in PEM.
const CERTIFICATE_BYTES: usize = 16_384;

pub(super) fn module(host: &Arc<dyn Host>) -> Functions {
    let mut module = Functions::default();
    let host = Arc::clone(host);
    module.add1("parse", move |_, pem: ImmutableString| {
        if pem.len() > CERTIFICATE_BYTES {
            return Err(failure(format!("a certificate has {CERTIFICATE_BYTES} bytes or less")));
        }
        to_script(&host.parse_certificate(&pem).map_err(failure)?)
    });
    module
}
