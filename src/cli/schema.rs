//! `registrar schema`: what this version takes and gives, without a server.

use super::{Failure, output};
use crate::admin::openapi;

/// How OpenAPI names a schema.
const COMPONENTS: &str = "/components/schemas/";

pub(super) fn run(name: &str) -> Result<(), Failure> {
    let plain = name.strip_prefix('#').unwrap_or(name);
    let plain = plain.strip_prefix(COMPONENTS).unwrap_or(plain);
    let schemas = openapi::schemas();
    let known: Vec<&str> = schemas.keys().map(String::as_str).collect();
    let unknown = || Failure::Usage(format!("there is no schema {name}; there are {}", known.join(", ")));
    output::json(schemas.get(plain).ok_or_else(unknown)?)
}
