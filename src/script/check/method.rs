//! Calls of methods.

use std::collections::BTreeSet;

use rhai::{FnCallExpr, Position};

use super::call::{counted, said, takes};
use super::chain::context_type;
use super::foreign;
use super::kinds::{Kinds, Shape, Type};
use super::known::{Overload, context_names};
use super::walk::Walk;
use crate::config::nearest;
use crate::script::CONTEXT_MEMBERS;

/// Methods that the engine handles itself.
const BUILT_IN: [&str; 4] = ["call", "curry", "is_shared", "type_of"];

impl Walk<'_> {
    /// Follows a call of a method of a value of the type `of`.
    pub(super) fn method(&mut self, of: Type, call: &FnCallExpr, place: Position) -> Type {
        let arguments = self.arguments(call);
        let name = call.name.as_str();
        if let Some(member) = janssen_member(of, name) {
            return member;
        }
        if let Some((index, function)) = self.own_with(name, arguments.len()) {
            return self.called((self.file, index), function, &arguments);
        }
        if let ("contains", [item]) = (name, call.args.as_slice()) {
            self.searched(of, item);
        }
        if BUILT_IN.contains(&name) || self.may_be_property(of, name) {
            return Type::ANY;
        }
        self.absent(of, name, place);
        let mut whole = vec![Type::of(of.kinds.when_present())];
        whole.extend(&arguments);
        self.native_method(call, &whole, place)
    }

    /// Follows a call of a registered method. `whole` is the value and the arguments.
    fn native_method(&mut self, call: &FnCallExpr, whole: &[Type], place: Position) -> Type {
        let name = call.name.as_str();
        let forms = self.known.forms(name);
        if forms.iter().any(|form| takes(form, whole)) {
            self.status(name, call);
            return Type::of(result_of(forms, whole));
        }
        if !whole.iter().any(|of| of.kinds.is_never()) {
            let kinds = whole.first().map_or(Kinds::ANY, |of| of.kinds);
            let message = self.unknown_method(kinds, name, whole);
            self.error(place, message);
        }
        Type::ANY
    }

    /// Returns whether `name` may be a function that is kept in a map.
    fn may_be_property(&self, of: Type, name: &str) -> bool {
        of.kinds.overlaps(Kinds::MAP | Kinds::OTHER)
            && of.shape.is_none()
            && self
                .sources
                .iter()
                .any(|source| source.properties.contains(name))
    }

    /// Returns the names of the methods of a value of these types.
    pub(super) fn methods(&self, kinds: Kinds) -> Vec<&str> {
        let mut names = Vec::new();
        for (name, forms) in &self.known.functions {
            let mut firsts = forms.iter().filter_map(|form| form.parameters.first());
            if firsts.any(|first| first.overlaps(kinds) && !first.is_any()) {
                names.push(name.strip_prefix("get$").unwrap_or(name));
            }
        }
        names
    }

    fn unknown_method(&self, kinds: Kinds, name: &str, whole: &[Type]) -> String {
        if kinds == Kinds::UNIT {
            return format!("the value before `.{name}` is always (), so it has no methods");
        }
        let mut numbers = BTreeSet::new();
        for form in self.known.forms(name) {
            let first = form.parameters.first();
            if first.is_some_and(|first| first.overlaps(kinds)) {
                numbers.insert(form.parameters.len());
            }
        }
        if numbers.is_empty() {
            return self.missing_method(kinds, name);
        }
        let given = whole.get(1..).unwrap_or_default();
        if numbers.contains(&whole.len()) {
            return format!("`{name}` does not take ({})", said(given));
        }
        let numbers: Vec<String> = numbers.iter().map(|number| counted(number - 1)).collect();
        let given = counted(given.len());
        format!("`{name}` takes {}, not {given}", numbers.join(" or "))
    }

    fn missing_method(&self, kinds: Kinds, name: &str) -> String {
        let owner = if kinds.is_any() {
            "no value has a method".to_owned()
        } else {
            format!("{} has no method", kinds.said())
        };
        if let Some(advice) = foreign::method(name) {
            return format!("{owner} `{name}`; {advice}");
        }
        let mut methods = self.methods(kinds);
        for member in context_names().filter(|_| kinds == Kinds::CONTEXT) {
            methods.push(member);
        }
        match nearest(name, methods.iter().copied()) {
            Some(near) => format!("{owner} `{name}`; did you mean `{near}`?"),
            None => format!("{owner} `{name}`"),
        }
    }
}

/// Returns the type of a member of `context` that is read with Janssen's spelling, as in `getClient()`.
fn janssen_member(of: Type, name: &str) -> Option<Type> {
    let Some(Shape::Context(client)) = of.shape else {
        return None;
    };
    let spelling = format!("{name}()");
    let member = CONTEXT_MEMBERS
        .iter()
        .find(|member| member.spelling == spelling)?;
    Some(context_type(client, member.name))
}

fn result_of(forms: &[Overload], arguments: &[Type]) -> Kinds {
    let mut result = Kinds::NEVER;
    for form in forms {
        if takes(form, arguments) {
            result = result | form.result;
        }
    }
    result
}
