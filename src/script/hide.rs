//! Hides values in texts that are shown, in whatever form a script wrote them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::secret::Secret;

/// Structures inside one another in which a value is recognised: JSON text in a map that is printed.
const DEPTH: usize = 2;

/// Each form of each value that is hidden, with what is shown in its place; the longest first, because
/// one may be a part of another one.
#[derive(Debug, Default)]
pub(super) struct Hidden(Vec<(Secret, String)>);

impl Hidden {
    /// Hides `values`, each with its name.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let hide = |(name, value): (&'a str, &'a str)| {
            forms(value).into_iter().map(move |form| (Secret::new(form), format!("[{name}]")))
        };
        let mut hidden: Vec<(Secret, String)> = values.into_iter().flat_map(hide).collect();
        hidden.sort_by_key(|(form, _)| Reverse(form.expose().len()));
        Self(hidden)
    }

    /// `text` with the name of each value in its place.
    pub(super) fn conceal(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (form, shown)| {
            if text.contains(form.expose()) { text.replace(form.expose(), shown) } else { text }
        })
    }
}

/// `value` itself, and how it is written within a structure that is printed or is JSON. None of them
/// is shorter than `value`.
fn forms(value: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([value.to_owned()]);
    for _ in 0..DEPTH {
        let written: Vec<String> = forms.iter().flat_map(|form| [printed(form), json(form)]).collect();
        forms.extend(written);
    }
    forms
}

/// As Rhai prints it, which is as Rust does.
fn printed(text: &str) -> String {
    unquoted(&format!("{text:?}"))
}

fn json(text: &str) -> String {
    unquoted(&Value::from(text).to_string())
}

fn unquoted(written: &str) -> String {
    let inside = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(written).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that the forms write in different ways.
    const VALUE: &str = "-----BEGIN \"KEY\"-----\nab\\c\u{8}d\u{301}\n";

    #[test]
    fn a_value_is_hidden_in_each_form() {
        let (hidden, json) = (Hidden::new([("key", VALUE)]), Value::from(VALUE));
        let in_json = serde_json::json!({ "a": VALUE }).to_string();
        for (text, shown) in [
            (format!("a {VALUE} b"), "a [key] b"),
            (format!("a {VALUE:?} b"), "a \"[key]\" b"),
            (json.to_string(), "\"[key]\""),
            (format!("{in_json:?}"), r#""{\"a\":\"[key]\"}""#),
            (Value::from(in_json).to_string(), r#""{\"a\":\"[key]\"}""#),
        ] {
            assert_eq!(hidden.conceal(&text), shown);
        }
    }

    #[test]
    fn the_longest_form_of_all_values_goes_first() {
        let hidden = Hidden::new([("part", "a\"b"), ("whole", "xa\"by")]);
        assert_eq!(hidden.conceal(r#"xa"by xa\"by a"b a\"b"#), "[whole] [whole] [part] [part]");
    }

    #[test]
    fn a_value_that_is_written_in_one_way_has_one_form() {
        assert_eq!(forms("key-of-the-tests").len(), 1);
    }
}
