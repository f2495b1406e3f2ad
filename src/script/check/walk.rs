//! Follows the statements of a script, with the types that its variables can have.

use std::collections::BTreeSet;

use rhai::{
    ASTFlags, ASTNode, Expr, FlowControl, OpAssignment, Position, Stmt, SwitchCasesCollection,
};

use super::kinds::{Kinds, Type};
use super::known::Vocabulary;
use super::source::{Function, ScriptFile, VariableChanges};
use super::{Finding, Learned, Severity, finding, hook_arguments};
use crate::script::Hook;

/// A walk over the functions of all files.
pub(super) struct Walk<'a> {
    pub(super) sources: &'a [ScriptFile],
    pub(super) known: &'a Vocabulary,
    pub(super) before: &'a Learned,
    pub(super) learned: Learned,
    pub(super) findings: Vec<Finding>,
    /// The index of the current file.
    pub(super) file: usize,
    variables: Vec<(String, Type)>,
    /// What the current function returns with `return`.
    returned: Type,
    /// The number of `try` blocks around the current statement.
    pub(super) tries: usize,
    /// The number of expressions around the current one that ask whether a value is absent.
    pub(super) absence_tests: usize,
    /// Whether the current function asks of any value whether it is absent.
    pub(super) tests_absence: bool,
    /// Whether the current statement is outside functions, where files can be imported.
    is_top: bool,
    changes: &'a VariableChanges,
    no_changes: &'a VariableChanges,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        sources: &'a [ScriptFile],
        known: &'a Vocabulary,
        before: &'a Learned,
    ) -> Self {
        static NONE: VariableChanges = VariableChanges {
            assigned: BTreeSet::new(),
            altered: BTreeSet::new(),
        };
        Self {
            sources,
            known,
            before,
            learned: Learned::default(),
            findings: Vec::new(),
            file: 0,
            variables: Vec::new(),
            returned: Type::NEVER,
            tries: 0,
            absence_tests: 0,
            tests_absence: false,
            is_top: false,
            changes: &NONE,
            no_changes: &NONE,
        }
    }

    pub(super) fn done(self) -> (Learned, Vec<Finding>) {
        (self.learned, self.findings)
    }

    /// Returns the type of what the current function returns with `return`.
    pub(super) const fn returned(&self) -> Type {
        self.returned
    }

    pub(super) fn source(&self) -> Option<&'a ScriptFile> {
        self.sources.get(self.file)
    }

    pub(super) fn report(
        &mut self,
        severity: Severity,
        place: Position,
        message: impl Into<String>,
    ) {
        if let Some(source) = self.source() {
            self.findings
                .push(finding(source, severity, place, &message.into()));
        }
    }

    pub(super) fn error(&mut self, place: Position, message: impl Into<String>) {
        self.report(Severity::Error, place, message);
    }

    pub(super) fn warning(&mut self, place: Position, message: impl Into<String>) {
        self.report(Severity::Warning, place, message);
    }

    /// Follows the top level and all functions of a file.
    pub(super) fn file(&mut self, file: usize) {
        self.file = file;
        let Some(source) = self.source() else { return };
        self.is_top = true;
        self.changes = self.no_changes;
        self.variables.clear();
        // Any statement of the top level may change any of its variables.
        for statement in &source.top {
            if let Stmt::Var(variable, flags, _) = statement
                && !flags.contains(ASTFlags::CONSTANT)
            {
                self.value(&variable.1);
                self.variables
                    .push((variable.0.name.to_string(), Type::ANY));
            } else {
                self.statement(statement);
            }
        }
        self.is_top = false;
        for (index, function) in source.functions.iter().enumerate() {
            self.function(file, index, function);
        }
    }

    fn function(&mut self, file: usize, index: usize, function: &'a Function) {
        self.variables.clear();
        self.returned = Type::NEVER;
        self.changes = &function.changes;
        self.tests_absence = function.tests_absence;
        let types = self.parameters(file, index, function);
        for (name, of) in function.parameters.iter().zip(types) {
            self.declare(name, of);
        }
        let last = self.block(&function.body);
        self.hook_result(function, last);
        let result = last.or(self.returned);
        self.learned.results.insert((file, index), result);
    }

    /// Returns the types of the parameters of a function: those of all its calls, or any types when it may be
    /// called in a way that the text does not show.
    fn parameters(&self, file: usize, index: usize, function: &Function) -> Vec<Type> {
        let is_script = self
            .sources
            .get(file)
            .is_some_and(|source| !source.file.starts_with("lib/"));
        let from_calls = self.before.arguments.get(&(file, index));
        if let Some(hook) = Hook::named(&function.name).filter(|_| is_script)
            && hook.parameters().len() == function.parameters.len()
        {
            let own = hook_arguments(hook);
            return match from_calls {
                Some(called) => own
                    .iter()
                    .zip(called)
                    .map(|(one, two)| one.or(*two))
                    .collect(),
                None => own,
            };
        }
        let may_be_called_by_name = function.is_closure()
            || self
                .sources
                .iter()
                .any(|source| source.mentions.texts.contains(&function.name));
        match from_calls {
            Some(called) if !may_be_called_by_name => called.clone(),
            _ => vec![Type::ANY; function.parameters.len()],
        }
    }

    /// Declares a variable. Its type is forgotten when the function changes it anywhere.
    pub(super) fn declare(&mut self, name: &str, of: Type) {
        let is_handle = of.kinds.is_within(Kinds::CONTEXT | Kinds::CLIENT);
        let is_changed = self.changes.assigned.contains(name)
            || (!is_handle && self.changes.altered.contains(name));
        let of = if is_changed { Type::ANY } else { of };
        self.variables.push((name.to_owned(), of));
    }

    pub(super) fn variable(&self, name: &str) -> Option<Type> {
        let mut newest_first = self.variables.iter().rev();
        newest_first.find(|(of, _)| of == name).map(|(_, of)| *of)
    }

    /// Follows a block and returns its value; never, when the block is not left at its end.
    pub(super) fn block<'b>(&mut self, statements: impl IntoIterator<Item = &'b Stmt>) -> Type {
        let outside = self.variables.len();
        let (mut last, mut is_left) = (Type::of(Kinds::UNIT), false);
        for statement in statements {
            last = self.statement(statement);
            is_left |= last.kinds.is_never();
        }
        self.variables.truncate(outside);
        if is_left { Type::NEVER } else { last }
    }

    pub(super) fn statement(&mut self, statement: &Stmt) -> Type {
        match statement {
            Stmt::If(flow, _) => self.branches(flow),
            Stmt::Switch(switch, _) => self.switch(&switch.0, &switch.1),
            Stmt::While(flow, place) => self.repeated(flow, *place, true),
            Stmt::Do(flow, flags, place) => {
                self.repeated(flow, *place, !flags.contains(ASTFlags::NEGATED))
            }
            Stmt::For(parts, _) => {
                let counter = parts.1.as_ref().map(|name| name.name.as_str());
                self.each(&parts.0.name, counter, &parts.2)
            }
            Stmt::Block(block) => self.block(block.iter()),
            Stmt::TryCatch(flow, _) => self.attempt(flow),
            Stmt::Return(value, flags, place) => self.leave(value.as_deref(), *flags, *place),
            statement => self.simple_statement(statement),
        }
    }

    /// Follows a statement that has no other statements in it.
    fn simple_statement(&mut self, statement: &Stmt) -> Type {
        match statement {
            Stmt::Expr(expression) => self.expression(expression),
            Stmt::FnCall(call, place) => self.call(call, *place),
            Stmt::Assignment(assignment) => {
                let target = &assignment.1;
                self.assignment(&assignment.0, &target.lhs, &target.rhs)
            }
            Stmt::Var(variable, ..) => {
                let of = self.value(&variable.1);
                self.declare(&variable.0.name, of);
                of.unit_unless_never()
            }
            Stmt::BreakLoop(value, ..) => {
                if let Some(value) = value {
                    self.value(value);
                }
                Type::NEVER
            }
            Stmt::Import(import, place) => self.import(&import.0, *place),
            _ => Type::of(Kinds::UNIT),
        }
    }

    fn branches(&mut self, flow: &FlowControl) -> Type {
        self.condition(&flow.expr);
        let first = self.block(flow.body.iter());
        first.or(self.block(flow.branch.iter()))
    }

    fn switch(&mut self, value: &Expr, cases: &SwitchCasesCollection) -> Type {
        self.value(value);
        let mut result = match cases.def_case {
            Some(_) => Type::NEVER,
            None => Type::of(Kinds::UNIT),
        };
        for case in &cases.expressions {
            self.condition(&case.lhs);
            result = result.or(self.expression(&case.rhs));
        }
        result
    }

    /// Follows a loop that goes on while its condition is `goes_on`. A loop without a condition always does.
    fn repeated(&mut self, flow: &FlowControl, place: Position, goes_on: bool) -> Type {
        let is_endless = match &flow.expr {
            Expr::Unit(_) => true,
            Expr::BoolConstant(is, _) => *is == goes_on,
            condition => {
                self.condition(condition);
                false
            }
        };
        let body = self.block(flow.body.iter());
        if !is_endless {
            return Type::ANY;
        }
        let mut ways = ways_out(flow);
        // A function of the scripts may throw.
        ways.returns |= ways.calls.iter().any(|name| self.is_of_script(name));
        if ways.breaks {
            return Type::ANY;
        }
        if !ways.returns && !body.kinds.is_never() {
            self.error(
                place,
                "this loop never ends: add `break` or `return`, or a condition that becomes false; the script \
                 would fail at its limit of operations (scripts.limits.operations)",
            );
        }
        Type::NEVER
    }

    /// Returns whether any file has a function of this name.
    fn is_of_script(&self, name: &str) -> bool {
        self.sources
            .iter()
            .any(|source| source.named(name).next().is_some())
    }

    fn each(&mut self, item: &str, counter: Option<&str>, flow: &FlowControl) -> Type {
        let of = self.value(&flow.expr);
        let items = match &flow.expr {
            Expr::FnCall(call, _) if call.name.starts_with("..") => Type::of(Kinds::INT),
            _ => Type::ANY,
        };
        if of
            .kinds
            .is_within(Kinds::UNIT | Kinds::BOOL | Kinds::MAP | Kinds::CONTEXT | Kinds::CLIENT)
        {
            let advice = if of.kinds.overlaps(Kinds::MAP | Kinds::CLIENT) {
                "; use `for name in map.keys()`"
            } else {
                ""
            };
            let said = of.kinds.said();
            self.error(
                flow.expr.start_position(),
                format!("`for` needs an array or a range, not {said}{advice}"),
            );
        }
        let outside = self.variables.len();
        self.declare(item, items);
        if let Some(counter) = counter {
            self.declare(counter, Type::of(Kinds::INT));
        }
        self.block(flow.body.iter());
        self.variables.truncate(outside);
        Type::ANY
    }

    fn attempt(&mut self, flow: &FlowControl) -> Type {
        self.tries += 1;
        let body = self.block(flow.body.iter());
        self.tries -= 1;
        let outside = self.variables.len();
        if let Expr::Variable(caught, ..) = &flow.expr {
            self.declare(&caught.1, Type::ANY);
        }
        let caught = self.block(flow.branch.iter());
        self.variables.truncate(outside);
        if caught.kinds.is_never() {
            body
        } else {
            Type::ANY
        }
    }

    fn leave(&mut self, value: Option<&Expr>, flags: ASTFlags, place: Position) -> Type {
        let of = value.map_or(Type::of(Kinds::UNIT), |value| self.value(value));
        if flags.contains(ASTFlags::BREAK) {
            self.thrown(value, place);
        } else {
            self.returned = self.returned.or(of);
        }
        Type::NEVER
    }

    fn import(&mut self, path: &Expr, place: Position) -> Type {
        self.value(path);
        if !self.is_top {
            self.error(
                place,
                "a function cannot import a file: move the import to the beginning of the script, outside functions",
            );
        }
        Type::of(Kinds::UNIT)
    }

    fn assignment(&mut self, how: &OpAssignment, target: &Expr, value: &Expr) -> Type {
        let of = self.value(value);
        self.assigned(target, value, (!how.is_op_assignment()).then_some(of));
        of.unit_unless_never()
    }

    /// Follows a condition, which must be a Boolean.
    pub(super) fn condition(&mut self, condition: &Expr) {
        let of = self.value(condition).kinds;
        if of.is_never() || of.overlaps(Kinds::BOOL) {
            return;
        }
        let advice = match of.when_present() {
            Kinds::LIST => "; compare it, as in `!list.is_empty()`",
            Kinds::TEXT => "; compare it, as in `text != \"\"`",
            _ => "; compare it, as in `value != ()`",
        };
        let said = of.said();
        self.error(
            condition.start_position(),
            format!("a condition must be true or false, not {said}{advice}"),
        );
    }

    pub(super) fn expression(&mut self, expression: &Expr) -> Type {
        match expression {
            Expr::InterpolatedString(parts, _) => self.all(parts.iter(), Kinds::TEXT),
            Expr::Array(items, _) => self.all(items.iter(), Kinds::LIST),
            Expr::Map(map, _) => self.all(map.0.iter().map(|(_, value)| value), Kinds::MAP),
            Expr::Variable(variable, _, place) => self.named(&variable.1, &variable.2, *place),
            Expr::Stmt(block) => self.block(block.iter()),
            Expr::FnCall(call, place) => self.call(call, *place),
            Expr::Dot(..) | Expr::Index(..) => self.chain(expression),
            Expr::And(parts, _) | Expr::Or(parts, _) => self.conditions(parts),
            Expr::Coalesce(parts, _) => self.first_present(parts),
            constant => Type::of(Kinds::of_constant(constant)),
        }
    }

    fn conditions(&mut self, conditions: &[Expr]) -> Type {
        for condition in conditions {
            self.condition(condition);
        }
        Type::of(Kinds::BOOL)
    }

    /// Follows the parts of a value of the type `whole`.
    fn all<'b>(&mut self, parts: impl Iterator<Item = &'b Expr>, whole: Kinds) -> Type {
        for part in parts {
            self.value(part);
        }
        Type::of(whole)
    }

    fn first_present(&mut self, parts: &[Expr]) -> Type {
        let mut result = Type::NEVER;
        for part in parts {
            self.absence_tests += 1;
            let of = self.value(part);
            self.absence_tests -= 1;
            let kinds = result.kinds.without(Kinds::UNIT);
            let present = Type { kinds, ..result };
            result = present.or(of);
        }
        result
    }
}

/// How the body of a loop can be left, apart from its end.
#[derive(Default)]
struct Ways {
    breaks: bool,
    returns: bool,
    /// The names of the functions that it calls.
    calls: BTreeSet<String>,
}

/// Returns how the body of a loop can be left. `break` leaves the innermost loop only.
fn ways_out(flow: &FlowControl) -> Ways {
    let mut ways = Ways::default();
    for statement in &flow.body {
        statement.walk(&mut Vec::new(), &mut |path| {
            let is_loop = |node: &ASTNode<'_>| {
                matches!(
                    node,
                    ASTNode::Stmt(Stmt::While(..) | Stmt::Do(..) | Stmt::For(..))
                )
            };
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Return(..))) => ways.returns = true,
                Some(
                    ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))
                    | ASTNode::Stmt(Stmt::FnCall(call, _)),
                ) => ways.calls.extend([call.name.to_string()]),
                Some(ASTNode::Stmt(Stmt::BreakLoop(_, flags, _)))
                    if flags.contains(ASTFlags::BREAK) && !path.iter().any(is_loop) =>
                {
                    ways.breaks = true;
                }
                _ => {}
            }
            true
        });
    }
    ways
}
