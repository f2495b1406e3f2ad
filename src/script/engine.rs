//! The one place where engines are made.

use std::sync::Arc;
use std::time::Instant;

use rhai::packages::{Package, StandardPackage};
use rhai::{Engine, Module, OptimizationLevel, Shared};

use super::modules;
use super::value::{Outcome, failure};
use super::{context, members};
use crate::clock::Clock;
use crate::config::ScriptLimits;

/// The clock is read once in so many operations: reading it at each would cost half as much
/// again.
const OPERATIONS_BETWEEN_LOOKS: u64 = 64;

/// What every engine shares, made once for a set of scripts.
pub(super) struct SharedModules {
    standard: Shared<Module>,
    types: Shared<Module>,
    host: Vec<(&'static str, Shared<Module>)>,
    limits: ScriptLimits,
}

impl SharedModules {
    pub(super) fn new(limits: &ScriptLimits, clock: &Arc<dyn Clock>) -> Self {
        let mut types = Module::new();
        context::register(&mut types);
        members::register(&mut types);
        refuse_sleep(&mut types);
        let host = modules::all(clock).into_iter().map(|(name, module)| (name, module.into()));
        Self {
            standard: StandardPackage::new().as_shared_module(),
            types: types.into(),
            host: host.collect(),
            limits: limits.clone(),
        }
    }

    /// An engine with every limit set, which stops at `deadline`.
    ///
    /// It is raw: the string interner of an ordinary engine is a lock that all threads share, and
    /// its module resolver reads any file of the machine.
    pub(super) fn engine(&self, deadline: Instant) -> Engine {
        let mut engine = Engine::new_raw();
        engine.register_global_module(Shared::clone(&self.standard));
        // Later modules come first, so that `sleep` is ours.
        engine.register_global_module(Shared::clone(&self.types));
        for (name, module) in &self.host {
            engine.register_static_module(*name, Shared::clone(module));
        }
        let limits = &self.limits;
        engine.set_max_operations(limits.operations);
        engine.set_max_call_levels(limits.call_depth);
        engine.set_max_expr_depths(limits.expression_depth, limits.expression_depth);
        engine.set_max_string_size(limits.string_bytes);
        engine.set_max_array_size(limits.array_items);
        engine.set_max_map_size(limits.map_items);
        engine.set_max_variables(limits.variables);
        engine.set_max_functions(256);
        engine.set_max_modules(64);
        engine.set_strict_variables(true);
        engine.set_optimization_level(OptimizationLevel::Simple);
        engine.disable_symbol("eval");
        engine.on_print(|text| tracing::info!(target: "registrar::script", "{text}"));
        engine.on_debug(|text, _, _| tracing::debug!(target: "registrar::script", "{text}"));
        engine.on_progress(move |count| {
            let is_over = count % OPERATIONS_BETWEEN_LOOKS == 0 && deadline <= Instant::now();
            is_over.then(|| "it took longer than scripts.limits.deadlineMs".into())
        });
        engine
    }
}

/// A native function is not interrupted, so none may wait.
fn refuse_sleep(module: &mut Module) {
    fn refuse() -> Outcome<()> {
        Err(failure("a script can not sleep"))
    }
    module.set_native_fn("sleep", |_: i64| refuse());
    module.set_native_fn("sleep", |_: f64| refuse());
}
