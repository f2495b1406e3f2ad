//! Values that the metadata of a client, or the name of a type, can never have.

use rhai::{Expr, FnCallExpr, Position};

use super::Severity;
use super::kinds::{Kinds, Shape, Type};
use super::known::Overload;
use super::walk::Walk;
use crate::config::nearest;

/// Client metadata with few values. A configuration can add values to the second group, so only those that are similar
/// to a known one are reported there.
const CLOSED: [(&str, &[&str]); 3] = [
    ("application_type", &["web", "native"]),
    ("subject_type", &["public", "pairwise"]),
    ("backchannel_token_delivery_mode", &["poll", "ping", "push"]),
];
const OPEN: [(&str, &[&str]); 2] = [
    (
        "token_endpoint_auth_method",
        &[
            "none",
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
            "attest_jwt_client_auth",
        ],
    ),
    (
        "grant_types",
        &[
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "implicit",
            "password",
        ],
    ),
];

/// Client metadata that many clients do not send and that has no default.
const OPTIONAL: [&str; 10] = [
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "contacts",
    "jwks_uri",
    "software_id",
    "software_version",
    "sector_identifier_uri",
];

/// What `type_of` returns, and the names that other languages have for it.
const TYPES: [(&str, &[&str]); 8] = [
    ("string", &["str", "text"]),
    ("i64", &["int", "integer", "number", "long"]),
    ("f64", &["float", "double", "decimal"]),
    ("bool", &["boolean"]),
    ("map", &["object", "dict", "hash", "record"]),
    ("array", &["list", "vec"]),
    ("()", &["null", "none", "nil", "undefined", "unit"]),
    ("Fn", &["function"]),
];

impl Walk<'_> {
    /// Reports a comparison with a constant that is never equal.
    pub(super) fn never_equal(&mut self, call: &FnCallExpr, arguments: &[Type]) {
        let (constant, other, of) = match (call.args.as_slice(), arguments) {
            ([constant @ Expr::StringConstant(..), other], [_, of])
            | ([other, constant @ Expr::StringConstant(..)], [of, _]) => (constant, other, *of),
            _ => return,
        };
        let Expr::StringConstant(text, place) = constant else {
            return;
        };
        if let Expr::FnCall(call, _) = other
            && call.name == "type_of"
            && let Some(right) = right_type(text)
        {
            let message = format!("type_of never returns \"{text}\"; it returns \"{right}\"");
            return self.error(*place, message);
        }
        let Some(name) = of.metadata() else { return };
        if text.is_empty() && !self.tests_absence {
            let message = format!(
                "`{name}` is () when the client has none, and not an empty text; compare it with ()"
            );
            self.warning(*place, message);
        } else if !text.is_empty() {
            self.impossible((name, "is never"), text, *place);
        }
    }

    /// Warns of a method of client metadata that is often absent, if no script asks whether it is.
    pub(super) fn absent(&mut self, of: Type, method: &str, place: Position) {
        let Some(name) = of.metadata().filter(|name| OPTIONAL.contains(name)) else {
            return;
        };
        let is_for_absence = |form: &Overload| {
            form.parameters
                .first()
                .is_some_and(|first| first.overlaps(Kinds::UNIT))
        };
        if self.known.forms(method).iter().any(is_for_absence)
            || self.sources.iter().any(|source| source.may_test(name))
        {
            return;
        }
        let message = format!(
            "`{name}` is () when the client has none, and () has no method `{method}`; ask first, as in \
             `if context.client.{name} != () {{ .. }}`"
        );
        self.warning(place, message);
    }

    /// Checks a constant that `contains` or `in` searches.
    pub(super) fn searched(&mut self, of: Type, item: &Expr) {
        let Expr::StringConstant(text, place) = item else {
            return;
        };
        match of.shape {
            Some(Shape::Headers) => self.header(text, *place),
            Some(Shape::Metadata(name @ "grant_types")) => {
                self.impossible((name, "never contains"), text, *place);
            }
            _ => {}
        }
    }

    /// Checks a constant that becomes the value of client metadata.
    pub(super) fn set_to(&mut self, name: &str, value: &Expr) {
        if let Expr::StringConstant(text, place) = value {
            self.impossible((name, "cannot be"), text, *place);
        }
    }

    /// Reports a value that client metadata never has. What it `is` not is said in these words.
    fn impossible(&mut self, (name, is): (&str, &str), text: &str, place: Position) {
        let find = |table: &[(&str, &'static [&'static str])]| {
            let mut found = table.iter().filter(|(of, _)| *of == name);
            found.next().map(|(_, values)| *values)
        };
        let closed = find(&CLOSED);
        let values = closed.or_else(|| find(&OPEN)).unwrap_or_default();
        let advice = match nearest(text, values.iter().copied()) {
            _ if values.contains(&text) => return,
            Some(near) => format!("did you mean \"{near}\"?"),
            None if closed.is_none() => return,
            None => format!("the values are \"{}\"", values.join("\", \"")),
        };
        let severity = closed.map_or(Severity::Warning, |_| Severity::Error);
        self.report(
            severity,
            place,
            format!("`{name}` {is} \"{text}\"; {advice}"),
        );
    }
}

/// Returns what `type_of` returns for the type that another language calls `name`.
fn right_type(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let mut types = TYPES.iter();
    let (right, _) = types.find(|(right, others)| {
        right.to_lowercase() == lower || others.contains(&lower.as_str())
    })?;
    (*right != name).then_some(*right)
}
