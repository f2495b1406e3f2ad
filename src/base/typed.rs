//! Reads a JSON value as a type. What is wrong is said with the name of the member and what it must be, and without its
//! value, which may be a secret.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// The maximum length of a name that a message repeats.
const NAME: usize = 64;

/// Reads `value` as a `T`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let reason = told(&error.inner().to_string());
        match shown(error.path().iter()) {
            path if path.is_empty() => reason,
            path => format!("{path}: {reason}"),
        }
    })
}

/// Returns the message of serde without the value.
fn told(message: &str) -> String {
    // The value comes before what is expected, so that it cannot pretend to be that.
    let (found, expected) = match message.rsplit_once(", expected ") {
        Some((found, expected)) => (found, Some(expected)),
        None => (message, None),
    };
    let unknown = found.strip_prefix("unknown field `");
    match (unknown, expected) {
        (Some(name), _) => {
            let name = name.strip_suffix('`').unwrap_or_default();
            let named = if is_name(name) {
                format!("unknown field `{name}`")
            } else {
                "unknown field".to_owned()
            };
            match expected {
                Some(known) => format!("{named}, expected {known}"),
                None => named,
            }
        }
        (None, Some(expected)) => format!("must be {}", meant(expected)),
        // The name is one of this server.
        (None, None) if found.starts_with("missing field `") => found.to_owned(),
        (None, None) => "is not in the form that the description of this API gives".to_owned(),
    }
}

/// Returns a message of serde about a value of a wrong type, or about a word that is not one of those that are possible,
/// without the value. `None`: the message is about something else.
pub(crate) fn without_value(message: &str) -> Option<String> {
    let (found, expected) = message.rsplit_once(", expected ")?;
    let kinds = ["invalid type: ", "invalid value: ", "unknown variant `"];
    let is_about_value = kinds.iter().any(|kind| found.starts_with(kind));
    is_about_value.then(|| format!("must be {}", meant(expected)))
}

/// Returns what serde expects in words of JSON.
fn meant(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "path string" => "a text",
        "a map" => "an object",
        "a sequence" => "an array",
        "string or map" => "a text or an object",
        "socket address" => "an address with a port, such as 127.0.0.1:8080",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        own if own.starts_with("struct ") => "an object",
        other => other,
    }
}

/// Returns where the value is, up to a name that does not look like one: it could be a secret that is there by mistake.
pub(crate) fn shown<'a>(path: impl Iterator<Item = &'a Segment>) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } if is_name(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Seq { index } => text.extend(["[", &index.to_string(), "]"]),
            Segment::Map { .. } | Segment::Enum { .. } | Segment::Unknown => break,
        }
    }
    text
}

fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    (1..=NAME).contains(&text.len()) && text.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        flag: bool,
        count: u64,
        texts: Vec<String>,
        files: BTreeMap<String, String>,
        inner: Option<Inner>,
        choice: Option<Choice>,
        address: Option<IpAddr>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Inner {
        end: i64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Choice {
        First,
        Second,
    }

    #[test]
    fn the_member_is_named_and_its_value_is_not_repeated() {
        const SECRET: &str = "secret`, expected x";
        for (value, reason) in [
            (json!({"flag": SECRET}), "flag: must be true or false"),
            (
                json!({"count": SECRET}),
                "count: must be a whole number from 0",
            ),
            (json!({"count": -5}), "count: must be a whole number from 0"),
            (json!({"texts": SECRET}), "texts: must be an array"),
            (
                json!({"texts": ["a", {SECRET: 1}]}),
                "texts[1]: must be a text",
            ),
            (
                json!({"files": {"10-a.rhai": 5}}),
                "files.10-a.rhai: must be a text",
            ),
            (json!({"files": {SECRET: 5}}), "files: must be a text"),
            (json!({"inner": SECRET}), "inner: must be an object"),
            (
                json!({"inner": {"end": SECRET}}),
                "inner.end: must be a whole number",
            ),
            (json!({"inner": {}}), "inner: missing field `end`"),
            (
                json!({"choice": SECRET}),
                "choice: must be `first` or `second`",
            ),
            (
                json!({"address": SECRET}),
                "address: is not in the form that the description of this API gives",
            ),
            (json!(SECRET), "must be an object"),
        ] {
            let said = read::<Outer>(value.clone()).unwrap_err();
            assert_eq!(said, reason, "{value}");
        }
        for (name, named) in [
            ("other", "unknown field `other`, expected one of `flag`, "),
            (SECRET, "unknown field, expected one of `flag`, "),
        ] {
            let said = read::<Outer>(json!({name: 1})).unwrap_err();
            assert!(said.contains(named), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        let said = read::<Outer>(json!({"inner": {"end": 1, "more": 2}})).unwrap_err();
        assert!(
            said.contains("inner") && said.contains("unknown field `more`, expected `end`"),
            "{said}"
        );
        assert!(matches!(
            read::<Outer>(json!({"choice": "second"})).unwrap().choice,
            Some(Choice::Second)
        ));
        assert!(matches!(read::<Choice>(json!("first")), Ok(Choice::First)));
    }
}
