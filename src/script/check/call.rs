//! Calls of functions and methods, and names of variables.

use std::collections::BTreeMap;

use rhai::{Expr, FnCallExpr, Namespace, Position};

use super::chain::{Step, steps};
use super::constants::result_of_host;
use super::foreign;
use super::kinds::{Kinds, Type};
use super::known::{Overload, Vocabulary};
use super::source::{Function, ScriptFile};
use super::walk::Walk;
use crate::config::nearest;
use crate::script::{host_functions, readable, written};

impl<'a> Walk<'a> {
    /// Follows an expression whose value is used.
    pub(super) fn value(&mut self, expression: &Expr) -> Type {
        let of = self.expression(expression);
        if of.kinds == Kinds::UNIT
            && let (root, steps) = steps(expression)
            && let Some(Step::Method(call, place)) = steps.last()
            && self.known.functions.contains_key(call.name.as_str())
            && self.own(&call.name).next().is_none()
        {
            let variable = match (root, steps.len()) {
                (Expr::Variable(variable, ..), 1) => variable.1.as_str(),
                _ => "text",
            };
            let name = &call.name;
            self.error(
                *place,
                format!(
                    "`{name}` changes the value in place and returns (): call it in a statement of its own, as in \
                     `{variable}.{name}(..);`, and then use `{variable}`"
                ),
            );
            return Type::ANY;
        }
        of
    }

    /// Returns the type of a variable or a constant.
    pub(super) fn named(&mut self, name: &str, namespace: &Namespace, place: Position) -> Type {
        if namespace.is_empty() {
            return self.variable(name).unwrap_or(Type::ANY);
        }
        let Some(source) = self.source() else {
            return Type::ANY;
        };
        let root = namespace.root();
        if root == "global" {
            if !source.constants.contains(name) {
                let known = source.constants.iter().map(String::as_str);
                let advice = match nearest(name, known) {
                    Some(near) => format!("did you mean global::{near}?"),
                    None => "declare it outside functions with `const`".to_owned(),
                };
                self.error(
                    place,
                    format!("there is no constant global::{name}; {advice}"),
                );
            }
            return Type::ANY;
        }
        if let Some(library) = self.imported(namespace)
            && !library.exports.contains(name)
        {
            let file = &library.file;
            self.error(
                place,
                format!("{file} has no exported variable '{name}'; declare it with `export const`"),
            );
        }
        Type::ANY
    }

    fn own(&self, name: &str) -> impl Iterator<Item = (usize, &'a Function)> + use<'a> {
        let functions = self.source().into_iter();
        let name = name.to_owned();
        functions
            .flat_map(|source| source.functions.iter().enumerate())
            .filter(move |(_, function)| function.name == name)
    }

    /// Returns the file that is imported under `namespace`, if it is known.
    fn imported(&self, namespace: &Namespace) -> Option<&'a ScriptFile> {
        let mut source = self.source()?;
        for alias in &namespace.path {
            let path = source.imports.get(alias.as_str())?.as_ref()?;
            let file = format!("{path}.rhai");
            source = self.sources.iter().find(|source| source.file == file)?;
        }
        Some(source)
    }

    /// Follows a call of a function.
    pub(super) fn call(&mut self, call: &FnCallExpr, place: Position) -> Type {
        if call.op_token.is_some() {
            return self.operator(call, place);
        }
        let arguments = self.arguments(call);
        if !call.namespace.is_empty() {
            return self.qualified(call, &arguments, place);
        }
        if self.searches_nothing(call, &arguments) {
            return Type::of(Kinds::BOOL);
        }
        if let ("contains", [searched, _], [_, item]) = (
            call.name.as_str(),
            arguments.as_slice(),
            call.args.as_slice(),
        ) {
            self.searched(*searched, item);
        }
        self.unqualified(call, &arguments, place)
    }

    /// Follows a call of a function outside modules.
    fn unqualified(&mut self, call: &FnCallExpr, arguments: &[Type], place: Position) -> Type {
        let name = call.name.as_str();
        self.shown(name, call, arguments, place);
        if let Some((index, function)) = self.own_with(name, arguments.len()) {
            return self.called((self.file, index), function, arguments);
        }
        if let Some(result) = self.accepted(("", name), self.known.forms(name), arguments, place) {
            return Type::of(result);
        }
        if let Some((result, true)) = Vocabulary::built_in(name, arguments.len()) {
            return Type::of(result);
        }
        let message = self.unknown_function(name, arguments.len());
        self.error(place, message);
        Type::ANY
    }

    /// Returns the function of this file with this name and number of parameters.
    pub(super) fn own_with(&self, name: &str, arguments: usize) -> Option<(usize, &'a Function)> {
        let mut own = self.own(name);
        own.find(|(_, function)| function.parameters.len() == arguments)
    }

    pub(super) fn arguments(&mut self, call: &FnCallExpr) -> Vec<Type> {
        let mut types = Vec::new();
        let is_test = asks_for_absence(call);
        self.absence_tests += usize::from(is_test);
        for argument in &call.args {
            types.push(self.value(argument));
        }
        self.absence_tests -= usize::from(is_test);
        types
    }

    /// Warns of a structure that is printed as a whole.
    fn shown(&mut self, name: &str, call: &FnCallExpr, arguments: &[Type], place: Position) {
        let is_structure = |of: &Type| of.kinds.when_present().is_within(Kinds::STRUCTURE);
        if !matches!(name, "print" | "debug") || !arguments.iter().any(is_structure) {
            return;
        }
        let said = arguments
            .first()
            .map_or_else(String::new, |of| of.kinds.when_present().said());
        let place = call.args.first().map_or(place, Expr::start_position);
        self.warning(
            place,
            format!(
                "`{name}` writes the whole of {said} to the log, which can hold more than you want there; write the \
                 members that you need, as in `log::info(`name: ${{context.client.client_name}}`)`"
            ),
        );
    }

    /// Notes the arguments of a call of a function, and returns its result.
    pub(super) fn called(
        &mut self,
        id: (usize, usize),
        function: &Function,
        arguments: &[Type],
    ) -> Type {
        let known = self.learned.arguments.entry(id);
        let known = known.or_insert_with(|| vec![Type::NEVER; function.parameters.len()]);
        for (known, argument) in known.iter_mut().zip(arguments) {
            *known = known.or(*argument);
        }
        self.before.results.get(&id).copied().unwrap_or(Type::ANY)
    }

    /// Returns the result of the forms that take these arguments. Reports arguments that none takes. `None`
    /// when no form takes this number of arguments.
    fn accepted(
        &mut self,
        (module, name): (&str, &str),
        forms: &[Overload],
        arguments: &[Type],
        place: Position,
    ) -> Option<Kinds> {
        let mut result = None;
        let mut has_number = false;
        for form in forms {
            if form.parameters.len() == arguments.len() {
                has_number = true;
                if takes(form, arguments) {
                    result = Some(result.unwrap_or(Kinds::NEVER) | form.result);
                }
            }
        }
        if has_number && result.is_none() && !arguments.iter().any(|of| of.kinds.is_never()) {
            self.error(place, wrong_arguments(module, name, forms, arguments));
        }
        has_number.then_some(result.unwrap_or(Kinds::ANY))
    }

    fn unknown_function(&self, name: &str, arguments: usize) -> String {
        let given = counted(arguments);
        if let Some((_, function)) = self.own(name).next() {
            let parameters = function.parameters.join(", ");
            return format!("{name}({parameters}) is called with {given}");
        }
        let forms = self.known.forms(name);
        if Vocabulary::built_in(name, arguments).is_some() || !forms.is_empty() {
            return format!("{name} is called with {given}, {}", numbers(forms));
        }
        if let Some(advice) = foreign::function(name) {
            return format!("there is no function {name}; {advice}");
        }
        let own = self.source().into_iter().flat_map(ScriptFile::names);
        match nearest(name, own.chain(self.known.names())) {
            Some(near) => format!("there is no function {name}; did you mean {near}?"),
            None => format!(
                "there is no function {name}; declare it with `fn {name}(..)`, or call it with its module, as in \
                 module::{name}(..)"
            ),
        }
    }

    fn qualified(&mut self, call: &FnCallExpr, arguments: &[Type], place: Position) -> Type {
        let known = self.known;
        let name = call.name.as_str();
        let root = call.namespace.root();
        if self
            .source()
            .is_some_and(|source| source.imports.contains_key(root))
        {
            return match self.imported(&call.namespace) {
                Some(library) => self.library_call(library, name, arguments, place),
                None => Type::ANY,
            };
        }
        let Some(functions) = known.modules.get(root) else {
            return Type::ANY;
        };
        let Some(forms) = functions.get(name) else {
            let message = unknown_in_module(root, name, functions);
            self.error(place, message);
            return Type::ANY;
        };
        if let Some(result) = self.accepted((root, name), forms, arguments, place) {
            self.constants(root, call);
            return result_of_host(root, name, result);
        }
        self.error(place, wrong_arguments(root, name, forms, arguments));
        Type::ANY
    }

    fn library_call(
        &mut self,
        library: &'a ScriptFile,
        name: &str,
        arguments: &[Type],
        place: Position,
    ) -> Type {
        let mut files = self.sources.iter();
        let file = files.position(|source| source.file == library.file);
        let mut public = library
            .named(name)
            .filter(|(_, function)| !function.is_private);
        let fitting = public.find(|(_, function)| function.parameters.len() == arguments.len());
        if let (Some((index, function)), Some(file)) = (fitting, file) {
            return self.called((file, index), function, arguments);
        }
        self.error(place, missing_in_library(library, name, arguments.len()));
        Type::ANY
    }
}

/// Returns whether a call asks whether a value is absent, or of which type it is.
pub(super) fn asks_for_absence(call: &FnCallExpr) -> bool {
    let is_unit = |argument: &Expr| matches!(argument, Expr::Unit(_));
    match call.name.as_str() {
        "==" | "!=" => call.args.iter().any(is_unit),
        "type_of" => true,
        _ => false,
    }
}

/// Explains a call of a function that a library does not have, or not with this number of arguments.
fn missing_in_library(library: &ScriptFile, name: &str, arguments: usize) -> String {
    let file = &library.file;
    if let Some((_, function)) = library.named(name).next() {
        if function.is_private {
            return format!("{name} of {file} is private; remove `private` before its `fn`");
        }
        let parameters = function.parameters.join(", ");
        return format!(
            "{name}({parameters}) of {file} is called with {}",
            counted(arguments)
        );
    }
    let all: Vec<&str> = library.names().collect();
    let advice = match nearest(name, all.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if all.is_empty() => "it has no functions".to_owned(),
        None => format!("it has {}", all.join(", ")),
    };
    format!("{file} has no function {name}; {advice}")
}

/// Returns whether a form takes these arguments, as far as their types are known.
pub(super) fn takes(form: &Overload, arguments: &[Type]) -> bool {
    let mut pairs = form.parameters.iter().zip(arguments);
    form.parameters.len() == arguments.len() && pairs.all(|(due, of)| of.kinds.overlaps(*due))
}

pub(super) fn counted(arguments: usize) -> String {
    match arguments {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        more => format!("{more} arguments"),
    }
}

fn numbers(forms: &[Overload]) -> String {
    let mut numbers: Vec<usize> = forms.iter().map(|form| form.parameters.len()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    if numbers.is_empty() {
        "which is the wrong number".to_owned()
    } else {
        format!("but takes {}", numbers.join(" or "))
    }
}

pub(super) fn said(arguments: &[Type]) -> String {
    let said: Vec<String> = arguments.iter().map(|of| of.kinds.said()).collect();
    said.join(", ")
}

fn wrong_arguments(module: &str, name: &str, forms: &[Overload], arguments: &[Type]) -> String {
    let mut documented = Vec::new();
    for function in host_functions() {
        let call = readable(&format!("{}::{}(", function.module, function.name()));
        if call.strip_suffix('(') == Some(&format!("{module}::{name}")) {
            documented.push(function.parameters());
        }
    }
    let call = if module.is_empty() {
        name.to_owned()
    } else {
        written(&format!("{module}::{name}("))
    };
    let call = call.trim_end_matches('(');
    if !documented.is_empty() {
        return format!(
            "{call} takes {}, not ({})",
            documented.join(" or "),
            said(arguments)
        );
    }
    let has_number = forms
        .iter()
        .any(|form| form.parameters.len() == arguments.len());
    if has_number {
        format!("{call} does not take ({})", said(arguments))
    } else {
        format!(
            "{call} is called with {}, {}",
            counted(arguments.len()),
            numbers(forms)
        )
    }
}

fn unknown_in_module(
    module: &str,
    name: &str,
    functions: &BTreeMap<String, Vec<Overload>>,
) -> String {
    let names: Vec<&str> = functions.keys().map(String::as_str).map(plain).collect();
    let advice = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {module}::{near}?"),
        None => format!("it has {}", names.join(", ")),
    };
    format!("the module {module} has no function {name}; {advice}")
}

/// Returns the name as scripts write it.
fn plain(name: &str) -> &str {
    if name == "dbug_" { "debug" } else { name }
}
