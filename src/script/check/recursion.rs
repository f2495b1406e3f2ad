//! Functions that call themselves whatever happens, so that no call of them ever ends.

use rhai::{ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::source::{Function, ScriptFile};
use super::{Finding, Severity, finding};

/// Returns the functions of a file that always call themselves.
pub(super) fn endless(source: &ScriptFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for function in &source.functions {
        if let Some(place) = endless_call(source, function) {
            let name = &function.name;
            let message = format!(
                "{name} always calls itself, so it never ends: return before this call when nothing is left to do; \
                 the script would fail at its limit of calls (scripts.limits.callDepth)"
            );
            findings.push(finding(source, Severity::Error, place, &message));
        }
    }
    findings
}

/// Returns where a function calls itself before it can end in any other way.
fn endless_call(source: &ScriptFile, function: &Function) -> Option<Position> {
    for statement in &function.body {
        let effect = effect(source, function, statement);
        if effect.may_end {
            return None;
        }
        if effect.call.is_some() {
            return effect.call;
        }
    }
    None
}

/// What one statement of a function does.
#[derive(Default)]
struct Effect {
    /// Where it calls the function again, in any case.
    call: Option<Position>,
    /// Whether it may end the function.
    may_end: bool,
}

fn effect(source: &ScriptFile, function: &Function, statement: &Stmt) -> Effect {
    let mut effect = Effect::default();
    statement.walk(&mut Vec::new(), &mut |path| {
        match path.last() {
            // The value of a `return` or `throw` is evaluated first.
            Some(ASTNode::Stmt(Stmt::Return(..))) => effect.may_end |= path.len() > 1,
            Some(
                ASTNode::Expr(Expr::FnCall(call, place)) | ASTNode::Stmt(Stmt::FnCall(call, place)),
            ) => {
                if !is_own(function, call) {
                    effect.may_end |= may_throw(source, call);
                } else if !path.iter().any(is_optional) {
                    effect.call = effect.call.or(Some(*place));
                }
            }
            Some(ASTNode::Expr(Expr::MethodCall(..))) => effect.may_end = true,
            _ => {}
        }
        true
    });
    let is_return = matches!(statement, Stmt::Return(..));
    effect.may_end |= is_return && effect.call.is_none();
    effect
}

fn is_own(function: &Function, call: &FnCallExpr) -> bool {
    call.namespace.is_empty()
        && call.name == function.name
        && call.args.len() == function.parameters.len()
}

/// Returns whether a call may throw something that is meant to end the function. Operators and log lines do not.
fn may_throw(source: &ScriptFile, call: &FnCallExpr) -> bool {
    let is_operator = call.op_token.is_some();
    let is_log = !call.namespace.is_empty() && call.namespace.root() == "log";
    let is_printed = matches!(call.name.as_str(), "print" | "debug")
        && source.named(&call.name).next().is_none();
    !(is_operator || is_log || is_printed)
}

/// Returns whether what is in a node may be left out, or its failure caught.
fn is_optional(node: &ASTNode<'_>) -> bool {
    match node {
        ASTNode::Stmt(
            Stmt::If(..)
            | Stmt::Switch(..)
            | Stmt::While(..)
            | Stmt::Do(..)
            | Stmt::For(..)
            | Stmt::TryCatch(..),
        )
        | ASTNode::Expr(Expr::And(..) | Expr::Or(..) | Expr::Coalesce(..)) => true,
        // `?.` and `?[`
        ASTNode::Expr(Expr::Dot(_, flags, _) | Expr::Index(_, flags, _)) => {
            flags.contains(ASTFlags::NEGATED)
        }
        _ => false,
    }
}
