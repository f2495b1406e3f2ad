//! `secrets::get(name)`: returns a secret of the configuration.

use std::sync::Arc;

use rhai::ImmutableString;

use super::super::value::failure;
use super::functions::Functions;
use crate::script::load::secrets::Secrets;

pub(super) fn module(secrets: &Arc<Secrets>) -> Functions {
    let mut module = Functions::default();
    let secrets = Arc::clone(secrets);
    module.add1("get", move |_, name: ImmutableString| {
        secrets
            .get(&name)
            .map(|secret| secret.expose().to_owned())
            .map_err(failure)
    });
    module
}
