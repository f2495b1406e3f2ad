//! Creates all engines, and knows the call that each thread is running.
//!
//! One engine serves all calls of a script, because creating an engine takes as long as an ordinary hook.
//! An engine gets the data of the call that it runs from the thread.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rhai::packages::{Package, StandardPackage};
use rhai::{Engine, Module, OptimizationLevel, Shared, Token};

use super::comparisons;
use crate::config::ScriptLimits;
use crate::script::{
    HookContext, HookRecorder, HostResult, Log, LogLevel, Runtime, ScriptObserver, TopLevels,
    bounds, failure, modules, register_bytes, register_context, register_members,
    register_push_on_unit,
};

/// The number of operations between two checks of the clock. A check at each operation would make
/// scripts take half as long again.
const OPERATIONS_BETWEEN_LOOKS: u64 = 64;

/// The modules and limits that all engines share, created once per set of scripts.
pub(in crate::script) struct SharedModules {
    standard: Shared<Module>,
    types: Shared<Module>,
    host: Vec<(&'static str, Shared<Module>)>,
    log: Log,
    observer: Option<Arc<ScriptObserver>>,
    limits: ScriptLimits,
    has_strict_comparisons: bool,
    top_levels: TopLevels,
}

impl SharedModules {
    pub(in crate::script) fn new(runtime: &Runtime) -> Self {
        let mut types = Module::new();
        register_context(&mut types);
        register_members(&mut types);
        register_bytes(&mut types);
        bounds::register(&mut types);
        comparisons::register(&mut types);
        register_push_on_unit(&mut types);
        refuse_sleep(&mut types);
        refuse_back_trace(&mut types);
        let mut host = Vec::new();
        for (name, functions) in modules::all(runtime) {
            host.push((name, functions.into_module().into()));
        }
        Self {
            standard: StandardPackage::new().as_shared_module(),
            types: types.into(),
            host,
            log: Log::new(runtime),
            observer: runtime.observer.clone(),
            limits: runtime.settings.limits.clone(),
            has_strict_comparisons: runtime.settings.strict_comparisons,
            top_levels: TopLevels::default(),
        }
    }

    /// Returns the variables shared by the closures of the top levels.
    pub(in crate::script) const fn top_levels(&self) -> &TopLevels {
        &self.top_levels
    }

    /// Returns the maximum size of the result of a call, in bytes of JSON.
    pub(in crate::script) const fn result_bytes(&self) -> usize {
        self.limits.result_bytes
    }

    /// Creates an engine with all limits, which ends a script once `over` returns a reason.
    pub(in crate::script) fn engine(
        &self,
        over: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
    ) -> Engine {
        let mut engine = self.plain_engine(over);
        if self.has_strict_comparisons {
            comparisons::allow_operators(&mut engine);
            read_tokens(&mut engine, |token| comparisons::strict(plain_word(token)));
        }
        engine
    }

    /// Creates the same with the comparisons of Rhai.
    ///
    /// The engine is raw. The string interner of an ordinary engine is a lock that all threads share, and
    /// its module resolver can read any file of the machine.
    pub(in crate::script) fn plain_engine(
        &self,
        over: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
    ) -> Engine {
        let mut engine = Engine::new_raw();
        engine.register_global_module(Shared::clone(&self.standard));
        // Later modules take precedence, so these replace `sleep` and the unbounded functions of Rhai.
        engine.register_global_module(Shared::clone(&self.types));
        for (name, module) in &self.host {
            engine.register_static_module(*name, Shared::clone(module));
        }
        limit(&mut engine, &self.limits);
        read_tokens(&mut engine, plain_word);
        self.log_output(&mut engine);
        self.watch_progress(&mut engine, over);
        if let Some(observer) = &self.observer {
            observer.attach(&mut engine);
        }
        engine
    }

    /// Writes what scripts print to the log.
    fn log_output(&self, engine: &mut Engine) {
        self.log_output_of(engine, None);
    }

    /// Writes what the top level of the script `name` prints to the log.
    pub(in crate::script) fn log_output_of(&self, engine: &mut Engine, name: Option<&str>) {
        let (log, by) = (self.log.clone(), name.map(str::to_owned));
        engine.on_print(move |text| {
            let call = current_call();
            log.write(LogLevel::Info, call.as_ref(), by.as_deref(), text);
        });
        let log = self.log.clone();
        engine.on_debug(move |text, source, _| {
            log.write(LogLevel::Debug, current_call().as_ref(), source, text);
        });
    }

    /// Ends a script once `over` returns a reason. An observer counts its operations.
    fn watch_progress(
        &self,
        engine: &mut Engine,
        over: impl Fn() -> Option<&'static str> + Send + Sync + 'static,
    ) {
        let look = move |count| {
            if count % OPERATIONS_BETWEEN_LOOKS == 0 {
                over().map(Into::into)
            } else {
                None
            }
        };
        match self.observer.clone() {
            None => engine.on_progress(move |count| {
                OPERATIONS.set(OPERATIONS.get().wrapping_add(1));
                look(count)
            }),
            Some(observer) => engine.on_progress(move |count| {
                observer.count();
                look(count)
            }),
        };
    }
}

fn limit(engine: &mut Engine, limits: &ScriptLimits) {
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
    // No limit counts curried arguments: `f = f.curry(f)` doubles them each time. Closures share the
    // variables that they capture, and do not need `curry`.
    engine.disable_symbol("curry");
}

/// Lets `engine` read each token as `read` returns it.
#[expect(
    deprecated,
    reason = "Rhai marks the function as volatile in this way; it is not deprecated"
)]
fn read_tokens(engine: &mut Engine, read: impl Fn(Token) -> Token + Send + Sync + 'static) {
    engine.on_parse_token(move |token, _, _| read(token));
}

/// Lets scripts write `context.shared`. Rhai reserves the word, without any meaning so far.
fn plain_word(token: Token) -> Token {
    match token {
        Token::Reserved(word) if word.as_str() == "shared" => Token::Identifier(word),
        token => token,
    }
}

/// Replaces `sleep`, because a native function cannot be interrupted.
fn refuse_sleep(module: &mut Module) {
    fn refuse() -> HostResult<()> {
        Err(failure("a script cannot sleep"))
    }
    module.set_native_fn("sleep", |_: i64| refuse());
    module.set_native_fn("sleep", |_: f64| refuse());
}

/// Replaces `back_trace`, which Rhai has for debuggers: without one, it returns nothing.
fn refuse_back_trace(module: &mut Module) {
    module.set_native_fn("back_trace", || -> HostResult<()> {
        Err(failure("a script cannot read its calls"))
    });
}

thread_local! {
    static PRESENT: RefCell<Option<HookContext>> = const { RefCell::new(None) };
    /// The number of operations of scripts on this thread since it was last taken.
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Returns the number of operations of scripts on this thread since the last call.
pub(in crate::script) fn take_operations() -> u64 {
    OPERATIONS.take()
}

/// Returns the recorder of the request for which this thread is calling a script, if it has one.
pub(in crate::script) fn current_recorder() -> Option<Arc<HookRecorder>> {
    PRESENT.with_borrow(|present| present.as_ref()?.recorder().cloned())
}

/// Returns the call that this thread is running; `None` while scripts are being loaded.
pub(in crate::script) fn current_call() -> Option<HookContext> {
    PRESENT.with_borrow(Clone::clone)
}

/// Returns why the call must end now, if it must.
pub(in crate::script) fn current_call_is_over() -> Option<&'static str> {
    PRESENT.with_borrow(|present| present.as_ref().and_then(|context| context.permit().over()))
}

/// Does `work` as part of the call `context`, and resets the current call afterwards, even after a panic.
pub(in crate::script) fn during_call<T>(context: &HookContext, work: impl FnOnce() -> T) -> T {
    let _before = Before(PRESENT.replace(Some(context.clone())));
    work()
}

/// The call that the thread was running before.
struct Before(Option<HookContext>);

impl Drop for Before {
    fn drop(&mut self) {
        PRESENT.set(self.0.take());
    }
}
