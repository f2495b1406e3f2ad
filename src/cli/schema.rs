//! `registrar schema`: shows the schemas of this version, without a server.

use super::{Failure, output};
use crate::admin::openapi;

/// The prefix of a schema reference in OpenAPI.
const COMPONENTS: &str = "/components/schemas/";

pub(super) fn run(name: &str) -> Result<(), Failure> {
    let plain = name.strip_prefix('#').unwrap_or(name);
    let plain = plain.strip_prefix(COMPONENTS).unwrap_or(plain);
    let schemas = openapi::schemas();
    let known: Vec<&str> = schemas.keys().map(String::as_str).collect();
    let unknown = || {
        Failure::Usage(format!(
            "unknown schema {name}; the schemas are {}",
            known.join(", ")
        ))
    };
    output::json(schemas.get(plain).ok_or_else(unknown)?)
}
