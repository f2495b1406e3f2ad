//! Lists that are absent.

use rhai::{Dynamic, EvalAltResult, FuncRegistration, Module, Position};

use super::HostResult;

/// Registers `push` for `()`, the value of a member that a client did not send. It creates a list of one
/// item, so that a script need not check first whether the list exists.
pub(in crate::script) fn register(module: &mut Module) {
    FuncRegistration::new("push")
        .with_purity(false)
        .set_into_module(module, push);
}

/// Runs only when no other `push` matches, so it is also called for types that have no `push`.
fn push(list: &mut Dynamic, item: Dynamic) -> HostResult<()> {
    if !list.is_unit() {
        let call = format!("push ({}, {})", list.type_name(), item.type_name());
        return Err(Box::new(EvalAltResult::ErrorFunctionNotFound(
            call,
            Position::NONE,
        )));
    }
    *list = Dynamic::from_array(vec![item]);
    Ok(())
}
