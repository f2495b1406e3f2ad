//! `secrets::get(name)`: returns a secret of the configuration.

use std::sync::Arc;

use rhai::ImmutableString;

use crate::script::{
    Secrets, failure, modules::Functions, modules::HostFunction, modules::function,
};

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[function(
    "secrets",
    "get(name: string) -> string",
    "Returns the secret with this name in `[scripts.secrets]` of the configuration. It never appears in \
         the log. Fails when no secret has that name.",
    "secrets::get(\"key\").len() >= 8",
)];

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
