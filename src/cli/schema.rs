//! `registrar schema`: what this version takes and gives, without a server.

use super::{Failure, output};
use crate::admin::openapi;

/// How OpenAPI names a schema.
const COMPONENTS: &str = "/components/schemas/";

pub(super) fn run(name: &str) -> Result<(), Failure> {
    let plain = name.strip_prefix('#').unwrap_or(name);
    let plain = plain.strip_prefix(COMPONENTS).unwrap_or(plain);
    let schemas = openapi::schemas();
    match schemas.get(plain) {
        Some(schema) => output::json(schema),
        None => {
            let known: Vec<&str> = schemas.keys().map(String::as_str).collect();
            Err(Failure::Usage(format!("there is no schema {name}; there are {}", known.join(", "))))
        }
    }
}
