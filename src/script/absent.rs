//! Lists that are not there.

use rhai::{Dynamic, EvalAltResult, FuncRegistration, Module, Position};

use super::value::Outcome;

/// `push` on `()`, which is what a member is that a client did not send: there is a list of one then, so
/// that a script need not look first whether there is one to add to.
pub(super) fn register(module: &mut Module) {
    FuncRegistration::new("push").with_purity(false).set_into_module(module, push);
}

/// Stands behind the `push` of all types that have one, so it is asked for the others too.
fn push(list: &mut Dynamic, item: Dynamic) -> Outcome<()> {
    if !list.is_unit() {
        let call = format!("push ({}, {})", list.type_name(), item.type_name());
        return Err(Box::new(EvalAltResult::ErrorFunctionNotFound(call, Position::NONE)));
    }
    *list = Dynamic::from_array(vec![item]);
    Ok(())
}
