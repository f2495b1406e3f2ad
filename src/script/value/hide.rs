//! Hides confidential values in texts that are shown, in whatever form a script wrote them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::base::{Secret, hex};

/// The depth of nested structures in which a value is recognised, such as JSON text in a printed map.
const DEPTH: usize = 2;

/// Each form of each hidden value, with its replacement. The longest form comes first, because one form
/// may be part of another.
#[derive(Debug, Default)]
pub(in crate::script) struct Hidden(Vec<(Secret, String)>);

impl Hidden {
    /// Hides `values`, each with its name.
    pub(in crate::script) fn new<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hidden = Vec::new();
        for (name, value) in values {
            for form in forms(value) {
                hidden.push((Secret::new(form), format!("[{name}]")));
            }
        }
        hidden.sort_by_key(|(form, _)| Reverse(form.expose().len()));
        Self(hidden)
    }

    /// Hides `secrets`, each with its name, even when a script has encoded a secret (`Basic` uses base64) or
    /// changed its case.
    pub(in crate::script) fn of_secrets<'a>(
        secrets: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut all = Vec::new();
        for (name, secret) in secrets {
            all.push((name, secret.to_owned()));
            for form in encodings(secret) {
                all.push((name, form));
            }
        }
        Self::new(all.iter().map(|(name, form)| (*name, form.as_str())))
    }

    /// Returns `text` with each value replaced by its name.
    pub(in crate::script) fn conceal(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (form, shown) in &self.0 {
            if text.contains(form.expose()) {
                text = text.replace(form.expose(), shown);
            }
        }
        text
    }
}

/// Returns `value` itself, and the forms in which it appears within a printed or JSON structure. No form is
/// shorter than `value`.
fn forms(value: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([value.to_owned()]);
    for _ in 0..DEPTH {
        let mut written = Vec::new();
        for form in &forms {
            written.extend([printed(form), json(form)]);
        }
        forms.extend(written);
    }
    forms
}

/// Returns the forms of `secret` in lower and upper case, in hex, percent-encoded, and in base64, alone or
/// within a longer text. No form is shorter than `secret`.
fn encodings(secret: &str) -> BTreeSet<String> {
    let (lower, upper) = (secret.to_lowercase(), secret.to_uppercase());
    let in_hex = hex(secret.as_bytes());
    let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let spaced = percent.replace('+', "%20");
    let mut forms = BTreeSet::new();
    for before in 0..3 {
        forms.insert(within_base64(&STANDARD_NO_PAD, secret, before));
        forms.insert(within_base64(&URL_SAFE_NO_PAD, secret, before));
    }
    forms.extend([lower, upper, in_hex.to_uppercase(), in_hex, spaced, percent]);
    forms.retain(|form| form.len() >= secret.len() && form != secret);
    forms
}

/// Returns the base64 characters that encode only `secret`, when `before` bytes (modulo 3) precede it.
fn within_base64(encoding: &GeneralPurpose, secret: &str, before: usize) -> String {
    let text = encoding.encode([&vec![0; before], secret.as_bytes()].concat());
    // A character encodes six bits. Characters that share bits with a neighbour are left out.
    let (first, end) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
    text.get(first..end).unwrap_or_default().to_owned()
}

/// Returns `text` as Rhai prints it, which is how Rust's `Debug` prints it.
fn printed(text: &str) -> String {
    unquoted(&format!("{text:?}"))
}

fn json(text: &str) -> String {
    unquoted(&Value::from(text).to_string())
}

fn unquoted(written: &str) -> String {
    let rest = written.strip_prefix('"').unwrap_or(written);
    rest.strip_suffix('"').unwrap_or(rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that each form writes differently.
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
    fn a_secret_is_hidden_in_each_encoding() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
        let secret = "Key/of?the tests+\u{e4}";
        let hidden = Hidden::of_secrets([("key", secret)]);
        for around in ["", "a", "ab", "abc", "user:"] {
            let whole = format!("{around}{secret}{around}");
            for text in [
                STANDARD.encode(&whole),
                URL_SAFE.encode(&whole),
                STANDARD_NO_PAD.encode(&whole),
            ] {
                let shown = hidden.conceal(&text);
                assert!(
                    shown.contains("[key]") && shown.len() < around.len() * 3 + 16,
                    "{text}: {shown}"
                );
            }
        }
        let in_hex = hex(secret.as_bytes()).to_uppercase();
        let percent = "Key%2Fof%3Fthe%20tests%2B%C3%A4";
        for text in [
            in_hex.to_lowercase(),
            in_hex,
            percent.to_owned(),
            percent.replace("%20", "+"),
        ] {
            assert_eq!(hidden.conceal(&text), "[key]", "{text}");
        }
        for text in [secret.to_uppercase(), secret.to_lowercase()] {
            assert_eq!(hidden.conceal(&text), "[key]", "{text}");
        }
        assert_eq!(
            hidden.conceal(&format!("{:?}", secret.to_uppercase())),
            "\"[key]\""
        );
    }

    #[test]
    fn the_longest_forms_are_replaced_first() {
        let hidden = Hidden::new([("part", "a\"b"), ("whole", "xa\"by")]);
        assert_eq!(
            hidden.conceal(r#"xa"by xa\"by a"b a\"b"#),
            "[whole] [whole] [part] [part]"
        );
    }

    #[test]
    fn a_value_with_one_spelling_has_one_form() {
        assert_eq!(forms("key-of-the-tests").len(), 1);
    }
}
