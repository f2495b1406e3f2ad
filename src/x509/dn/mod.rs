//! Distinguished names: parsed from text (RFC 4514) and from certificates, formatted, and compared
//! (RFC 4517 sections 4.2.15 and 4.2.11, prepared as in RFC 4518).

mod names;
mod prepare;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use super::der::{self, Element};
use crate::base::hex;
use names::rfc4514_name;

pub(crate) use text::parse;

/// A distinguished name, the most specific part first, as in RFC 4514.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dn(Vec<Rdn>);

/// One part: attributes whose order does not matter.
type Rdn = Vec<Attribute>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    /// In dotted form.
    identifier: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// A string from text.
    Text(String),
    /// A string from a certificate, with its encoding.
    Encoded(String, Vec<u8>),
    /// A value that is not a string.
    Opaque(Vec<u8>),
}

/// Whether the distinguished name that a client registered is `subject`: the same parts in the same
/// order, each with the same attributes. Case and repeated spaces are ignored.
///
/// A registered name that is not valid in RFC 4514 matches nothing.
pub(crate) fn matches(registered: &str, subject: &Dn) -> bool {
    match parse(registered) {
        Ok(registered) => registered.is_same(subject),
        Err(_) => false,
    }
}

impl Dn {
    /// Reads the DER of a `Name` (RFC 5280 section 4.1.2.4).
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        let (name, rest) = der::element(bytes)?;
        if name.tag != der::SEQUENCE || !rest.is_empty() {
            return None;
        }
        let mut parts = Vec::new();
        for part in der::elements(name.content)?.iter().rev() {
            parts.push(part_from_der(part)?);
        }
        Some(Self(parts))
    }

    /// Whether the name is empty: it has no parts.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both names match by `distinguishedNameMatch`, with `caseIgnoreMatch` for all
    /// strings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        if self.is_empty() || self.0.len() != other.0.len() {
            return false;
        }
        let mut pairs = self.0.iter().zip(&other.0);
        pairs.all(|(one, other)| keys(one) == keys(other))
    }

    /// Returns the strings of each attribute, under its RFC 4514 name or its dotted identifier.
    pub(crate) fn attributes(&self) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for attribute in self.0.iter().flatten() {
            if let Value::Text(text) | Value::Encoded(text, _) = &attribute.value {
                let name = rfc4514_name(&attribute.identifier).unwrap_or(&attribute.identifier);
                found.entry(name.to_owned()).or_default().push(text.clone());
            }
        }
        found
    }
}

fn part_from_der(part: &Element<'_>) -> Option<Rdn> {
    if part.tag != der::SET {
        return None;
    }
    let attributes = der::elements(part.content)?;
    attributes.iter().map(attribute_from_der).collect()
}

fn attribute_from_der(attribute: &Element<'_>) -> Option<Attribute> {
    let inner = der::elements(attribute.content)?;
    match inner.as_slice() {
        [name, value] if attribute.tag == der::SEQUENCE && name.tag == der::OBJECT_IDENTIFIER => {
            Some(Attribute {
                identifier: der::identifier(name.content)?,
                value: encoded(value),
            })
        }
        _ => None,
    }
}

fn encoded(value: &Element<'_>) -> Value {
    let whole = value.whole.to_vec();
    match der::text(value) {
        Some(text) => Value::Encoded(text, whole),
        None => Value::Opaque(whole),
    }
}

/// Returns the keys by which the attributes of a part are compared.
fn keys(part: &Rdn) -> Vec<(&str, Vec<u8>)> {
    let mut keys = Vec::new();
    for attribute in part {
        let key = match &attribute.value {
            Value::Text(text) | Value::Encoded(text, _) => prepare::prepare(text).into_bytes(),
            // No prepared string begins with this byte.
            Value::Opaque(bytes) => [&[0xff], bytes.as_slice()].concat(),
        };
        keys.push((attribute.identifier.as_str(), key));
    }
    keys.sort();
    keys
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            for (at, attribute) in part.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { "+" })?;
                attribute.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = rfc4514_name(&self.identifier);
        f.write_str(name.unwrap_or(&self.identifier))?;
        f.write_str("=")?;
        match &self.value {
            Value::Text(text) => f.write_str(&text::escape(text)),
            Value::Encoded(text, _) if name.is_some() => f.write_str(&text::escape(text)),
            // RFC 4514 section 2.4: the value of an attribute without a short name is the hex of
            // its encoding.
            Value::Encoded(_, bytes) | Value::Opaque(bytes) => {
                write!(f, "#{}", hex(bytes))
            }
        }
    }
}
