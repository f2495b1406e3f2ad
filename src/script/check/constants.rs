//! The arguments of host functions, as far as they are constants, and the members of their results.

use std::collections::BTreeSet;

use rhai::{Expr, FnCallExpr, Position};

use super::kinds::{Kinds, Shape, Type};
use super::known::{host_function, instead, option_names, result_names};
use super::walk::Walk;
use crate::config::nearest;
use crate::script::{ConstantPlace, constant_fault};

/// Returns the type of the result of a function of a module, which has the types `kinds`.
pub(super) fn result_of_host(module: &str, name: &str, kinds: Kinds) -> Type {
    let documented = host_function(module, name).filter(|_| result_names(module, name).is_some());
    let shape = documented.map(|function| Shape::Result(function.module, function.name()));
    Type { kinds, shape }
}

impl Walk<'_> {
    /// Returns the type of a member of the map that a function of a module returns.
    pub(super) fn result_member(
        &mut self,
        (module, function): (&str, &str),
        name: &str,
        place: Position,
    ) -> Type {
        let names = result_names(module, function).unwrap_or_default();
        if !names.contains(&name) {
            let advice = instead(name, &names);
            let message =
                format!("the result of {module}::{function} has no member '{name}'; {advice}");
            self.error(place, message);
        }
        match (module, name) {
            ("http", "headers") => Type::HEADERS,
            ("http", "status") => Type::of(Kinds::INT),
            ("http", "body") | ("uri", "scheme" | "path") => Type::of(Kinds::TEXT),
            ("uri", "host" | "query") => Type::of(Kinds::TEXT | Kinds::UNIT),
            ("uri", "port") => Type::of(Kinds::INT | Kinds::UNIT),
            _ => Type::ANY,
        }
    }

    /// Returns the type of a member of `context.configurationAttributes`.
    pub(super) fn attribute(&mut self, name: &str, place: Position) -> Type {
        let attributes = &self.known.attributes;
        if let Some(value) = attributes.get(name) {
            return Type::of(Kinds::of_json(value));
        }
        // An attribute of a similar name may be an optional one.
        if self.absence_tests == 0
            && let Some(near) = nearest(name, attributes.keys().map(String::as_str))
        {
            let message =
                format!("[scripts.attributes] does not set `{name}`; did you mean `{near}`?");
            self.warning(place, message);
        }
        Type::ANY
    }

    /// Checks the constants in a call of a function of a module.
    pub(super) fn constants(&mut self, module: &str, call: &FnCallExpr) {
        let function = (module, call.name.as_str());
        for (index, argument) in call.args.iter().enumerate() {
            match argument {
                Expr::StringConstant(text, place) => {
                    self.constant(function, ConstantPlace::Argument(index), text, *place);
                    if matches!(
                        (function, index),
                        (("secrets", "get"), 0) | (("jwt", "sign"), 1)
                    ) {
                        self.secret(text, *place);
                    }
                }
                // The options are the last argument; the one before may be a JWK Set.
                Expr::Map(map, _) if index + 1 == call.args.len() => {
                    for (name, value) in &map.0 {
                        self.option(function, name.as_str(), (name.pos, value));
                    }
                }
                _ => {}
            }
        }
    }

    fn constant(
        &mut self,
        function: (&str, &str),
        at: ConstantPlace<'_>,
        text: &str,
        place: Position,
    ) {
        // A script may want the failure.
        if self.tries == 0
            && let Some(fault) = constant_fault(function, at, text)
        {
            let (module, name) = function;
            self.error(
                place,
                format!("{module}::{name} always fails here: {fault}"),
            );
        }
    }

    /// Checks a member of a map that is passed to a function.
    fn option(&mut self, function: (&str, &str), name: &str, (place, value): (Position, &Expr)) {
        let (module, called) = function;
        // The other maps that are arguments have members of any name.
        let Some(names) = option_names(module, called) else {
            return;
        };
        if names.contains(&name) {
            if let Expr::StringConstant(text, place) = value {
                self.constant(function, ConstantPlace::Member(name), text, *place);
            }
            return;
        }
        let near = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean '{near}'? It"),
            None => "it".to_owned(),
        };
        let names = names.join(", ");
        self.error(
            place,
            format!("{module}::{called} takes no member '{name}'; {near} takes {names}"),
        );
    }

    /// Checks the name of a secret.
    fn secret(&mut self, name: &str, place: Position) {
        let secrets: &BTreeSet<String> = &self.known.secrets;
        if secrets.is_empty() || secrets.contains(name) {
            return;
        }
        // A script may come before its secret.
        if let Some(near) = nearest(name, secrets.iter().map(String::as_str)) {
            let message =
                format!("[scripts.secrets] has no secret '{name}'; did you mean '{near}'?");
            self.error(place, message);
        }
    }

    /// Reports the name of a header that is not in lower case.
    pub(super) fn header(&mut self, name: &str, place: Position) {
        if name.chars().any(char::is_uppercase) {
            let lower = name.to_lowercase();
            self.error(
                place,
                format!("the names of headers are in lower case; write \"{lower}\""),
            );
        }
    }
}
