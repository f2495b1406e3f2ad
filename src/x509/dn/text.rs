//! The text form of a distinguished name (RFC 4514 sections 2.4 and 3).

use std::fmt::Write;

use super::{Attribute, Dn, Value, encoded, names::identifier};
use crate::x509::der;

/// The maximum number of attributes of one name, which is more than any certificate has.
const MAXIMUM_ATTRIBUTES: usize = 64;

/// Why a text is not a distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DnError {
    /// A part has no `=`, or an empty side.
    #[error("each part must be an attribute and its value, such as CN=client")]
    NoAttribute,
    /// An unknown attribute name.
    #[error(
        "unknown attribute; use CN, L, ST, O, OU, C, STREET, DC, UID or an object identifier such as 2.5.4.97"
    )]
    UnknownAttribute,
    /// A special character is not escaped, or an escape is incomplete.
    #[error(
        "a special character, or a space at the start or end of a value, must be escaped with a backslash"
    )]
    Escape,
    /// The text after `#` is not the hex of a DER value.
    #[error("the text after # must be the hex digits of a DER encoding, such as 2.5.4.97=#0c0141")]
    Hex,
    /// Too many attributes.
    #[error("a distinguished name must have at most {MAXIMUM_ATTRIBUTES} attributes")]
    TooLong,
}

/// Parses a distinguished name in the format of RFC 4514. Spaces after a comma or a plus sign are
/// skipped, since a lot of software writes them.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn parse(text: &str) -> Result<Dn, DnError> {
    let mut parts = vec![Vec::new()];
    let mut rest = text;
    for _ in 0..MAXIMUM_ATTRIBUTES {
        let (one, separator, after) = attribute(rest)?;
        if let Some(part) = parts.last_mut() {
            part.push(one);
        }
        match separator {
            None => return Ok(Dn(parts)),
            Some(',') => parts.push(Vec::new()),
            Some(_) => {}
        }
        rest = after.trim_start_matches(' ');
    }
    Err(DnError::TooLong)
}

/// Parses one attribute. Returns it with the separator after it and the remaining text.
fn attribute(text: &str) -> Result<(Attribute, Option<char>, &str), DnError> {
    let (name, rest) = text.split_once('=').ok_or(DnError::NoAttribute)?;
    if name.is_empty() {
        return Err(DnError::NoAttribute);
    }
    let identifier = identifier(name).ok_or(DnError::UnknownAttribute)?;
    let end = end_of_value(rest);
    let (raw, after) = rest.split_at(end);
    let value = match raw.strip_prefix('#') {
        Some(digits) => hex_value(digits)?,
        None => Value::Text(string_value(raw)?),
    };
    let mut after = after.chars();
    Ok((
        Attribute { identifier, value },
        after.next(),
        after.as_str(),
    ))
}

/// Returns the end of the value at the start of `text`: before an unescaped comma or plus sign.
fn end_of_value(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        if !is_escaped && matches!(character, ',' | '+') {
            return at;
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    text.len()
}

/// Returns a `string` of RFC 4514 section 3 without its escapes.
fn string_value(raw: &str) -> Result<String, DnError> {
    if raw.is_empty() {
        return Err(DnError::NoAttribute);
    }
    let ends_bare = raw.ends_with(' ') && !raw.ends_with("\\ ");
    if raw.starts_with(' ') || ends_bare {
        return Err(DnError::Escape);
    }
    String::from_utf8(unescaped(raw)?).map_err(|_| DnError::Escape)
}

fn unescaped(raw: &str) -> Result<Vec<u8>, DnError> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, left) = match (first, after) {
            (b'\\', [special, left @ ..]) if b" \"#+,;<=>\\".contains(special) => (*special, left),
            (b'\\', [high, low, left @ ..]) => (octet(*high, *low).ok_or(DnError::Escape)?, left),
            (b'\\' | b'"' | b';' | b'<' | b'>' | 0, _) => return Err(DnError::Escape),
            _ => (first, after),
        };
        bytes.push(byte);
        rest = left;
    }
    Ok(bytes)
}

/// Parses a `hexstring` of RFC 4514 section 3.
fn hex_value(digits: &str) -> Result<Value, DnError> {
    let mut bytes = Vec::new();
    for pair in digits.as_bytes().chunks(2) {
        let [high, low] = pair else {
            return Err(DnError::Hex);
        };
        bytes.push(octet(*high, *low).ok_or(DnError::Hex)?);
    }
    match der::element(&bytes) {
        Some((value, [])) => Ok(encoded(&value)),
        _ => Err(DnError::Hex),
    }
}

fn octet(high: u8, low: u8) -> Option<u8> {
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

/// Returns `text` as a value of RFC 4514 section 2.4.
pub(super) fn escape(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (at, character) in text.chars().enumerate() {
        let at_an_end = character == ' ' && (at == 0 || at == last);
        let is_special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\');
        if character.is_ascii_control() {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\{:02x}", u32::from(character));
            continue;
        }
        if at_an_end || is_special || (character == '#' && at == 0) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
