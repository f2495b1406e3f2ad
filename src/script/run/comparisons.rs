//! Comparisons that fail when the types of the two values do not fit.
//!
//! Rhai answers `"500" > 100` and `() > 5` with `false`, so a limit that is written as a text, or is absent,
//! rejects nobody. Its own comparison cannot be replaced where it is used for built-in types. Therefore each
//! comparison in the text of a script becomes an operator of a name that no script can write. Comparisons that
//! Rhai makes itself, as for `in` and for the items of arrays, stay as they are.

use rhai::{Dynamic, Engine, ImmutableString, Module, NativeCallContext, Token};

use crate::script::{HostResult, failure, value_of};

/// A comparison: its token, its symbol, the operator that takes its place, and its precedence in Rhai.
struct Comparison {
    token: Token,
    symbol: &'static str,
    operator: &'static str,
    precedence: u8,
}

static COMPARISONS: [Comparison; 6] = [
    comparison(Token::EqualsTo, "==", "strict ==", 90),
    comparison(Token::NotEqualsTo, "!=", "strict !=", 90),
    comparison(Token::LessThan, "<", "strict <", 130),
    comparison(Token::LessThanEqualsTo, "<=", "strict <=", 130),
    comparison(Token::GreaterThan, ">", "strict >", 130),
    comparison(Token::GreaterThanEqualsTo, ">=", "strict >=", 130),
];

const fn comparison(
    token: Token,
    symbol: &'static str,
    operator: &'static str,
    precedence: u8,
) -> Comparison {
    Comparison {
        token,
        symbol,
        operator,
        precedence,
    }
}

/// Lets `engine` compile the operators of [`strict`].
pub(super) fn allow_operators(engine: &mut Engine) {
    for comparison in &COMPARISONS {
        let allowed = engine.register_custom_operator(comparison.operator, comparison.precedence);
        debug_assert!(allowed.is_ok(), "the name is not reserved");
    }
}

/// Returns the strict operator for a comparison, and any other token unchanged.
pub(super) fn strict(token: Token) -> Token {
    let mut found = COMPARISONS.iter();
    match found.find(|comparison| comparison.token == token) {
        Some(comparison) => Token::Custom(Box::new(comparison.operator.into())),
        None => token,
    }
}

/// Registers the functions of the operators.
pub(super) fn register(module: &mut Module) {
    register_for::<i64>(module);
    register_for::<ImmutableString>(module);
    register_for::<bool>(module);
    for Comparison {
        symbol, operator, ..
    } in &COMPARISONS
    {
        let compare = move |cx: NativeCallContext<'_>, one: Dynamic, two: Dynamic| {
            compared(&cx, symbol, one, two)
        };
        module.set_native_fn(*operator, compare);
    }
}

/// Registers the comparisons of two values of the same type, which nearly all are.
fn register_for<T: PartialOrd + Clone + Send + Sync + 'static>(module: &mut Module) {
    let [equal, unequal, less, at_most, more, at_least] = &COMPARISONS;
    module.set_native_fn(equal.operator, |one: &mut T, two: T| Ok(*one == two));
    module.set_native_fn(unequal.operator, |one: &mut T, two: T| Ok(*one != two));
    module.set_native_fn(less.operator, |one: &mut T, two: T| Ok(*one < two));
    module.set_native_fn(at_most.operator, |one: &mut T, two: T| Ok(*one <= two));
    module.set_native_fn(more.operator, |one: &mut T, two: T| Ok(*one > two));
    module.set_native_fn(at_least.operator, |one: &mut T, two: T| Ok(*one >= two));
}

/// Compares values as Rhai does, if their types fit.
fn compared(
    cx: &NativeCallContext<'_>,
    symbol: &str,
    mut one: Dynamic,
    mut two: Dynamic,
) -> HostResult<Dynamic> {
    let is_equality = matches!(symbol, "==" | "!=");
    if one.is_unit() || two.is_unit() {
        if is_equality {
            let both = one.is_unit() && two.is_unit();
            return Ok((both == (symbol == "==")).into());
        }
    } else if fit(&one, &two) {
        return cx.call_native_fn_raw(symbol, true, &mut [&mut one, &mut two]);
    }
    let advice = if one.is_unit() || two.is_unit() {
        "check first that the value is present"
    } else {
        "convert one of them, as in parse_int(text)"
    };
    let (one, two) = (value_of(one.type_name()), value_of(two.type_name()));
    Err(failure(format!(
        "`{symbol}` cannot compare {one} with {two}; {advice} (scripts.strictComparisons)"
    )))
}

/// Returns whether two values can be compared.
fn fit(one: &Dynamic, two: &Dynamic) -> bool {
    let is_number = |value: &Dynamic| value.is_int() || value.is_float();
    let is_text = |value: &Dynamic| value.is_string() || value.is_char();
    one.type_id() == two.type_id()
        || (is_number(one) && is_number(two))
        || (is_text(one) && is_text(two))
}
