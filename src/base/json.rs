//! Strict JSON for a server: limited nesting and no duplicate members.
//!
//! RFC 8259 section 4 does not define the meaning of a repeated name, so two parsers could read one
//! body as two different requests. Such a body is rejected. The depth is checked during parsing.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The maximum nesting of arrays and objects. A JWK Set in a client's metadata has a depth of 4.
pub(crate) const MAXIMUM_DEPTH: usize = 32;

/// The usual maximum number of members of an object. A map with room for them is not moved while it grows.
const ORDINARY: usize = 14;

/// Why a body is not a JSON object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// The body is empty.
    #[error("the body is empty; send one JSON object")]
    Empty,
    /// The bytes are not UTF-8.
    #[error("the body is not valid UTF-8 (byte {at})")]
    NotUtf8 {
        /// The first invalid byte, counted from 0.
        at: usize,
    },
    /// The body is JSON, but not an object.
    #[error("the body must be a JSON object, not {0}")]
    NotAnObject(&'static str),
    /// The body is not JSON, is nested too deeply, or has a duplicate member.
    #[error("the body is not valid JSON: {0}")]
    Malformed(String),
}

/// Parses `body` as one JSON object.
///
/// # Errors
/// If it is not UTF-8, not JSON, not an object, nested deeper than `MAXIMUM_DEPTH` or ambiguous.
pub(crate) fn parse_object(body: &[u8]) -> Result<Map<String, Value>, JsonError> {
    parse_object_within(body, MAXIMUM_DEPTH)
}

/// Parses `body` as one JSON object that is nested at most `depth` levels deep, itself included.
///
/// # Errors
/// If it is not UTF-8, not JSON, not an object, nested deeper than `depth` or ambiguous.
pub(crate) fn parse_object_within(
    body: &[u8],
    depth: usize,
) -> Result<Map<String, Value>, JsonError> {
    match parse_within(body, depth)? {
        Value::Object(members) => Ok(members),
        Value::Array(_) => Err(JsonError::NotAnObject("an array")),
        Value::String(_) => Err(JsonError::NotAnObject("a string")),
        Value::Number(_) => Err(JsonError::NotAnObject("a number")),
        Value::Bool(_) => Err(JsonError::NotAnObject("a Boolean")),
        Value::Null => Err(JsonError::NotAnObject("null")),
    }
}

/// Parses `body` as one JSON value.
///
/// # Errors
/// If it is not UTF-8, not JSON, nested deeper than `MAXIMUM_DEPTH` or ambiguous.
pub(crate) fn parse(body: &[u8]) -> Result<Value, JsonError> {
    parse_within(body, MAXIMUM_DEPTH)
}

/// Parses `body` as one JSON value that is nested at most `depth` levels deep.
///
/// # Errors
/// If it is not UTF-8, not JSON, nested deeper than `depth` or ambiguous.
pub(crate) fn parse_within(body: &[u8], depth: usize) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| JsonError::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    // Programs on Windows write it before JSON, and a reader may ignore it (RFC 8259 section 8.1).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_ascii().is_empty() {
        return Err(JsonError::Empty);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { left: depth, depth }.deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| JsonError::Malformed(error.to_string()))
}

/// Reads `body` as one JSON value in which every whole number is an integer: see [`integral`].
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_integral(body: &[u8]) -> Result<Value, JsonError> {
    let mut value = parse(body)?;
    integral(&mut value);
    Ok(value)
}

/// Appends to the JSON object in `text` the members of the JSON object `members`, whose names must be others. Both are
/// texts without space around them.
pub(crate) fn append_members(text: &mut Vec<u8>, members: &str) {
    let more = members.strip_prefix('{').unwrap_or_default();
    if more.is_empty() || more == "}" || text.pop_if(|end| *end == b'}').is_none() {
        return;
    }
    if text.last().is_some_and(|last| *last != b'{') {
        text.push(b',');
    }
    text.extend_from_slice(more.as_bytes());
}

/// Applies a JSON Merge Patch to the members of an object (RFC 7396 section 2): `null` removes a member, an object is
/// merged into the present one, and every other value replaces it.
pub(crate) fn merge_patch(members: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                members.shift_remove(&name);
            }
            Value::Object(changes) => {
                let place = members.entry(name).or_insert(Value::Null);
                let mut merged = match place.take() {
                    Value::Object(present) => present,
                    _ => Map::new(),
                };
                merge_patch(&mut merged, changes);
                *place = merged.into();
            }
            value => {
                members.insert(name, value);
            }
        }
    }
}

/// Writes every whole number in `value` as an integer. JSON Schema treats `86400.0` as an integer,
/// and programs in languages with a single number type send it.
pub(crate) fn integral(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(integral),
        Value::Object(members) => members.values_mut().for_each(integral),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Returns the integer equal to a number without a fractional part, as far as such numbers are
/// exact.
fn whole(number: &Number) -> Option<Number> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let float = number
        .as_f64()
        .filter(|float| number.is_f64() && float.abs() <= LARGEST)?;
    let text = format!("{float:.0}");
    (float.fract() == 0.0)
        .then(|| text.parse::<i64>().ok())
        .flatten()
        .map(Number::from)
}

/// Returns the name of the JSON type of `value` for messages.
pub(crate) const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a Boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Parses one value with `left` of `depth` levels remaining.
#[derive(Clone, Copy)]
struct Strict {
    left: usize,
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth;
        let left = self.left.checked_sub(1);
        let left =
            left.ok_or_else(|| E::custom(format_args!("nested deeper than {depth} levels")))?;
        Ok(Self { left, depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        // Only for the outermost object, since a body may have a great many small ones.
        let room = if self.left == self.depth { ORDINARY } else { 0 };
        let mut object = Map::with_capacity(room);
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate member '{name}'")));
            }
            object.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: &[u8], expected: Result<&str, &str>) {
        match (parse_object(body), expected) {
            (Ok(object), Ok(text)) => assert_eq!(Value::Object(object).to_string(), text),
            (Err(error), Err(part)) => {
                assert!(
                    error.to_string().contains(part),
                    "{error} does not contain {part}"
                );
            }
            (result, expected) => panic!("{result:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_merge_patch_has_the_results_of_its_specification() {
        // RFC 7396 appendix A, as far as both are objects.
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut members = target.as_object().unwrap().clone();
            merge_patch(&mut members, patch.as_object().unwrap().clone());
            assert_eq!(Value::from(members), result, "{target} with {patch}");
        }
    }

    #[test]
    fn an_object_keeps_its_members_and_their_order() {
        check(
            br#" {"b": [1, -2, 1.5, null, true], "a": {"x": "\u00e9"}} "#,
            Ok(r#"{"b":[1,-2,1.5,null,true],"a":{"x":"é"}}"#),
        );
    }

    #[test]
    fn anything_but_an_object_is_rejected_by_its_type() {
        check(b"", Err("empty"));
        check(b" \n", Err("empty"));
        check(b"[]", Err("an array"));
        check(b"null", Err("null"));
        check(b"5", Err("a number"));
        check(br#"{"a":1} x"#, Err("trailing"));
        check(b"{\"redirect_uris\":[", Err("EOF"));
        check(b"{\"a\":\"\xff\"}", Err("byte 6"));
    }

    #[test]
    fn a_duplicate_member_is_rejected() {
        check(br#"{"a":1,"a":1}"#, Err("duplicate member 'a'"));
        check(br#"{"x":{"a":1,"\u0061":2}}"#, Err("duplicate member 'a'"));
    }

    #[test]
    fn members_are_appended_to_an_object() {
        for (text, members, expected) in [
            ("{}", "{}", "{}"),
            ("{}", r#"{"b":{}}"#, r#"{"b":{}}"#),
            (r#"{"a":1}"#, "{}", r#"{"a":1}"#),
            (r#"{"a":1}"#, r#"{"b":2,"c":3}"#, r#"{"a":1,"b":2,"c":3}"#),
            ("", r#"{"b":2}"#, ""),
        ] {
            let mut whole = text.as_bytes().to_vec();
            append_members(&mut whole, members);
            assert_eq!(String::from_utf8(whole).unwrap(), expected);
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested =
            |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_object(nested(MAXIMUM_DEPTH - 1).as_bytes()).is_ok());
        check(nested(MAXIMUM_DEPTH).as_bytes(), Err("deeper than"));
        check(nested(10_000).as_bytes(), Err("deeper than"));
    }

    #[test]
    fn a_whole_number_is_an_integer_in_every_spelling() {
        let sent = serde_json::json!({"a": [86400.0, -1.0, 1.5, 7, "2.0"], "b": {"c": 0.0, "d": 1e300, "e": u64::MAX}});
        let mut read = sent.clone();
        integral(&mut read);
        assert_eq!(
            read.to_string(),
            r#"{"a":[86400,-1,1.5,7,"2.0"],"b":{"c":0,"d":1e+300,"e":18446744073709551615}}"#
        );
    }
}
