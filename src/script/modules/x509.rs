//! `x509::parse(pem)`: returns the content of a certificate.

use rhai::{Dynamic, ImmutableString};
use serde_json::Value;

use crate::script::{
    HostResult, failure, modules::Functions, modules::HostFunction, modules::function, to_script,
};
use crate::x509::{Certificate, MAXIMUM_BYTES};

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[function(
    "x509",
    "parse(pem: string) -> map",
    "Parses a certificate, and returns the members of `context.certificate`. Nothing is verified. Fails \
         when the text is not a certificate or has more than 16384 bytes.",
    "x509::parse(context.certificate.pem).subject == context.certificate.subject",
)];

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
