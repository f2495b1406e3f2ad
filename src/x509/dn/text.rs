//! The text form of a distinguished name (RFC 4514 sections 2.4 and 3).

use std::fmt::Write;

use super::names::identifier;
use super::{Attribute, Dn, Value, encoded};
use crate::x509::der;

/// Attributes of one name: more than any certificate has.
const MAXIMUM_ATTRIBUTES: usize = 64;

/// Why a text is not a distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnError {
    /// A part has no `=`, or nothing on one of its sides.
    #[error("each part must be an attribute and its value, such as CN=client")]
    NoAttribute,
    /// An attribute that is not known by this name.
    #[error(
        "an attribute must be CN, L, ST, O, OU, C, STREET, DC, UID or an object identifier such as 2.5.4.97"
    )]
    UnknownAttribute,
    /// A special character stands for itself, or an escape is broken off.
    #[error("a special character, or a space at an end of a value, is written with a backslash before it")]
    Escape,
    /// What follows `#` is not the hex of a value.
    #[error("what follows # must be the hex digits of a DER encoding, such as 2.5.4.97=#0c0141")]
    Hex,
    /// Too many attributes.
    #[error("a distinguished name has {MAXIMUM_ATTRIBUTES} attributes at most")]
    TooLong,
}

/// Reads a distinguished name as RFC 4514 writes it. Spaces after a comma or a plus sign are
/// passed over, since much software writes them.
///
/// # Errors
/// The rule that it breaks.
pub fn parse(text: &str) -> Result<Dn, DnError> {
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

/// One attribute, the separator behind it, and what follows that.
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
    Ok((Attribute { identifier, value }, after.next(), after.as_str()))
}

/// Where the value at the start of `text` ends: before a comma or a plus sign that is not escaped.
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

/// `string` of RFC 4514 section 3, without its escapes.
fn string_value(raw: &str) -> Result<String, DnError> {
    if raw.is_empty() {
        return Err(DnError::NoAttribute);
    }
    let ends_bare = raw.ends_with(' ') && !raw.ends_with("\\ ");
    if raw.starts_with(' ') || ends_bare {
        return Err(DnError::Escape);
    }
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
    String::from_utf8(bytes).map_err(|_| DnError::Escape)
}

/// `hexstring` of RFC 4514 section 3.
fn hex_value(digits: &str) -> Result<Value, DnError> {
    let pairs = digits.as_bytes().chunks(2);
    let octets = pairs.map(|pair| match pair {
        [high, low] => octet(*high, *low),
        _ => None,
    });
    let bytes = octets.collect::<Option<Vec<u8>>>().ok_or(DnError::Hex)?;
    match der::element(&bytes) {
        Some((value, [])) => Ok(encoded(&value)),
        _ => Err(DnError::Hex),
    }
}

fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// `text` as a value of RFC 4514 section 2.4.
pub(super) fn escape(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (at, character) in text.chars().enumerate() {
        let at_an_end = character == ' ' && (at == 0 || at == last);
        let is_special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\');
        if character.is_ascii_control() {
            // Writing to a string does not fail.
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
