//! `x509::parse(pem)`: returns the content of a certificate.

use rhai::{Dynamic, ImmutableString};
use serde_json::Value;

use super::super::value::{HostResult, failure, to_script};
use super::functions::Functions;
use crate::x509::{Certificate, MAXIMUM_BYTES};

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add1("parse", |_, pem: ImmutableString| parse(&pem));
    module
}

/// Returns the members of `context.certificate` for a certificate in PEM.
fn parse(pem: &str) -> HostResult<Dynamic> {
    if pem.len() > MAXIMUM_BYTES {
        return Err(failure(format!(
            "the certificate must not exceed {MAXIMUM_BYTES} bytes"
        )));
    }
    let certificate = Certificate::from_pem(pem).map_err(|error| failure(error.to_string()))?;
    to_script(&Value::Object(certificate.to_json()))
}
