//! Operators, above all comparisons of values that can never be compared.

use rhai::{Expr, FnCallExpr, Position};

use super::kinds::{Kinds, Type};
use super::walk::Walk;
use crate::client::TrustLevel;
use crate::config::nearest;

impl Walk<'_> {
    pub(super) fn operator(&mut self, call: &FnCallExpr, place: Position) -> Type {
        let arguments = self.arguments(call);
        let kinds: Vec<Kinds> = arguments.iter().map(|of| of.kinds).collect();
        let name = call.name.as_str();
        match (name, kinds.as_slice()) {
            ("==" | "!=", [one, two]) => {
                self.never_equal(call, &arguments);
                self.equality(name, call, (*one, *two), place);
            }
            ("<" | ">" | "<=" | ">=", [one, two]) => self.order(name, call, (*one, *two), place),
            ("!", [one]) => self.negation(*one, call),
            ("+" | "-" | "*" | "/" | "%", [one, two]) => return Type::of(arithmetic(*one, *two)),
            _ => return Type::ANY,
        }
        Type::of(Kinds::BOOL)
    }

    fn equality(&mut self, name: &str, call: &FnCallExpr, kinds: (Kinds, Kinds), place: Position) {
        let (one, two) = (kinds.0.when_present(), kinds.1.when_present());
        self.trust_level(call);
        self.unset_attribute(call, place);
        // A comparison with () asks whether a value is present.
        if one.overlaps(Kinds::UNIT) || two.overlaps(Kinds::UNIT) || one.compares_with(two) {
            return;
        }
        if one.is_never() || two.is_never() {
            return;
        }
        let advice = advice(call, one, two);
        let (one, two) = (one.said(), two.said());
        self.error(
            place,
            format!("`{name}` compares {one} with {two}, which are never equal{advice}"),
        );
    }

    fn order(&mut self, name: &str, call: &FnCallExpr, kinds: (Kinds, Kinds), place: Position) {
        if kinds.0 == Kinds::UNIT || kinds.1 == Kinds::UNIT {
            let message = format!(
                "`{name}` compares (), the absent value, which has no order; use `== ()` or `!= ()`"
            );
            return self.error(place, message);
        }
        let (one, two) = (kinds.0.when_present(), kinds.1.when_present());
        if one.is_never() || two.is_never() {
            return;
        }
        let advice = advice(call, one, two);
        let unordered = Kinds::STRUCTURE;
        if !one.compares_with(two) {
            let (one, two) = (one.said(), two.said());
            let message =
                format!("`{name}` compares {one} with {two}, which have no common order{advice}");
            self.error(place, message);
        } else if one.is_within(unordered) || two.is_within(unordered) {
            let message =
                format!("`{name}` compares values that have no order; compare their `len()`");
            self.error(place, message);
        } else if call.args.iter().any(is_number_in_quotes) {
            let message = format!(
                "`{name}` compares texts letter by letter, so \"10\" is less than \"9\"; write the number \
                 without quotes, and use `parse_int` for a text"
            );
            self.warning(place, message);
        }
    }

    /// Warns of a number in quotes that is compared with an attribute whose type is not known, because the
    /// configuration does not set it.
    fn unset_attribute(&mut self, call: &FnCallExpr, place: Position) {
        let ([Expr::StringConstant(text, _), other] | [other, Expr::StringConstant(text, _)]) =
            call.args.as_slice()
        else {
            return;
        };
        if text.parse::<i64>().is_err() {
            return;
        }
        if let Some(name) = attribute(other)
            && !self.known.attributes.contains_key(name)
        {
            let message = format!(
                "[scripts.attributes] does not set `{name}`, so this compares () with \"{text}\"; if it is to be a \
                 number, write the number without quotes: {text} (a number never equals a string)"
            );
            self.warning(place, message);
        }
    }

    /// Checks the trust level with which `context.trustLevel` is compared.
    fn trust_level(&mut self, call: &FnCallExpr) {
        let levels = TrustLevel::ALL.map(TrustLevel::as_str);
        let [one, two] = call.args.as_slice() else {
            return;
        };
        let ((Expr::StringConstant(level, place), other)
        | (other, Expr::StringConstant(level, place))) = (one, two)
        else {
            return;
        };
        if !is_trust_level(other) || levels.contains(&level.as_str()) {
            return;
        }
        let advice = match nearest(level, levels) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the levels are {}", levels.join(", ")),
        };
        self.error(
            *place,
            format!("there is no trust level \"{level}\"; {advice}"),
        );
    }

    /// Reports an `in` that searches a value without items. Rhai calls `contains` for it.
    pub(super) fn searches_nothing(&mut self, call: &FnCallExpr, arguments: &[Type]) -> bool {
        let searched = arguments.first().map_or(Kinds::ANY, |of| of.kinds);
        let is_single = searched.is_within(Kinds::NUMBER | Kinds::BOOL | Kinds::UNIT);
        if call.name != "contains" || !is_single {
            return false;
        }
        let place = call.args.first().map(Expr::start_position);
        let said = searched.said();
        self.error(
            place.unwrap_or_default(),
            format!("`in` searches an array, a map, a string or a range, not {said}"),
        );
        true
    }

    fn negation(&mut self, of: Kinds, call: &FnCallExpr) {
        if !of.is_never()
            && !of.overlaps(Kinds::BOOL)
            && let Some(first) = call.args.first()
        {
            let said = of.said();
            self.error(
                first.start_position(),
                format!(
                    "`!` needs true or false, not {said}; compare the value, as in `value == ()`"
                ),
            );
        }
    }
}

fn is_trust_level(expression: &Expr) -> bool {
    match expression {
        Expr::Dot(pair, ..) => match &pair.rhs {
            Expr::Property(property, _) => property.2 == "trustLevel",
            Expr::MethodCall(call, _) => call.name == "getTrustLevel",
            _ => false,
        },
        _ => false,
    }
}

/// Returns the name of the attribute of the configuration that an expression reads.
fn attribute(expression: &Expr) -> Option<&str> {
    let Expr::Dot(context, ..) = expression else {
        return None;
    };
    let Expr::Dot(attributes, ..) = &context.rhs else {
        return None;
    };
    match (&attributes.lhs, &attributes.rhs) {
        (Expr::Property(owner, _), Expr::Property(name, _))
            if owner.2 == "configurationAttributes" =>
        {
            Some(name.2.as_str())
        }
        _ => None,
    }
}

fn is_number_in_quotes(expression: &Expr) -> bool {
    matches!(expression, Expr::StringConstant(text, _) if text.parse::<i64>().is_ok())
}

/// Returns what to compare instead.
fn advice(call: &FnCallExpr, one: Kinds, two: Kinds) -> String {
    for argument in &call.args {
        match argument {
            Expr::StringConstant(text, _)
                if (one | two).overlaps(Kinds::NUMBER) && is_number_in_quotes(argument) =>
            {
                return format!("; write the number without quotes: {text}");
            }
            Expr::StringConstant(text, _)
                if (one | two).overlaps(Kinds::BOOL)
                    && matches!(text.as_str(), "true" | "false") =>
            {
                return format!("; write it without quotes: {text}");
            }
            _ => {}
        }
    }
    let both = one | two;
    if both.overlaps(Kinds::NUMBER) && both.overlaps(Kinds::TEXT) {
        "; convert one of them with `parse_int(text)` or `number.to_string()`".to_owned()
    } else if both.overlaps(Kinds::LIST) && both.overlaps(Kinds::TEXT) {
        "; use `text in list`".to_owned()
    } else if both.overlaps(Kinds::LIST) && both.overlaps(Kinds::NUMBER) {
        "; compare `list.len()`".to_owned()
    } else {
        String::new()
    }
}

/// Returns the type of a sum, a difference, a product or a quotient.
fn arithmetic(one: Kinds, two: Kinds) -> Kinds {
    if one == Kinds::INT && two == Kinds::INT {
        Kinds::INT
    } else if one.is_within(Kinds::NUMBER) && two.is_within(Kinds::NUMBER) {
        Kinds::NUMBER
    } else if one.is_within(Kinds::TEXT) || two.is_within(Kinds::TEXT) {
        Kinds::TEXT
    } else {
        Kinds::ANY
    }
}
