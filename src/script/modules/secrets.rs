//! `secrets::get(name)`: a secret that the configuration names.

use std::sync::Arc;

use rhai::{ImmutableString, Module};

use super::super::secrets::Secrets;
use super::super::value::failure;

pub(super) fn module(secrets: &Arc<Secrets>) -> Module {
    let mut module = Module::new();
    let secrets = Arc::clone(secrets);
    module.set_native_fn("get", move |name: ImmutableString| {
        secrets.get(&name).map(|secret| secret.expose().to_owned()).map_err(failure)
    });
    module
}
