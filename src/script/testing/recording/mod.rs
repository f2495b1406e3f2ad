//! Records which parts of scripts run while tests run: `registrar script test --coverage` and `--profile`.
//!
//! The debugger interface of Rhai reports each statement and expression before it is evaluated, and the
//! beginning and the end of each function of a script. Only engines of tests have a debugger, and only when
//! the result is requested. It changes neither what a script does nor the number of its operations.

mod coverage;
mod profile;
mod running;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rhai::debugger::{Debugger, DebuggerCommand, DebuggerEvent};
use rhai::{ASTNode, Engine, EvalContext, Expr, FnCallExpr, Position, Stmt};

pub(crate) use coverage::FileCoverage;
pub(crate) use profile::{FunctionProfile, Profile};
use running::Level;
pub(super) use {coverage::ExecutableLines, running::count_operation};

/// A line and a column, both from 1; 0 where there is none.
type LineAndColumn = (usize, usize);

fn place(position: Position) -> LineAndColumn {
    let (line, column) = (position.line(), position.position());
    (line.unwrap_or(0), column.unwrap_or(0))
}

/// A function of a script as Rhai reports it; a name without text is the top level of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FunctionKey {
    /// The file of the function, or for a closure the file of its caller; empty for the functions with
    /// which the server calls scripts.
    file: String,
    name: String,
    /// The beginning of its body.
    body: LineAndColumn,
}

/// What was recorded of one function.
#[derive(Debug, Clone, Default)]
struct Counts {
    calls: u64,
    /// Its operations, without those of the functions that it called.
    own: u64,
    /// The same with those of the functions that it called.
    total: u64,
    /// The time that it took, without the functions that it called.
    time: Duration,
    /// The number of times that each place was reached.
    reached: BTreeMap<LineAndColumn, u64>,
    /// The number of calls of each function of a module.
    module_calls: BTreeMap<String, u64>,
}

type SharedCounts = Arc<Mutex<Counts>>;

/// Records what all tests of one run do.
#[derive(Debug, Default)]
pub(in crate::script) struct Recorder {
    functions: Mutex<BTreeMap<FunctionKey, SharedCounts>>,
}

/// The number of the next evaluation. A call of a hook and the top level of a file are evaluations.
static NEXT: AtomicI64 = AtomicI64::new(0);

impl Recorder {
    /// Records what `engine` does from now on.
    #[expect(
        deprecated,
        reason = "the function is not deprecated: Rhai marks volatile APIs this way"
    )]
    pub(super) fn attach(self: &Arc<Self>, engine: &mut Engine) {
        let recorder = Arc::clone(self);
        engine.register_debugger(
            |_, mut debugger| {
                debugger.set_state(NEXT.fetch_add(1, Ordering::Relaxed));
                debugger
            },
            move |context, event, node, _, _| {
                recorder.note(&context, event, node);
                Ok(DebuggerCommand::StepInto)
            },
        );
    }

    fn note(&self, context: &EvalContext, event: DebuggerEvent, node: ASTNode) {
        let Some(debugger) = context.debugger() else {
            return;
        };
        let level = Level {
            evaluation: debugger.state().as_int().unwrap_or_default(),
            depth: debugger.call_stack().len(),
        };
        match event {
            DebuggerEvent::End => running::end(level),
            DebuggerEvent::FunctionExitWithValue(_) | DebuggerEvent::FunctionExitWithError(_) => {
                running::leave(level);
            }
            _ if running::is_at(level) => {
                running::reach(place(node.position()), module_call(node));
            }
            _ => self.begin(context, debugger, level, node),
        }
    }

    /// Notes the first event of a function or of a top level.
    fn begin(&self, context: &EvalContext, debugger: &Debugger, level: Level, node: ASTNode) {
        let at = place(node.position());
        if let Some(called) = debugger.call_stack().last() {
            // The first event of a function has the place of its body.
            running::enter(level, self.counts(context, &called.fn_name, at));
        } else {
            // The first event of a top level is its first statement.
            running::enter(level, self.counts(context, "", (0, 0)));
            running::reach(at, module_call(node));
        }
    }

    /// Returns the counts of one function.
    fn counts(&self, context: &EvalContext, name: &str, body: LineAndColumn) -> SharedCounts {
        let key = FunctionKey {
            file: context.source().unwrap_or_default().to_owned(),
            name: name.to_owned(),
            body,
        };
        Arc::clone(locked(&self.functions).entry(key).or_default())
    }

    /// Returns what was recorded of each function of the files that `lines` describes, and its file.
    fn by_file(
        &self,
        lines: &BTreeMap<String, ExecutableLines>,
    ) -> Vec<(String, FunctionKey, Counts)> {
        let functions = locked(&self.functions);
        let mut found = Vec::new();
        for (key, counts) in &*functions {
            if let Some(file) = coverage::file_of(key, lines) {
                found.push((file.to_owned(), key.clone(), locked(counts).clone()));
            }
        }
        found
    }
}

/// Returns the function of a module that `node` calls, as in `http::get`.
fn module_call(node: ASTNode) -> Option<String> {
    let call: &FnCallExpr = match node {
        ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)) => call,
        _ => return None,
    };
    (!call.namespace.is_empty()).then(|| format!("{}::{}", call.namespace, call.name))
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
