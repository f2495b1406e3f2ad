//! The files of a set, taken apart: their functions, their imports, and what they export.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTFlags, ASTNode, Engine, Expr, FnAccess, FnPtr, Position, Stmt};

use super::call::asks_for_absence;
use crate::script::{Texts, declaration};

/// One file.
pub(super) struct ScriptFile {
    /// Its name, relative to the folder.
    pub(super) file: String,
    pub(super) text: String,
    /// The statements outside functions.
    pub(super) top: Vec<Stmt>,
    pub(super) functions: Vec<Function>,
    /// The files that it imports, by alias. `None` when the name of the file is not a constant.
    pub(super) imports: BTreeMap<String, Option<String>>,
    /// The constants of its top level.
    pub(super) constants: BTreeSet<String>,
    /// The variables that it exports.
    pub(super) exports: BTreeSet<String>,
    /// The names of the properties that its maps have, which may be functions.
    pub(super) properties: BTreeSet<String>,
    pub(super) mentions: Mentions,
    /// Whether it has a `catch`.
    pub(super) catches: bool,
}

/// The names that may be those of functions.
#[derive(Default)]
pub(super) struct Mentions {
    /// The texts in a file, one of which may be the name of a function.
    pub(super) texts: BTreeSet<String>,
    /// The names of the functions that it calls.
    calls: BTreeSet<String>,
}

impl Mentions {
    pub(super) fn of(ast: &AST) -> Self {
        let mut mentions = Self::default();
        ast.walk(&mut |path| {
            match path.last() {
                Some(
                    ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))
                    | ASTNode::Stmt(Stmt::FnCall(call, _)),
                ) => {
                    mentions.calls.insert(call.name.to_string());
                }
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                    mentions.texts.insert(text.to_string());
                }
                // The optimizer makes a value of `Fn("name")`.
                Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                    if let Some(pointer) = value.read_lock::<FnPtr>() {
                        mentions.calls.insert(pointer.fn_name().to_owned());
                    }
                }
                _ => {}
            }
            true
        });
        mentions
    }

    /// Returns whether the function called `name` is called, or may be.
    pub(super) fn function(&self, name: &str) -> bool {
        self.calls.contains(name) || self.texts.contains(name)
    }
}

/// A function of a file. Closures are functions too.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: Vec<String>,
    pub(super) body: Vec<Stmt>,
    pub(super) is_private: bool,
    /// Where it is declared.
    pub(super) place: Position,
    /// Its closing brace.
    pub(super) end: Position,
    pub(super) changes: VariableChanges,
    /// Whether it asks of any value whether it is absent.
    pub(super) tests_absence: bool,
    /// The names of the properties that it may ask for.
    tested: BTreeSet<String>,
}

impl Function {
    /// Returns whether it is a closure.
    pub(super) fn is_closure(&self) -> bool {
        self.name.starts_with("anon$")
    }
}

/// Takes all files apart that can be parsed.
pub(super) fn sources(engine: &Engine, texts: &Texts) -> Vec<ScriptFile> {
    let mut sources = Vec::new();
    for (file, text) in &texts.scripts {
        sources.extend(source(engine, file, text));
    }
    for (name, text) in &texts.libraries {
        sources.extend(source(engine, &format!("{name}.rhai"), text));
    }
    sources
}

fn source(engine: &Engine, file: &str, text: &str) -> Option<ScriptFile> {
    let ast = engine.compile(text).ok()?;
    let mut source = ScriptFile {
        file: file.to_owned(),
        text: text.to_owned(),
        top: statements(&ast.clone_statements_only()),
        functions: functions(&ast, text),
        imports: BTreeMap::new(),
        constants: BTreeSet::new(),
        exports: BTreeSet::new(),
        properties: BTreeSet::new(),
        mentions: Mentions::of(&ast),
        catches: false,
    };
    source.note_top_level();
    ast.walk(&mut |path| {
        source.note(path.last());
        true
    });
    Some(source)
}

impl ScriptFile {
    fn note_top_level(&mut self) {
        for statement in &self.top {
            match statement {
                Stmt::Import(import, _) => {
                    let path = match &import.0 {
                        Expr::StringConstant(path, _) => Some(path.to_string()),
                        _ => None,
                    };
                    self.imports.insert(import.1.name.to_string(), path);
                }
                Stmt::Var(variable, flags, _) => {
                    if flags.contains(ASTFlags::CONSTANT) {
                        self.constants.insert(variable.0.name.to_string());
                    }
                    if flags.contains(ASTFlags::EXPORTED) {
                        self.exports.insert(variable.0.name.to_string());
                    }
                }
                Stmt::Export(export, _) => {
                    let (variable, alias) = (&export.0.name, &export.1.name);
                    let name = if alias.is_empty() { variable } else { alias };
                    self.exports.insert(name.to_string());
                }
                _ => {}
            }
        }
    }

    /// Notes names that may be those of functions in maps.
    fn note(&mut self, node: Option<&ASTNode<'_>>) {
        match node {
            Some(ASTNode::Expr(Expr::Map(map, _))) => {
                for (name, _) in &map.0 {
                    self.properties.insert(name.name.to_string());
                }
            }
            Some(ASTNode::Stmt(Stmt::TryCatch(..))) => self.catches = true,
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                if let Some(name) = last_property(&assignment.1.lhs) {
                    self.properties.insert(name);
                }
            }
            _ => {}
        }
    }

    /// Returns the names of its functions.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let functions = self
            .functions
            .iter()
            .filter(|function| !function.is_closure());
        functions.map(|function| function.name.as_str())
    }

    /// Returns whether it may ask anywhere whether the property called `name` is absent.
    pub(super) fn may_test(&self, name: &str) -> bool {
        self.mentions.texts.contains(name)
            || self
                .functions
                .iter()
                .any(|function| function.tested.contains(name))
    }

    /// Returns the functions called `name`, with their indexes.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Function)> {
        let all = self.functions.iter().enumerate();
        all.filter(move |(_, function)| function.name == name)
    }
}

/// Returns the name of the property that an assignment to `target` sets.
fn last_property(target: &Expr) -> Option<String> {
    match target {
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => last_property(&pair.rhs),
        Expr::Property(property, _) => Some(property.2.to_string()),
        Expr::StringConstant(name, _) => Some(name.to_string()),
        _ => None,
    }
}

fn functions(ast: &AST, text: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (_, access, name, parameters, definition) in ast.shared_lib().iter_script_fn_info() {
        let mut own = ast.clone_functions_only();
        own.retain_functions(|_, _, other, count| other == name && count == parameters);
        let place = declaration(text, name);
        functions.push(Function {
            name: name.to_owned(),
            parameters: definition.params.iter().map(ToString::to_string).collect(),
            body: statements(&own),
            is_private: access == FnAccess::Private,
            place: if place.is_none() {
                definition.body.start_position()
            } else {
                place
            },
            end: definition.body.end_position(),
            changes: changes(&own),
            tests_absence: tests_absence(&own),
            tested: tested(&own),
        });
    }
    functions.sort_by_key(|function| (function.place.line(), function.place.position()));
    functions
}

/// Returns the statements of an AST that has a single function, or none.
fn statements(ast: &AST) -> Vec<Stmt> {
    let mut statements = Vec::new();
    ast.walk(&mut |path| {
        if let [ASTNode::Stmt(statement)] = path {
            statements.push((*statement).clone());
        }
        true
    });
    statements
}

/// The variables of a function that do not keep the value with which they are declared.
#[derive(Default)]
pub(super) struct VariableChanges {
    /// Variables that are assigned to.
    pub(super) assigned: BTreeSet<String>,
    /// Variables whose value is changed in place, or that a closure shares.
    pub(super) altered: BTreeSet<String>,
}

pub(super) fn changes(ast: &AST) -> VariableChanges {
    let mut changes = VariableChanges::default();
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => match &assignment.1.lhs {
                Expr::Variable(variable, ..) => changes.assigned.extend([variable.1.to_string()]),
                target => changes.altered.extend(root_variable(target)),
            },
            Some(ASTNode::Stmt(Stmt::Share(shared))) => {
                let names = shared.iter().map(|(name, _)| name.name.to_string());
                changes.altered.extend(names);
            }
            Some(ASTNode::Expr(chain @ (Expr::Dot(pair, ..) | Expr::Index(pair, ..))))
                if may_change(&pair.rhs) =>
            {
                changes.altered.extend(root_variable(chain));
            }
            _ => {}
        }
        true
    });
    changes
}

/// Returns whether anything asks whether a value is absent.
fn tests_absence(ast: &AST) -> bool {
    let mut tests = false;
    ast.walk(&mut |path| {
        tests |= match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                asks_for_absence(call)
            }
            Some(ASTNode::Expr(Expr::Coalesce(..)) | ASTNode::Stmt(Stmt::Switch(..))) => true,
            // `?.` and `?[`
            Some(ASTNode::Expr(Expr::Dot(_, flags, _) | Expr::Index(_, flags, _))) => {
                flags.contains(ASTFlags::NEGATED)
            }
            _ => false,
        };
        true
    });
    tests
}

/// Returns the properties of which something may ask whether they are absent: all, if it asks that of any value, and
/// otherwise those that are passed to another function.
fn tested(ast: &AST) -> BTreeSet<String> {
    let mut tested = BTreeSet::new();
    let is_any = tests_absence(ast);
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Property(property, _))) if is_any => {
                tested.insert(property.2.to_string());
            }
            Some(
                ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))
                | ASTNode::Stmt(Stmt::FnCall(call, _)),
            ) if call.op_token.is_none() => {
                tested.extend(call.args.iter().filter_map(last_property));
            }
            _ => {}
        }
        true
    });
    tested
}

/// Methods that can give a variable another type, or a map other members.
const CHANGING: [&str; 8] = [
    "push",
    "set",
    "mixin",
    "fill_with",
    "insert",
    "take",
    "remove",
    "clear",
];

/// Returns whether a chain has a method that may change the type of the value at its root.
fn may_change(chain: &Expr) -> bool {
    match chain {
        Expr::MethodCall(call, _) => CHANGING.contains(&call.name.as_str()),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => {
            may_change(&pair.lhs) || may_change(&pair.rhs)
        }
        _ => false,
    }
}

/// Returns the variable at the beginning of a chain.
fn root_variable(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => root_variable(&pair.lhs),
        _ => None,
    }
}
