//! `x509::parse(pem)`: returns the content of a certificate.

use std::sync::Arc;

use rhai::ImmutableString;

use super::super::host::Host;
use super::super::value::{failure, to_script};
use super::functions::Functions;

/// The size limit of a certificate, in bytes of PEM.
const CERTIFICATE_BYTES: usize = 16_384;

pub(super) fn module(host: &Arc<dyn Host>) -> Functions {
    let mut module = Functions::default();
    let host = Arc::clone(host);
    module.add1("parse", move |_, pem: ImmutableString| {
        if pem.len() > CERTIFICATE_BYTES {
            return Err(failure(format!(
                "the certificate must not exceed {CERTIFICATE_BYTES} bytes"
            )));
        }
        to_script(&host.parse_certificate(&pem).map_err(failure)?)
    });
    module
}
